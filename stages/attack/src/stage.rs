//! The stage "attack".

use std::path::Path;
use std::time::Instant;

use planish_contract::{Arity, Context, Failure, Interface, Invalid, Known, Outlook, Stage, Work};
use planish_formats::masking::MASKING;
use planish_formats::{DataSet, OnnxModel, Split, kinds, write_json};
use planish_nn::{BurnVictim, Victim, load_checkpoint};
use planish_onnx::{Classifier, Compute, GraphFacts, ModelFile, OnnxVictim, runtime};
use serde_json::json;

use crate::agreement::{DEFAULT_BOUND, check_agreement};
use crate::evaluate::{Outcome, Setting, evaluate, side_by_side};
use crate::evidence::Writer;
use crate::judge::{Judge, Scorer};
use crate::masking::{self, MaskingParameters, Subject};
use crate::{AttackExecution, AttackParameters, outlook};

/// Attacks an exported ONNX model within a threat model and keeps the evidence, image by image.
///
/// Inputs: `model`, the exported model that judges; `data`; `gradients`, the checkpoint that it
/// was exported from: without it the gradients are those of the exported model itself. Output: `evidence`.
pub struct AttackStage;

impl Stage for AttackStage {
    type Parameters = AttackParameters;
    type Execution = AttackExecution;

    const NAME: &'static str = "attack";
    const PACKAGE: &'static str = env!("CARGO_PKG_NAME");

    fn interface(_: &AttackParameters) -> Interface {
        Interface::of(
            &[
                ("model", kinds::ONNX_MODEL, Arity::One),
                ("data", kinds::DATA_SET, Arity::One),
                ("gradients", kinds::CHECKPOINT, Arity::Optional),
            ],
            &[("evidence", kinds::EVIDENCE)],
        )
    }

    fn validate(parameters: &AttackParameters) -> Result<(), Invalid> {
        parameters.validate()
    }

    fn members(parameters: &AttackParameters) -> Vec<&'static str> {
        parameters.members()
    }

    fn outlook(parameters: &AttackParameters, inputs: &Known) -> Outlook {
        outlook::outlook(parameters, inputs)
    }

    fn trial(_: &AttackParameters, execution: &AttackExecution, inputs: &Known, images: usize) -> Result<Option<Work>, Failure> {
        let Some(model) = outlook::model(inputs) else { return Ok(None) };
        model.try_input_gradient(images.min(execution.batch_size.get()), &planish_nn::device::open(&execution.device)?)
    }

    fn run(parameters: &AttackParameters, execution: &AttackExecution, context: &Context) -> Result<(), Failure> {
        planish_nn::set_threads(context.threads);
        let (dataset, images) = read_images(parameters, context)?;
        let model = OnnxModel::open(context.input("model")?)?;
        let file = ModelFile::read(&model.path)?;
        let mut classifier = open_classifier((&file, &model.path), execution, context)?;
        let has_checkpoint = context.optional_input("gradients")?.is_some();
        let (mut victim, graph) = open_victim((file, &model.path), execution, context)?;
        let refusal = graph.gradients.as_ref().err().filter(|_| !has_checkpoint);
        let attacks = parameters.attack.named(parameters.threat.norm);
        if let Some(refusal) = refusal.filter(|_| attacks.iter().any(|attack| attack.attack.uses_gradients())) {
            return Err(refusal.clone().into_failure("the model of input `model`"));
        }
        graph.remarks().iter().for_each(|remark| context.host.log(&format!("the model: {remark}")));
        // The logits of a random model differ from themselves.
        if has_checkpoint || !graph.is_random() {
            let bound = model.parity.as_ref().map_or(DEFAULT_BOUND, |parity| parity.bound);
            let difference = check_agreement(&images, victim.as_mut(), &mut classifier, bound)?;
            context.host.log(&format!("what gives gradients and what judges agree: no logit differs by more than {difference:.1e}"));
        }
        let started = Instant::now();
        let identity = identity(execution, context)?;
        let subject = Subject {
            images: &images,
            threat: parameters.threat,
            seed: parameters.seed,
            host: context.host,
            identity: Some(identity.clone()),
            graph: Some(&graph),
            no_gradients: refusal.map(ToString::to_string),
        };
        check_gradients(&parameters.masking, &subject, (&mut classifier, victim.as_mut()), context)?;
        let mut judge = Judge::new(&parameters.threat, &mut classifier);
        let setting = Setting {
            seed: parameters.seed,
            together: side_by_side(images.image_len()),
            report_u8: parameters.report_u8,
            host: context.host,
            identity: Some(identity),
        };
        let mut writer = Writer::create(&context.output("evidence"), &images, &attacks)?;
        let outcome = evaluate(&mut judge, victim.as_mut(), (&attacks, &images), &setting, &mut |findings| writer.append(findings))?;
        record_cost(context, &outcome, (images.len(), started));
        outlook::record(context, &execution.device, &outcome)?;
        writer.finish(parameters, dataset, outcome)
    }
}

/// Looks for signs of masked gradients, and writes what was found.
fn check_gradients(
    parameters: &MaskingParameters,
    subject: &Subject<'_>,
    (scorer, victim): (&mut dyn Scorer, &mut dyn Victim),
    context: &Context,
) -> Result<(), Failure> {
    if parameters.images == 0 {
        return Ok(());
    }
    Judge::new(&subject.threat, scorer).check_fit(subject.images)?;
    let report = masking::check(parameters, subject, scorer, victim)?;
    for check in report.failed() {
        context.host.log(&format!("a sign of masked gradients, {}: {}", check.name, check.finding));
    }
    write_json(&context.output("evidence").join(MASKING), &report)
}

/// What trials depend on besides what is attacked and how: the models, by their bytes, and what computes them.
fn identity(execution: &AttackExecution, context: &Context) -> Result<Vec<Vec<u8>>, Failure> {
    let library = runtime::ensure(execution.onnxruntime.as_deref())?;
    let device = format!("{:?}", execution.device).into_bytes();
    let mut words = vec![device, execution.provider.to_string().into_bytes(), library.version.clone().into_bytes()];
    for input in ["model", "gradients"] {
        let Some(folder) = context.optional_input(input)? else { continue };
        for (name, path) in folder.files() {
            let mut hasher = blake3::Hasher::new();
            let file = std::fs::File::open(path).map_err(|e| Failure::io(path, e))?;
            hasher.update_reader(file).map_err(|e| Failure::io(path, e))?;
            words.push(format!("{input}/{name} {}", hasher.finalize()).into_bytes());
        }
    }
    Ok(words)
}

/// The data set's name, and the images to attack.
fn read_images(parameters: &AttackParameters, context: &Context) -> Result<(String, Split), Failure> {
    let data = DataSet::open(context.input("data")?)?;
    let images = data.images(parameters.split, parameters.images)?;
    Ok((data.info.name, images))
}

/// Whose gradients guide the attacks: the checkpoint where one is connected, else the exported model itself; and what the model's graph tells.
fn open_victim(
    (file, path): (ModelFile, &Path),
    execution: &AttackExecution,
    context: &Context,
) -> Result<(Box<dyn Victim>, GraphFacts), Failure> {
    let batch = execution.batch_size.get();
    if let Some(folder) = context.optional_input("gradients")? {
        let device = planish_nn::device::open(&execution.device)?;
        return Ok((Box::new(BurnVictim::new(load_checkpoint(folder, &device)?, batch)), GraphFacts::of(&file)));
    }
    let notes = file.inspection.notes.clone();
    let victim = OnnxVictim::open_read(file, path, compute(execution, context), batch)?;
    let graph = GraphFacts { notes, gradients: victim.gradients().cloned().map_err(Clone::clone) };
    Ok((Box::new(victim), graph))
}

/// The exported model in ONNX Runtime.
fn open_classifier((file, path): (&ModelFile, &Path), execution: &AttackExecution, context: &Context) -> Result<Classifier, Failure> {
    let library = runtime::ensure(execution.onnxruntime.as_deref())?;
    let provider = execution.provider;
    let facts = json!({ "version": library.version, "path": library.path, "found": library.found, "provider": provider });
    context.host.provenance("onnxruntime", facts);
    let (version, path_of_library, found) = (&library.version, library.path.display(), &library.found);
    context.host.log(&format!("ONNX Runtime {version} on {provider} from {path_of_library} ({found})"));
    Classifier::open_read(file, path, compute(execution, context))
}

fn compute(execution: &AttackExecution, context: &Context) -> Compute {
    Compute { threads: context.threads, provider: execution.provider }
}

fn record_cost(context: &Context, outcome: &Outcome, (images, started): (usize, Instant)) {
    let seconds = started.elapsed().as_secs_f64();
    let facts = json!({
        "seconds": seconds,
        "images_per_second": images as f64 / seconds.max(1e-9),
        "passes": outcome.passes,
        "passes_per_second": outcome.passes as f64 / seconds.max(1e-9),
    });
    context.host.provenance("attack", facts);
    for summary in &outcome.summaries {
        let left = summary.robust_accuracy * 100.0;
        context.host.log(&format!("{} broke {} images; {left:.2} % stand", summary.name, summary.broken));
    }
}
