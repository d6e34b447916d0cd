//! Training steps without a data set: a network on random images, to time steps and to compare devices.

use planish_contract::Failure;
use planish_formats::Norm;
use planish_nn::networks::AnyNetwork;
use planish_nn::{Ball, Device, Network, Parameters, Statistics, Stream};

use crate::batches::Batch;
use crate::gradients::Parts;
use crate::objective::{self, Evaluation, Objective, Step, WeightGradients};
use crate::sgd::{Sgd, at_rest};

/// The shape of the images `[c, h, w]` and the number of classes: those of CIFAR-10.
const SHAPE: [usize; 3] = [3, 32, 32];
const CLASSES: usize = 10;
const EPS: f64 = 8.0 / 255.0;
/// Small, so that random labels don't make a training diverge.
const LEARNING_RATE: f64 = 1e-3;

/// A network as it is before its first step, and one batch of random images and labels.
pub struct Rehearsal {
    /// The network.
    pub network: Network,
    /// Its weights.
    pub weights: Parameters,
    /// Its running statistics.
    pub running: Statistics,
    /// The images, uniform in [0, 1].
    pub batch: Batch,
    velocity: Parameters,
    device: Device,
}

impl Rehearsal {
    /// `network` for CIFAR-10 with `images` random images, on `device`. The same arguments give the same numbers.
    ///
    /// # Errors
    /// [`Failure::Input`] when the network's parameters can't be used.
    pub fn new(network: &AnyNetwork, images: usize, device: &Device) -> Result<Self, Failure> {
        let network = Network::new(network.architecture(SHAPE, CLASSES, &[], &[])?);
        let mut pixels = vec![0.0; images * SHAPE.iter().product::<usize>()];
        Stream::new(1, "bench", &[]).fill_uniform(&mut pixels, 0.0, 1.0);
        let labels = (0..CLASSES as u32).cycle().take(images).collect();
        let weights = Parameters::initialise(&network.architecture, 0, device);
        Ok(Rehearsal {
            velocity: at_rest(&weights),
            running: Statistics::initial(&network.architecture, device),
            batch: Batch { images: pixels, labels, ids: (0..images as u32).collect() },
            device: device.clone().autodiff(),
            network,
            weights,
        })
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

    /// Search, gradients, descent: a step of a training, after which the device has nothing left to do.
    ///
    /// # Errors
    /// Those of the objective.
    pub fn train(&mut self, objective: &dyn Objective) -> Result<(), Failure> {
        let weights = self.both();
        let parts = Parts::search(objective, std::slice::from_ref(&self.batch), 1, |_, _| self.step(&weights))?;
        let (evaluations, gradients) = parts.evaluate(objective, None)?;
        for statistics in evaluations.iter().flat_map(|evaluation| &evaluation.updates) {
            self.running = self.running.blend(statistics, 0.1);
        }
        (self.weights, self.velocity) = Sgd::default().step(&self.weights, &self.velocity, gradients, LEARNING_RATE);
        self.wait()
    }

    /// The images x+δ that a search ends at.
    ///
    /// # Errors
    /// Those of the objective.
    pub fn search(&self, objective: &dyn Objective) -> Result<Vec<f32>, Failure> {
        objective.search(&self.step(&self.both()))
    }

    /// The objective at the images `perturbed` and its weight gradients.
    ///
    /// # Errors
    /// Those of the objective.
    pub fn outer(&self, objective: &dyn Objective, perturbed: &[f32]) -> Result<(Evaluation, WeightGradients), Failure> {
        objective::evaluate(objective, &self.step(&self.both()), perturbed)
    }

    /// Gradients of the images with fixed weights and running statistics, `[n, c, h, w]`: one step of a search.
    ///
    /// # Errors
    /// Those of the pass.
    pub fn input_gradient(&self) -> Result<Vec<f32>, Failure> {
        let weights = self.both();
        let step = self.step(&weights);
        Ok(step.slopes(&step.input_gradient(&self.running), &self.batch.images)?.gradient)
    }

    fn wait(&self) -> Result<(), Failure> {
        self.device.sync().map_err(|error| Failure::internal(format!("the device failed: {error:?}")))
    }
}
