//! Times whole training steps: `steps NETWORK ACTIVATION STEP THREADS REPEATS`.
//!
//! `steps.py` beside this file runs it in turns with the same steps in PyTorch, and says what the arguments may be. Prints the median
//! milliseconds of a step, after one that is not counted, and the process's peak memory in bytes.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::time::Instant;

use burn::tensor::Tensor;
use planish_formats::Norm;
use planish_nn::networks::AnyNetwork;
use planish_nn::{Ball, Device, Network, Parameters, Statistics, Stream, loss};
use planish_train::batches::Batch;
use planish_train::gradients::Parts;
use planish_train::objective::{Objective, Step};
use planish_train::objectives::AnyObjective;
use planish_train::sgd::{Sgd, at_rest};

/// Images of a step.
const BATCH: usize = 64;
/// Images as CIFAR-10's, and its number of classes.
const SHAPE: [usize; 3] = [3, 32, 32];
const CLASSES: usize = 10;
const EPS: f64 = 8.0 / 255.0;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A network in the middle of a training.
struct Training {
    network: Network,
    weights: Parameters,
    velocity: Parameters,
    running: Statistics,
    batch: Batch,
    device: Device,
}

impl Training {
    fn new(network: &AnyNetwork) -> Outcome<Self> {
        let plain = Device::flex();
        let network = Network::new(network.architecture(SHAPE, CLASSES, &[], &[])?);
        let mut images = vec![0.0; BATCH * SHAPE.iter().product::<usize>()];
        Stream::new(1, "bench", &[]).fill_uniform(&mut images, 0.0, 1.0);
        let labels = (0..CLASSES as u32).cycle().take(BATCH).collect();
        let weights = Parameters::initialise(&network.architecture, 0, &plain);
        let velocity = at_rest(&weights);
        let running = Statistics::initial(&network.architecture, &plain);
        let batch = Batch { images, labels, ids: (0..BATCH as u32).collect() };
        Ok(Training { network, weights, velocity, running, batch, device: plain.autodiff() })
    }

    /// The weights as leaves of a reverse pass, and as constants.
    fn both(&self) -> (Parameters, Parameters) {
        (self.weights.tracked(), self.weights.constant_on_autodiff())
    }

    fn step<'a>(&'a self, (tracked, frozen): &'a (Parameters, Parameters)) -> Step<'a> {
        Step {
            network: &self.network,
            tracked,
            frozen,
            running: &self.running,
            batch: &self.batch,
            ball: Ball::new(Norm::Linf, EPS),
            seed: 0,
            epoch: 1,
            device: &self.device,
        }
    }

    /// Search, gradients, descent.
    fn train(&mut self, objective: &dyn Objective) -> Outcome<()> {
        let weights = self.both();
        let parts = Parts::search(objective, std::slice::from_ref(&self.batch), |_| self.step(&weights))?;
        let (evaluations, gradients) = parts.evaluate(objective, None)?;
        for statistics in evaluations.iter().flat_map(|evaluation| &evaluation.updates) {
            self.running = self.running.blend(statistics, 0.1);
        }
        (self.weights, self.velocity) = Sgd::default().step(&self.weights, &self.velocity, gradients, 1e-3);
        Ok(())
    }

    /// Gradients of the images with fixed weights and running statistics: one step of a search.
    fn input_gradient(&self) -> Outcome<()> {
        let weights = self.both();
        let step = self.step(&weights);
        let gradients = step.slopes(&step.input_gradient(&self.running), &self.batch.images)?;
        if gradients.gradient.iter().all(|slope| slope.is_finite()) { Ok(()) } else { Err("a gradient is not finite".into()) }
    }

    /// The outer pass of LLR alone, at a perturbation that costs nothing to find.
    fn outer(&self, objective: &dyn Objective) -> Outcome<()> {
        let perturbed: Vec<f32> = self.batch.images.iter().map(|x| (x + 0.03).min(1.0)).collect();
        let weights = self.both();
        planish_train::objective::evaluate(objective, &self.step(&weights), &perturbed)?;
        Ok(())
    }

    fn loss(&self) -> f32 {
        let layout = planish_nn::Layout::plain(BATCH);
        let images = Tensor::from_data(
            burn::tensor::TensorData::new(self.batch.images.clone(), [BATCH, SHAPE[0], SHAPE[1], SHAPE[2]]),
            &Device::flex(),
        );
        let labels: Vec<i64> = self.batch.labels.iter().map(|label| i64::from(*label)).collect();
        let labels = Tensor::from_data(burn::tensor::TensorData::new(labels, [BATCH]), &Device::flex());
        let pass = self.network.forward(&self.weights, images, layout, planish_nn::Normalisation::Fixed(&self.running));
        loss::cross_entropy(pass.values(), &labels).mean().into_scalar()
    }
}

fn objective(step: &str) -> Outcome<AnyObjective> {
    Ok(serde_json::from_str(match step {
        "nominal" => r#"{ "nominal": {} }"#,
        "llr-2" | "llr-outer" => r#"{ "llr": { "steps": 2 } }"#,
        "trades-10" => r#"{ "trades": { "steps": 10 } }"#,
        "adv-7" => r#"{ "adv": { "steps": 7 } }"#,
        other => return Err(format!("there is no step {other}").into()),
    })?)
}

/// The most memory that the process has had, in bytes (Linux).
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kibibytes| 1024 * kibibytes)
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [network, activation, step, threads, repeats] = arguments.as_slice() else {
        return Err("five arguments: network (wrn-10-2), activation, step, threads, repeats".into());
    };
    let (depth, width) =
        network.strip_prefix("wrn-").and_then(|sizes| sizes.split_once('-')).ok_or("the network is not wrn-DEPTH-WIDTH")?;
    let text = format!(r#"{{ "wide-resnet": {{ "depth": {depth}, "width": {width}, "activation": "{activation}" }} }}"#);
    planish_nn::set_threads(threads.parse()?);
    let mut training = Training::new(&serde_json::from_str(&text)?)?;
    let objective = if step == "input-gradient" { objective("nominal")? } else { objective(step)? };
    let mut times = Vec::new();
    for _ in 0..=repeats.parse::<usize>()? {
        let start = Instant::now();
        match step.as_str() {
            "input-gradient" => training.input_gradient()?,
            "llr-outer" => training.outer(&*objective)?,
            _ => training.train(&*objective)?,
        }
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let peak = peak().unwrap_or_default();
    if !training.loss().is_finite() {
        return Err("the training diverged".into());
    }
    let mut counted = times.split_off(1);
    counted.sort_by(f64::total_cmp);
    println!("{:.3} {peak}", counted.get(counted.len() / 2).copied().unwrap_or(f64::NAN));
    Ok(())
}
