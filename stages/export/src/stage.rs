//! The stage `export`.

use std::path::{Path, PathBuf};

use planish_contract::{Arity, Context, Failure, Interface, Invalid, Stage};
use planish_formats::onnx_model::{INFO, MODEL, PARITY};
use planish_formats::{AdversarialParity, ModelInfo, Parity, SCHEMA, SplitName, Variant, WEIGHTS, kinds, write_json};
use planish_nn::{Checkpoint, DeviceName, device, load_checkpoint, set_threads};
use planish_onnx::proto::ModelProto;
use planish_onnx::{Classifier, ModelFile, runtime};
use prost::Message;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attack::ParityAttack;
use crate::convert::{INPUT, OUTPUT, Source, convert, format_version};
use crate::fold::BatchNorm;
use crate::parity::{self, Reference};
use crate::variants::{self, Calibration, Precision};

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
    /// The version of ONNX's operator set, 13 to 21. The default, 17 in format version 8, is read by ONNX Runtime 1.12 and newer.
    pub opset: i64,
    /// What becomes of batch normalisation.
    pub batch_norm: BatchNorm,
    /// The precisions to export: `fp32`, the model itself, and others, which become files beside it.
    pub precision: Vec<Precision>,
    /// The largest difference of a logit that is allowed for `fp32`, relative to the network's largest logit, or absolute where that is below 1.
    pub bound: f64,
    /// How many images of the test split the logits are compared on.
    pub parity_images: usize,
    /// The attack that makes the images under attack on which they are compared as well.
    pub parity_attack: ParityAttack,
    /// How many images of the validation split the ranges of `int8` are measured on.
    pub calibration_images: usize,
}

impl Default for Parameters {
    fn default() -> Self {
        Parameters {
            opset: 17,
            batch_norm: BatchNorm::Keep,
            precision: vec![Precision::Fp32],
            bound: 1e-3,
            parity_images: 256,
            parity_attack: ParityAttack::default(),
            calibration_images: 128,
        }
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
        if !parameters.precision.contains(&Precision::Fp32) {
            let complaint = Invalid::at("precision", "the model itself, `fp32`, is missing");
            return Err(complaint.hint("write [\"fp32\", …]: other precisions are files beside it"));
        }
        let attack = &parameters.parity_attack;
        if !(attack.eps.value() > 0.0 && attack.eps.value() <= 1.0) || attack.steps == 0 {
            let message = format!("an attack of radius {} in {} steps moves nothing", attack.eps.value(), attack.steps);
            return Err(Invalid::at("parity_attack", message).hint("use a radius above 0 and at most 1, and at least one step"));
        }
        let counts = [
            ("parity_images", parameters.parity_images),
            ("parity_attack.images", attack.images),
            ("calibration_images", parameters.calibration_images),
        ];
        match counts.into_iter().find(|(_, count)| !(1..=MOST_IMAGES).contains(count)) {
            None => Ok(()),
            Some((name, count)) => Err(Invalid::at(name, format!("{count} images are no sample")).hint(format!("use 1 to {MOST_IMAGES}"))),
        }
    }

    fn run(parameters: &Parameters, execution: &Execution, context: &Context) -> Result<(), Failure> {
        set_threads(context.threads);
        let checkpoint = load_checkpoint(context.input(NETWORK)?, &device::open(&DeviceName::Cpu)?)?;
        let export = Export::of(parameters, context, &checkpoint)?;
        let path = export.write(MODEL, &export.convert(parameters.batch_norm)?)?;
        write_json(&context.output(NETWORK).join(INFO), &describe(&checkpoint, parameters.opset))?;
        context.declare_member(NETWORK, checkpoint.config.member())?;
        context.check_stopped()?;
        let runtime = runtime::ensure(execution.onnxruntime.as_deref())?;
        context.host.provenance("onnxruntime", serde_json::to_value(runtime).map_err(|e| Failure::internal(e.to_string()))?);
        let parity = export.check(checkpoint, &path)?;
        write_json(&context.output(NETWORK).join(PARITY), &parity)
    }
}

/// One export under way.
struct Export<'a> {
    parameters: &'a Parameters,
    context: &'a Context<'a>,
    architecture: planish_nn::Architecture,
    tensors: Vec<planish_formats::NamedTensor>,
    classes: Vec<String>,
    digest: String,
}

impl<'a> Export<'a> {
    fn of(parameters: &'a Parameters, context: &'a Context<'a>, checkpoint: &Checkpoint) -> Result<Self, Failure> {
        let architecture = checkpoint.network.architecture.clone();
        let mut tensors = checkpoint.parameters.to_tensors()?;
        tensors.extend(checkpoint.statistics.to_tensors(&architecture)?);
        let weights = context.input(NETWORK)?.file(WEIGHTS)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_mmap(weights).map_err(|e| Failure::io(weights, e))?;
        let digest = hasher.finalize().to_hex().to_string();
        Ok(Export { parameters, context, architecture, tensors, classes: checkpoint.config.classes.clone(), digest })
    }

    fn convert(&self, batch_norm: BatchNorm) -> Result<ModelProto, Failure> {
        let source = Source { architecture: &self.architecture, tensors: &self.tensors, classes: &self.classes, digest: &self.digest };
        convert(&source, self.parameters.opset, batch_norm)
    }

    fn write(&self, file: &str, model: &ModelProto) -> Result<PathBuf, Failure> {
        let path = self.context.output(NETWORK).join(file);
        std::fs::write(&path, model.encode_to_vec()).map_err(|e| Failure::io(&path, e))?;
        Ok(path)
    }

    fn open(&self, path: &Path) -> Result<Classifier, Failure> {
        Classifier::of_model(&ModelFile::read(path)?, &path.display().to_string(), self.context.threads)
    }

    /// Compares the model, and writes and compares the other precisions.
    fn check(&self, checkpoint: Checkpoint, path: &Path) -> Result<Parity, Failure> {
        let Parameters { bound, parity_images, parity_attack, .. } = self.parameters;
        let sample = parity::sample(self.context, SplitName::Test, self.architecture.input, *parity_images)?;
        let mut original = parity::original(checkpoint);
        let pixels = self.architecture.input.iter().product::<usize>();
        let few = sample.images.len().min(parity_attack.images * pixels);
        let attacked =
            if self.classes.len() < 2 { vec![] } else { parity_attack.apply(&mut original, sample.images.get(..few).unwrap_or(&[]))? };
        self.context.check_stopped()?;
        let clean = Reference::of(&mut original, sample.images)?;
        let adversarial = Reference::of(&mut original, attacked)?;
        let mut model = self.open(path)?;
        let figures = clean.compare_within(&mut model, *bound, "image")?;
        self.log(&format!("largest difference of a logit on {} images: {:.3e}", figures.images, figures.max_abs_difference));
        let logits = adversarial.compare_within(&mut model, *bound, "attacked image")?;
        let (eps, moved) = (parity_attack.eps.value(), adversarial.moved(&clean));
        self.log(&format!(
            "largest difference on {} images under attack ({:.0} % of them misled): {:.3e}",
            logits.images,
            moved * 100.0,
            logits.max_abs_difference
        ));
        Ok(Parity {
            schema: SCHEMA,
            images: figures.images,
            max_abs_difference: figures.max_abs_difference,
            bound: *bound,
            agreement: figures.agreement,
            adversarial: (logits.images > 0).then_some(AdversarialParity { eps, steps: parity_attack.steps, moved, logits }),
            variants: self.variants((&clean, &adversarial), sample.labels.as_deref())?,
        })
    }

    fn variants(&self, references: (&Reference, &Reference), labels: Option<&[u32]>) -> Result<Vec<Variant>, Failure> {
        let mut precisions: Vec<Precision> = self.parameters.precision.iter().copied().filter(|p| *p != Precision::Fp32).collect();
        precisions.sort_unstable();
        precisions.dedup();
        if precisions.is_empty() {
            return Ok(vec![]);
        }
        let folded = self.convert(BatchNorm::Fold)?;
        let sample = parity::sample(self.context, SplitName::Validation, self.architecture.input, self.parameters.calibration_images)?;
        let calibration = Calibration { images: &sample.images, threads: self.context.threads };
        let make = |precision| self.variant((precision, variants::make(&folded, precision, calibration)?), references, labels);
        precisions.into_iter().map(make).collect()
    }

    fn variant(
        &self,
        (precision, model): (Precision, ModelProto),
        (clean, adversarial): (&Reference, &Reference),
        labels: Option<&[u32]>,
    ) -> Result<Variant, Failure> {
        self.context.check_stopped()?;
        let path = self.write(&precision.file(), &model)?;
        let mut model = self.open(&path)?;
        let (figures, logits) = clean.compare(&mut model)?;
        let accuracy_difference = labels.map(|labels| clean.accuracy_difference(&logits, labels));
        let (name, warning) = (precision.as_str(), precision.warning());
        let accuracy = accuracy_difference.map_or_else(String::new, |d| format!(", accuracy {:+.1} points", d * 100.0));
        self.log(&format!(
            "{name}: largest difference of a logit {:.3e}, {:.1} % predicted alike{accuracy}",
            figures.max_abs_difference,
            figures.agreement * 100.0
        ));
        self.log(&format!("warning: {name}: {warning}"));
        Ok(Variant {
            precision: name.to_owned(),
            file: precision.file(),
            clean: figures,
            adversarial: adversarial.compare(&mut model)?.0,
            accuracy_difference,
            warning: warning.to_owned(),
        })
    }

    fn log(&self, line: &str) {
        self.context.host.log(line);
    }
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
