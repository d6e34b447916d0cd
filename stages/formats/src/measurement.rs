//! Measurements of a loss landscape, image by image.
//!
//! `measurement.json` is the [`MeasurementHeader`]; `measurements.safetensors` holds the arrays by name, each with `n` images along its last
//! axis: `ids` and `labels` `[n]` (i64), and 32-bit floats as their names in [`MeasurementHeader::arrays`] say. Surfaces, if any, are
//! `surfaces/loss` `[k, p, p]` for the first `k` images with their axis `surfaces/offsets` `[p]`.

use std::collections::BTreeMap;
use std::path::Path;

use planish_contract::{Failure, Folder};
use serde::{Deserialize, Serialize};

use crate::median::median_of_sorted;
use crate::tensors::{NamedTensor, read_tensors, write_tensors};
use crate::{SplitName, Threat, Values, check_schema, read_json, write_json};

/// The file of the header.
pub const MEASUREMENT: &str = "measurement.json";
/// The file of the arrays.
pub const ARRAYS: &str = "measurements.safetensors";

/// What was measured, how, and what it comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasurementHeader {
    /// The version of this schema: [`crate::SCHEMA`].
    pub schema: u32,
    /// The data set's name.
    pub dataset: String,
    /// The split whose images were measured.
    pub split: SplitName,
    /// How many images.
    pub images: usize,
    /// The threat models of the arrays with an axis of radii, in order.
    pub threats: Vec<Threat>,
    /// The parameters of the stage: the maximiser's settings above all, for a measured γ is a lower bound.
    pub parameters: serde_json::Value,
    /// What each array holds: name → meaning, unit and axes.
    pub arrays: BTreeMap<String, String>,
    /// The distribution of each array over the images; for arrays with an axis of radii one a radius.
    pub summaries: BTreeMap<String, Vec<Summary>>,
}

/// The distribution of one number over the images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// The mean.
    pub mean: f64,
    /// The median.
    pub median: f64,
    /// The 90th percentile, by nearest rank.
    pub percentile_90: f64,
    /// The largest.
    pub largest: f64,
}

impl Summary {
    /// The distribution of `values`, all finite; `None` when there are none.
    #[must_use]
    pub fn of(values: &[f32]) -> Option<Self> {
        let mut sorted: Vec<f64> = values.iter().copied().map(f64::from).collect();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let rank = (count * 9).div_ceil(10).max(1) - 1;
        Some(Summary {
            mean: sorted.iter().sum::<f64>() / count as f64,
            median: median_of_sorted(&sorted)?,
            percentile_90: *sorted.get(rank)?,
            largest: *sorted.last()?,
        })
    }
}

/// A measurement that was read.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// What was measured.
    pub header: MeasurementHeader,
    /// The arrays, sorted by name.
    pub arrays: Vec<NamedTensor>,
}

/// Writes a measurement into the folder `dir`.
///
/// # Errors
/// [`Failure::Io`] when a file can't be written, [`Failure::Internal`] when an array and its shape disagree.
pub fn write_measurement(dir: &Path, header: &MeasurementHeader, arrays: &[NamedTensor]) -> Result<(), Failure> {
    write_tensors(&dir.join(ARRAYS), arrays, &BTreeMap::new())?;
    write_json(&dir.join(MEASUREMENT), header)
}

impl Measurement {
    /// Reads and checks the measurement in `folder`.
    ///
    /// # Errors
    /// [`Failure::Input`] when it is missing, malformed, of another schema or not finite; [`Failure::Io`] when it can't be read.
    pub fn open(folder: &Folder) -> Result<Self, Failure> {
        let path = folder.file(MEASUREMENT)?;
        let header: MeasurementHeader = read_json(path)?;
        check_schema(path, header.schema)?;
        let path = folder.file(ARRAYS)?;
        let arrays = read_tensors(path)?;
        for array in &arrays {
            let measured = !array.name.starts_with("surfaces/");
            if measured && array.shape.last() != Some(&header.images) {
                let message = format!("{}: `{}` has shape {:?} for {} images", path.display(), array.name, array.shape, header.images);
                return Err(Failure::input(message));
            }
            if matches!(&array.values, Values::F32(values) if values.iter().any(|value| !value.is_finite())) {
                return Err(Failure::input(format!("{}: `{}` holds a number that is not finite", path.display(), array.name)));
            }
        }
        Ok(Measurement { header, arrays })
    }

    /// The floats of array `name`; `None` when there is no such array.
    #[must_use]
    pub fn floats(&self, name: &str) -> Option<&[f32]> {
        self.arrays.iter().find(|array| array.name == name).and_then(|array| match &array.values {
            Values::F32(values) => Some(values.as_slice()),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use planish_contract::Fraction;

    use super::*;
    use crate::{Norm, SCHEMA};

    fn sample() -> (MeasurementHeader, Vec<NamedTensor>) {
        let gamma = vec![0.5, 0.25, 1.0];
        let header = MeasurementHeader {
            schema: SCHEMA,
            dataset: "tiny".into(),
            split: SplitName::Test,
            images: 3,
            threats: vec![Threat { norm: Norm::Linf, eps: Fraction(0.1) }],
            parameters: serde_json::json!({ "steps": 2 }),
            arrays: BTreeMap::from([("gamma".into(), "nats, [radius, image]".into())]),
            summaries: BTreeMap::from([("gamma".into(), vec![Summary::of(&gamma).unwrap()])]),
        };
        let tensor = |name: &str, shape: Vec<usize>, values| NamedTensor { name: name.into(), shape, values };
        let arrays = vec![
            tensor("gamma", vec![1, 3], Values::F32(gamma)),
            tensor("ids", vec![3], Values::I64(vec![4, 5, 6])),
            tensor("surfaces/loss", vec![1, 1, 1], Values::F32(vec![0.0])),
        ];
        (header, arrays)
    }

    #[test]
    fn a_measurement_reads_back() {
        let (header, arrays) = sample();
        let folder = tempfile::tempdir().unwrap();
        write_measurement(folder.path(), &header, &arrays).unwrap();
        let read = Measurement::open(&Folder::open(folder.path()).unwrap()).unwrap();
        assert_eq!((read.header, read.arrays.len()), (header, 3));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (mut header, mut arrays) = sample();
        let folder = tempfile::tempdir().unwrap();
        let refused = |header: &MeasurementHeader, arrays: &[NamedTensor]| {
            write_measurement(folder.path(), header, arrays).unwrap();
            Measurement::open(&Folder::open(folder.path()).unwrap()).unwrap_err().to_string()
        };
        arrays[0].values = Values::F32(vec![0.0, f32::NAN, 0.0]);
        assert!(refused(&header, &arrays).contains("not finite"));
        arrays.remove(0);
        header.images = 4;
        assert!(refused(&header, &arrays).contains("[3] for 4 images"));
        header.schema = 9;
        assert!(refused(&header, &arrays).contains("version 9"));
    }

    #[test]
    fn summaries() {
        let summary = Summary::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!(summary, Summary { mean: 2.5, median: 2.5, percentile_90: 4.0, largest: 4.0 });
        let ten: Vec<f32> = (1..=10_u8).map(f32::from).collect();
        assert!((Summary::of(&ten).unwrap().percentile_90 - 9.0).abs() < 1e-12);
        assert_eq!(Summary::of(&[]), None);
    }
}
