//! The stage `export`.

use std::path::{Path, PathBuf};

use planish_contract::{Arity, Context, Failure, Folder, Interface, Invalid, Stage};
use planish_formats::onnx_model::{INFO, MODEL, PARITY};
use planish_formats::{ModelInfo, SCHEMA, WEIGHTS, kinds, write_json};
use planish_nn::{Checkpoint, DeviceName, device, load_checkpoint, set_threads};
use planish_onnx::{Classifier, runtime};
use prost::Message;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::convert::{INPUT, OUTPUT, Source, convert, format_version};
use crate::parity;

/// The name of the stage's input that holds the network, and of its output.
const NETWORK: &str = "model";
/// More images than any comparison needs.
const MOST_IMAGES: usize = 100_000;

/// Turns a checkpoint into an ONNX model whose logits ONNX Runtime computes as burn does.
#[derive(Clone, Copy, Debug)]
pub struct ExportStage;

/// `params` of the stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// The version of ONNX's operator set, 13 to 21.
    pub opset: i64,
    /// The largest absolute difference of a logit that is allowed.
    pub bound: f64,
    /// How many images the logits are compared on.
    pub parity_images: usize,
}

impl Default for Parameters {
    fn default() -> Self {
        Parameters { opset: 17, bound: 1e-3, parity_images: 256 }
    }
}

/// `execution` of the stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Execution {
    /// The shared library of ONNX Runtime; searched for when it is left out.
    pub onnxruntime: Option<PathBuf>,
}

impl Stage for ExportStage {
    type Parameters = Parameters;
    type Execution = Execution;

    const NAME: &'static str = "export";
    const PACKAGE: &'static str = env!("CARGO_PKG_NAME");

    fn interface(_: &Parameters) -> Interface {
        let inputs = [(NETWORK, kinds::CHECKPOINT, Arity::One), ("data", kinds::DATA_SET, Arity::Optional)];
        Interface::of(&inputs, &[(NETWORK, kinds::ONNX_MODEL)])
    }

    fn validate(parameters: &Parameters) -> Result<(), Invalid> {
        if format_version(parameters.opset).is_none() {
            return Err(Invalid::at("opset", format!("operator set {} can't be written", parameters.opset)).hint("use 13 to 21"));
        }
        if !parameters.bound.is_finite() || parameters.bound <= 0.0 {
            return Err(Invalid::at("bound", format!("{} is no bound", parameters.bound)).hint("use a positive number such as 1e-3"));
        }
        if !(1..=MOST_IMAGES).contains(&parameters.parity_images) {
            let message = format!("logits can't be compared on {} images", parameters.parity_images);
            return Err(Invalid::at("parity_images", message).hint(format!("use 1 to {MOST_IMAGES}")));
        }
        Ok(())
    }

    fn run(parameters: &Parameters, execution: &Execution, context: &Context) -> Result<(), Failure> {
        set_threads(context.threads);
        let folder = context.input(NETWORK)?;
        let checkpoint = load_checkpoint(folder, &device::open(&DeviceName::Cpu)?)?;
        let output = context.output(NETWORK);
        let path = output.join(MODEL);
        write_model(&checkpoint, folder, parameters.opset, &path)?;
        write_json(&output.join(INFO), &describe(&checkpoint, parameters.opset))?;
        context.declare_member(NETWORK, checkpoint.config.member())?;
        context.check_stopped()?;
        let runtime = runtime::ensure(execution.onnxruntime.as_deref())?;
        context.host.provenance("onnxruntime", serde_json::to_value(runtime).map_err(|e| Failure::internal(e.to_string()))?);
        let images = parity::images(context, checkpoint.config.input, parameters.parity_images)?;
        let mut model = Classifier::open(&path, context.threads)?;
        let parity = parity::compare(checkpoint, &mut model, &images, parameters.bound)?;
        let line = format!("largest difference of a logit on {} images: {:.3e}", parity.images, parity.max_abs_difference);
        context.host.log(&line);
        write_json(&output.join(PARITY), &parity)
    }
}

fn write_model(checkpoint: &Checkpoint, folder: &Folder, opset: i64, path: &Path) -> Result<(), Failure> {
    let architecture = &checkpoint.network.architecture;
    let mut tensors = checkpoint.parameters.to_tensors()?;
    tensors.extend(checkpoint.statistics.to_tensors(architecture)?);
    let weights = folder.file(WEIGHTS)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_mmap(weights).map_err(|e| Failure::io(weights, e))?;
    let digest = hasher.finalize().to_hex();
    let source = Source { architecture, tensors: &tensors, classes: &checkpoint.config.classes, digest: &digest };
    let bytes = convert(&source, opset)?.encode_to_vec();
    std::fs::write(path, bytes).map_err(|e| Failure::io(path, e))
}

fn describe(checkpoint: &Checkpoint, opset: i64) -> ModelInfo {
    ModelInfo {
        schema: SCHEMA,
        shape: checkpoint.config.input,
        classes: checkpoint.config.classes.clone(),
        input: INPUT.to_owned(),
        output: OUTPUT.to_owned(),
        opset,
        parameters: checkpoint.parameters.count() as u64,
    }
}

#[cfg(test)]
mod tests;
