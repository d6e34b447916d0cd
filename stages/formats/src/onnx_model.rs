//! An image classifier as ONNX: `model.onnx`, `model.json`, `parity.json`.

use std::path::PathBuf;

use planish_contract::{Failure, Folder};
use serde::{Deserialize, Serialize};

use crate::{check_schema, read_json};

/// The file of the network.
pub const MODEL: &str = "model.onnx";
/// The file that describes it: [`ModelInfo`].
pub const INFO: &str = "model.json";
/// The file that says how far it is from the network it was made of: [`Parity`].
pub const PARITY: &str = "parity.json";

/// What the network takes and gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelInfo {
    /// The version of this schema: [`crate::SCHEMA`].
    pub schema: u32,
    /// Channels, height and width of an image; its values are in `[0,1]`.
    pub shape: [usize; 3],
    /// The names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// The name of the input `[n, c, h, w]`.
    pub input: String,
    /// The name of the output `[n, classes]`: logits.
    pub output: String,
    /// The version of ONNX's operator set.
    pub opset: i64,
    /// How many trained numbers it has.
    pub parameters: u64,
}

/// ONNX Runtime's logits against those of the network that was exported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parity {
    /// The version of this schema: [`crate::SCHEMA`].
    pub schema: u32,
    /// How many images were compared.
    pub images: usize,
    /// The largest absolute difference of a logit.
    pub max_abs_difference: f64,
    /// The largest that was allowed, relative to the largest logit where that is above 1, on images as they are and under attack.
    pub bound: f64,
    /// The share of images with the same predicted class, in `[0,1]`.
    pub agreement: f64,
    /// The same on images under attack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adversarial: Option<AdversarialParity>,
    /// Exports in other precisions, beside the model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
}

/// The comparison on images that an attack moved to where the network errs or nearly does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdversarialParity {
    /// The radius of the attack in the maximum norm, in units of the pixel range.
    pub eps: f64,
    /// Its steps.
    pub steps: u32,
    /// The share of these images whose predicted class the attack changed in the network, in `[0,1]`.
    pub moved: f64,
    /// How the logits compare there.
    pub logits: Comparison,
}

/// How the logits of two networks compare on some images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// How many images were compared.
    pub images: usize,
    /// The largest absolute difference of a logit.
    pub max_abs_difference: f64,
    /// The share of images with the same predicted class, in `[0,1]`.
    pub agreement: f64,
}

/// The same network in another precision: a file beside the model, for deployment. The judge uses the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The precision: `fp16`, `int8`.
    pub precision: String,
    /// The file in the same folder.
    pub file: String,
    /// How its logits compare with the original network's on images as they are.
    pub clean: Comparison,
    /// The same on images under attack.
    pub adversarial: Comparison,
    /// Its accuracy less the original's on the images compared, in `[-1,1]`; absent without labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_difference: Option<f64>,
    /// What must not be done with it.
    pub warning: String,
}

/// An exported network.
#[derive(Clone, Debug)]
pub struct OnnxModel {
    /// What it takes and gives.
    pub info: ModelInfo,
    /// How far it is from its original, where that was measured.
    pub parity: Option<Parity>,
    /// Where `model.onnx` is.
    pub path: PathBuf,
}

impl OnnxModel {
    /// Reads the description of the network in `folder`; the network itself is only located.
    ///
    /// # Errors
    /// [`Failure::Input`] when a file is missing or malformed, [`Failure::Io`] when one can't be read.
    pub fn open(folder: &Folder) -> Result<Self, Failure> {
        let path = folder.file(MODEL)?.to_path_buf();
        let info_path = folder.file(INFO)?;
        let info: ModelInfo = read_json(info_path)?;
        check_schema(info_path, info.schema)?;
        if info.classes.is_empty() || info.shape.contains(&0) {
            return Err(Failure::input(format!("{}: no classes, or an empty image shape", info_path.display())));
        }
        Ok(OnnxModel { info, parity: parity(folder)?, path })
    }
}

fn parity(folder: &Folder) -> Result<Option<Parity>, Failure> {
    if !folder.has(PARITY) {
        return Ok(None);
    }
    let path = folder.file(PARITY)?;
    let parity: Parity = read_json(path)?;
    check_schema(path, parity.schema)?;
    Ok(Some(parity))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SCHEMA, write_json};

    #[test]
    fn a_model_is_described_with_or_without_parity() {
        let folder = tempfile::tempdir().unwrap();
        let info = ModelInfo {
            schema: SCHEMA,
            shape: [1, 2, 2],
            classes: vec!["a".into()],
            input: "images".into(),
            output: "logits".into(),
            opset: 17,
            parameters: 3,
        };
        std::fs::write(folder.path().join(MODEL), b"onnx").unwrap();
        write_json(&folder.path().join(INFO), &info).unwrap();
        let open = || OnnxModel::open(&Folder::open(folder.path()).unwrap());
        let model = open().unwrap();
        assert_eq!((model.info, model.parity), (info.clone(), None));
        let logits = Comparison { images: 2, max_abs_difference: 1e-6, agreement: 1.0 };
        let variant = Variant {
            precision: "fp16".into(),
            file: "model.fp16.onnx".into(),
            clean: logits,
            adversarial: logits,
            accuracy_difference: Some(-0.5),
            warning: "no".into(),
        };
        let adversarial = AdversarialParity { eps: 0.1, steps: 5, moved: 0.5, logits };
        let parity = Parity {
            schema: SCHEMA,
            images: 2,
            max_abs_difference: 1e-6,
            bound: 1e-3,
            agreement: 1.0,
            adversarial: Some(adversarial),
            variants: vec![variant],
        };
        write_json(&folder.path().join(PARITY), &parity).unwrap();
        assert_eq!(open().unwrap().parity, Some(parity));
        write_json(&folder.path().join(INFO), &ModelInfo { shape: [1, 0, 2], ..info }).unwrap();
        assert!(open().unwrap_err().to_string().contains("empty image shape"));
    }
}
