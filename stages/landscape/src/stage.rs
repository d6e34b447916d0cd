//! The stage "landscape".

use std::time::Instant;

use planish_contract::{Arity, Context, Failure, Interface, Invalid, Known, Outlook, Progress, Stage, Work};
use planish_formats::{DataFacts, DataSet, MeasurementHeader, Split, kinds, write_measurement};
use planish_nn::{Ball, BurnVictim, Checkpoint, ModelFacts, Victim, load_checkpoint};
use serde_json::json;

use crate::arrays::Arrays;
use crate::linearity::Scene;
use crate::{LandscapeExecution, LandscapeParameters, curvature, linearity, outlook, surface};

/// Measures the loss landscape of a network around images.
///
/// Inputs: `model`, a checkpoint; `data`. Output: `measurement`.
pub struct LandscapeStage;

impl Stage for LandscapeStage {
    type Parameters = LandscapeParameters;
    type Execution = LandscapeExecution;

    const NAME: &'static str = "landscape";
    const PACKAGE: &'static str = env!("CARGO_PKG_NAME");

    fn interface(_: &LandscapeParameters) -> Interface {
        let inputs = [("model", kinds::CHECKPOINT, Arity::One), ("data", kinds::DATA_SET, Arity::One)];
        Interface::of(&inputs, &[("measurement", kinds::MEASUREMENT)])
    }

    fn validate(parameters: &LandscapeParameters) -> Result<(), Invalid> {
        parameters.validate()
    }

    fn outlook(parameters: &LandscapeParameters, inputs: &Known) -> Outlook {
        let known = outlook::model(inputs).zip(DataFacts::of(inputs));
        let work =
            known.and_then(|(model, data)| model.work(outlook::passes(parameters, data.images(parameters.split, parameters.images))));
        Outlook { work, ..Outlook::default() }
    }

    fn trial(_: &LandscapeParameters, execution: &LandscapeExecution, inputs: &Known, images: usize) -> Result<Option<Work>, Failure> {
        let Some(model) = outlook::model(inputs) else { return Ok(None) };
        model.try_input_gradient(images.min(execution.batch_size.get()), &planish_nn::device::open(&execution.device)?)
    }

    fn run(parameters: &LandscapeParameters, execution: &LandscapeExecution, context: &Context) -> Result<(), Failure> {
        planish_nn::set_threads(context.threads);
        let data = DataSet::open(context.input("data")?)?;
        let images = data.images(parameters.split, parameters.images)?;
        let device = planish_nn::device::open(&execution.device)?;
        let checkpoint = load_checkpoint(context.input("model")?, &device)?;
        check_fit(&data, &checkpoint)?;
        let model = ModelFacts::of(&checkpoint.config);
        let started = Instant::now();
        let mut survey = Survey {
            parameters,
            context,
            victim: BurnVictim::new(checkpoint.clone(), execution.batch_size.get()),
            checkpoint,
            arrays: Arrays::default(),
        };
        survey.measure(&images, execution.batch_size.get())?;
        let (header, arrays) = survey.arrays.finish(parameters, data.info.name, images.shape);
        describe(context, &header);
        let seconds = started.elapsed().as_secs_f64();
        context.host.provenance("landscape", json!({ "seconds": seconds, "images_per_second": images.len() as f64 / seconds.max(1e-9) }));
        context.record_work(model.work_on(outlook::passes(parameters, images.len()), &device).as_ref());
        write_measurement(&context.output("measurement"), &header, &arrays)
    }
}

fn check_fit(data: &DataSet, checkpoint: &Checkpoint) -> Result<(), Failure> {
    let architecture = &checkpoint.network.architecture;
    if architecture.input == data.info.shape && architecture.classes == data.info.classes.len() {
        return Ok(());
    }
    Err(Failure::input_hint(
        format!(
            "the network takes images of shape {:?} of {} classes, {} has {:?} and {}",
            architecture.input,
            architecture.classes,
            data.info.name,
            data.info.shape,
            data.info.classes.len()
        ),
        "measure a network on the data set that it was trained on",
    ))
}

/// A measurement under way.
struct Survey<'a> {
    parameters: &'a LandscapeParameters,
    context: &'a Context<'a>,
    victim: BurnVictim,
    checkpoint: Checkpoint,
    arrays: Arrays,
}

impl Survey<'_> {
    fn measure(&mut self, images: &Split, together: usize) -> Result<(), Failure> {
        for first in (0..images.len()).step_by(together.max(1)) {
            let range = first..(first + together.max(1)).min(images.len());
            self.show(first, images.len());
            let pixels = images.pixels(range.clone());
            let (labels, ids) = (images.labels.get(range.clone()), images.ids.get(range));
            self.batch(&pixels, labels.unwrap_or_default(), ids.unwrap_or_default())?;
        }
        Ok(())
    }

    fn batch(&mut self, pixels: &[f32], labels: &[u32], ids: &[u32]) -> Result<(), Failure> {
        let seed = self.parameters.seed;
        let victim: &mut dyn Victim = &mut Stoppable { victim: &mut self.victim, context: self.context };
        let scene = Scene::new(victim, pixels, labels, ids)?;
        let before = self.arrays.images();
        self.arrays.hear_scene(&scene);
        for (radius, threat) in self.parameters.threats().iter().enumerate() {
            let ball = Ball::new(threat.norm, threat.eps.value());
            self.arrays.hear_linearity(radius, linearity::measure(victim, &scene, ball, (&self.parameters.linearity, seed))?);
        }
        if let Some(surfaces) = &self.parameters.surfaces
            && before < surfaces.images
        {
            let count = (surfaces.images - before).min(labels.len());
            let pixels = pixels.get(..count * scene.size()).unwrap_or_default();
            let first = Scene::new(victim, pixels, labels.get(..count).unwrap_or_default(), ids.get(..count).unwrap_or_default())?;
            let ball = Ball::new(self.parameters.threat.norm, self.parameters.threat.eps.value());
            self.arrays.hear_surface(surface::draw(victim, &first, ball, (surfaces, seed))?);
        }
        if let Some(asked) = &self.parameters.curvature {
            self.arrays.hear_curvature(curvature::measure(&self.checkpoint, &scene, asked.iterations, seed)?);
        }
        Ok(())
    }

    fn show(&self, done: usize, total: usize) {
        let text = format!("{done} of {total} images measured");
        self.context.host.progress(Progress { done: done as u64, total: total as u64, text });
    }
}

/// A victim that refuses to go on when the run was asked to stop.
struct Stoppable<'a> {
    victim: &'a mut BurnVictim,
    context: &'a Context<'a>,
}

impl Victim for Stoppable<'_> {
    fn shape(&self) -> [usize; 3] {
        self.victim.shape()
    }

    fn classes(&self) -> usize {
        self.victim.classes()
    }

    fn logits(&mut self, images: &[f32]) -> Result<Vec<f32>, Failure> {
        self.context.check_stopped()?;
        self.victim.logits(images)
    }

    fn gradient(&mut self, images: &[f32], loss: planish_nn::LogitLoss<'_>) -> Result<planish_nn::GradientPass, Failure> {
        self.context.check_stopped()?;
        self.victim.gradient(images, loss)
    }
}

/// One line a radius for the log.
fn describe(context: &Context, header: &MeasurementHeader) {
    let found = header.summaries.get("gamma").into_iter().flatten();
    for (threat, summary) in header.threats.iter().zip(found) {
        context.host.log(&format!(
            "γ({threat}) over {} images: mean {:.4}, median {:.4}, 90 % below {:.4}, largest {:.4}",
            header.images, summary.mean, summary.median, summary.percentile_90, summary.largest
        ));
    }
    if let Some(summary) = header.summaries.get("curvature").and_then(|list| list.first()) {
        context.host.log(&format!("curvature: mean {:.2}, median {:.2}, largest {:.2}", summary.mean, summary.median, summary.largest));
    }
}
