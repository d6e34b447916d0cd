//! Data sets: `dataset.json` and one safetensors file a split.
//!
//! A split's file holds `images` u8 `[n, c, h, w]`, `labels` i64 `[n]` and `ids` i64 `[n]`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use planish_contract::{Failure, Folder};
use safetensors::Dtype;
use serde::{Deserialize, Serialize};

use crate::mapped::Mapped;
use crate::tensors::{from_u32, mapped_values, take_u32, tensors_except};
use crate::{NamedTensor, Pixels, Values, check_schema, read_json, write_json, write_tensors};

/// The file that describes the data set: [`DataSetInfo`].
pub const INFO: &str = "dataset.json";

/// More bytes than an image of any data set here has; keeps products of sizes from overflowing.
const MAX_IMAGE_BYTES: usize = 1 << 26;

/// A file that the data set was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its official name, without a compression suffix.
    pub name: String,
    /// The SHA-256 of its (uncompressed) content, in hexadecimal.
    pub sha256: String,
}

/// What a data set is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSetInfo {
    /// The version of this schema: [`crate::SCHEMA`].
    pub schema: u32,
    /// The name, such as `fashion-mnist`.
    pub name: String,
    /// The names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// Channels, height and width of an image.
    pub shape: [usize; 3],
    /// The mean of each channel over the official training split, images in `[0,1]`.
    pub mean: Vec<f64>,
    /// The standard deviation of each channel, likewise.
    pub std: Vec<f64>,
    /// How many images each split has, by its name.
    pub splits: BTreeMap<String, usize>,
    /// The official files that it is a selection of.
    pub sources: Vec<Source>,
}

/// Which part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SplitName {
    /// What networks are trained on.
    Train,
    /// What choices are made on; taken out of the official training split.
    Validation,
    /// What results are reported on; never used for anything else.
    Test,
}

impl SplitName {
    /// All of them.
    pub const ALL: [SplitName; 3] = [SplitName::Train, SplitName::Validation, SplitName::Test];

    /// The name, as in TOML and in file names.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SplitName::Train => "train",
            SplitName::Validation => "validation",
            SplitName::Test => "test",
        }
    }

    fn file(self) -> String {
        format!("{}.safetensors", self.as_str())
    }
}

impl std::fmt::Display for SplitName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Images with their labels, in a fixed order of which every prefix is a selection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// The images `[n, c, h, w]`, 0 to 255; those of a split that was read lie in its file.
    pub images: Pixels,
    /// The class of each image.
    pub labels: Vec<u32>,
    /// The index of each image in its official split.
    pub ids: Vec<u32>,
}

impl Split {
    /// How many images there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The number of values of an image: c · h · w.
    #[must_use]
    pub fn image_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Image `index` `[c, h, w]`, 0 to 255; empty when there is no such image.
    #[must_use]
    pub fn image(&self, index: usize) -> &[u8] {
        self.rows(index..index.saturating_add(1))
    }

    /// The first `n` images, or all when there are fewer.
    #[must_use]
    pub fn first(&self, n: usize) -> Split {
        let n = n.min(self.len());
        Split {
            shape: self.shape,
            images: self.rows(0..n).to_vec().into(),
            labels: self.labels.iter().take(n).copied().collect(),
            ids: self.ids.iter().take(n).copied().collect(),
        }
    }

    /// The images of `range` `[n, c, h, w]` as floats in `[0,1]`; empty when the range is not within the split.
    #[must_use]
    pub fn pixels(&self, range: Range<usize>) -> Vec<f32> {
        self.rows(range).iter().map(|&value| f32::from(value) / 255.0).collect()
    }

    fn rows(&self, range: Range<usize>) -> &[u8] {
        let len = self.image_len();
        self.images.get(range.start.saturating_mul(len)..range.end.saturating_mul(len)).unwrap_or_default()
    }

    fn tensors(&self) -> [NamedTensor; 3] {
        let [c, h, w] = self.shape;
        let images = NamedTensor { name: "images".to_owned(), shape: vec![self.len(), c, h, w], values: Values::U8(self.images.to_vec()) };
        [images, from_u32("labels", &self.labels), from_u32("ids", &self.ids)]
    }
}

/// A data set; its splits are read on demand.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// What it is.
    pub info: DataSetInfo,
    folder: Folder,
}

impl DataSet {
    /// Reads and checks the description of the data set in `folder`.
    ///
    /// # Errors
    /// [`Failure::Input`] when it is missing, malformed or contradicts itself, [`Failure::Io`] when it can't be read.
    pub fn open(folder: &Folder) -> Result<Self, Failure> {
        let path = folder.file(INFO)?;
        let info: DataSetInfo = read_json(path)?;
        check_schema(path, info.schema)?;
        check_info(&info).map_err(|message| Failure::input(format!("{}: {message}", path.display())))?;
        Ok(DataSet { info, folder: folder.clone() })
    }

    /// Whether the data set has the split.
    #[must_use]
    pub fn has(&self, name: SplitName) -> bool {
        self.info.splits.contains_key(name.as_str())
    }

    /// The first `count` images of a split, or all of them.
    ///
    /// # Errors
    /// As [`DataSet::split`], and [`Failure::Input`] when there are fewer.
    pub fn images(&self, name: SplitName, count: Option<usize>) -> Result<Split, Failure> {
        let split = self.split(name)?;
        match count {
            Some(count) if count > split.len() => Err(Failure::input_hint(
                format!("`images = {count}`, but the {name} split of {} has {} images", self.info.name, split.len()),
                "ask for fewer images, or let the data stage keep more",
            )),
            Some(count) => Ok(split.first(count)),
            None => Ok(split),
        }
    }

    /// Reads and checks a split.
    ///
    /// # Errors
    /// [`Failure::Input`] when the data set has no such split, or its file is malformed or contradicts the description.
    pub fn split(&self, name: SplitName) -> Result<Split, Failure> {
        let Some(&n) = self.info.splits.get(name.as_str()) else {
            let hint = format!("give the data stage `{name} = N` images");
            return Err(Failure::input_hint(format!("the data set `{}` has no {name} split", self.info.name), hint));
        };
        let path = self.folder.file(&name.file())?;
        let place = path.display().to_string();
        let file = Mapped::open(path)?;
        let (shape, images) = mapped_values(&file, ("images", Dtype::U8), &place)?;
        let [c, h, w] = self.info.shape;
        if shape != [n, c, h, w] {
            return Err(Failure::input(format!("{place}: tensor `images` has shape {shape:?}, not {:?}", [n, c, h, w])));
        }
        let mut tensors = tensors_except(Some("images"), &file, &place)?;
        let labels = take_u32(&mut tensors, "labels", n, &place)?;
        let classes = self.info.classes.len();
        if let Some(label) = labels.iter().find(|&&label| label as usize >= classes) {
            return Err(Failure::input(format!("{place}: label {label}, but there are {classes} classes")));
        }
        let ids = take_u32(&mut tensors, "ids", n, &place)?;
        Ok(Split { shape: self.info.shape, images: images.into(), labels, ids })
    }
}

fn check_info(info: &DataSetInfo) -> Result<(), String> {
    let bytes = info.shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    if !bytes.is_some_and(|bytes| (1..=MAX_IMAGE_BYTES).contains(&bytes)) {
        return Err(format!("an image shape of {:?}", info.shape));
    }
    let channels = info.shape.first().copied().unwrap_or_default();
    if info.mean.len() != channels || info.std.len() != channels {
        return Err(format!("{} means and {} deviations for {channels} channels", info.mean.len(), info.std.len()));
    }
    if info.std.iter().any(|&deviation| deviation <= 0.0) {
        return Err("a standard deviation that is not above 0".to_owned());
    }
    if info.classes.is_empty() {
        return Err("no classes".to_owned());
    }
    match info.splits.keys().find(|key| SplitName::ALL.iter().all(|name| name.as_str() != *key)) {
        Some(unknown) => Err(format!("a split named `{unknown}`; splits are train, validation and test")),
        None => Ok(()),
    }
}

/// Writes a data set into the folder `dir`; `info.splits` has to say what `splits` holds.
///
/// # Errors
/// [`Failure::Internal`] when the parts contradict each other, [`Failure::Io`] when a file can't be written.
pub fn write_data_set(dir: &Path, info: &DataSetInfo, splits: &BTreeMap<SplitName, Split>) -> Result<(), Failure> {
    let sizes: BTreeMap<String, usize> = splits.iter().map(|(name, split)| (name.as_str().to_owned(), split.len())).collect();
    let shapes_agree = splits.values().all(|split| split.shape == info.shape);
    if sizes != info.splits || !shapes_agree {
        return Err(Failure::internal("a data set whose description contradicts its splits"));
    }
    check_info(info).map_err(|message| Failure::internal(format!("a data set with {message}")))?;
    for (name, split) in splits {
        write_tensors(&dir.join(name.file()), &split.tensors(), &BTreeMap::new())?;
    }
    write_json(&dir.join(INFO), info)
}

#[cfg(test)]
mod tests;
