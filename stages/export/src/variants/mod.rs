//! The same network in other precisions: files beside the model, for deployment.

mod fp16;
mod int8;

use planish_contract::Failure;
use planish_onnx::ModelFile;
use planish_onnx::proto::{ModelProto, StringStringEntryProto};
use prost::Message;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The numbers that a network computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floats: the model itself, which is judged.
    Fp32,
    /// 16-bit floats inside; images and logits stay 32-bit floats.
    Fp16,
    /// 8-bit whole numbers in convolutions and linear layers, by `QuantizeLinear` and `DequantizeLinear`, with ranges
    /// measured on validation images; images and logits stay 32-bit floats.
    Int8,
}

impl Precision {
    /// The name in TOML and in file names.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Precision::Fp32 => "fp32",
            Precision::Fp16 => "fp16",
            Precision::Int8 => "int8",
        }
    }

    /// The file of the precision in the model's folder.
    pub(crate) fn file(self) -> String {
        match self {
            Precision::Fp32 => planish_formats::onnx_model::MODEL.to_owned(),
            other => format!("model.{}.onnx", other.as_str()),
        }
    }

    /// What must not be done with the variant.
    pub(crate) fn warning(self) -> &'static str {
        match self {
            Precision::Fp32 => "",
            Precision::Fp16 => {
                "its gradients lose digits: attack the fp32 model, and judge this one on what was found there; accuracy under its own gradients misleads"
            }
            Precision::Int8 => {
                "rounding has no gradient: attacks by its own gradients fail, which is masking and no robustness; attack the fp32 model, and judge this one on what was found there"
            }
        }
    }
}

/// What ranges are measured on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calibration<'a> {
    /// Images `[n, c, h, w]` in `[0,1]`.
    pub(crate) images: &'a [f32],
    pub(crate) threads: usize,
}

/// The network in another precision, from a model with its normalisation folded.
///
/// # Errors
/// [`Failure::Diverged`] for weights that the precision can't hold; what measuring ranges returns.
pub(crate) fn make(folded: &ModelProto, precision: Precision, calibration: Calibration<'_>) -> Result<ModelProto, Failure> {
    let mut model = match precision {
        Precision::Fp32 => folded.clone(),
        Precision::Fp16 => fp16::convert(folded)?,
        Precision::Int8 => {
            let file = ModelFile::from_bytes(folded.encode_to_vec()).map_err(|problem| problem.of_file("the folded model"))?;
            int8::convert(&file, calibration)?
        }
    };
    for (key, value) in [("precision", precision.as_str()), ("warning", precision.warning())] {
        model.metadata_props.push(StringStringEntryProto { key: Some(key.to_owned()), value: Some(value.to_owned()) });
    }
    model.metadata_props.sort_by(|a, b| a.key().cmp(b.key()));
    Ok(model)
}
