//! Training steps without a data set: a network on random images, to time steps and to compare devices.

use planish_contract::Failure;
use planish_formats::Norm;
use planish_nn::networks::AnyNetwork;
use planish_nn::{Ball, Device, Network, Parameters, Precision, Statistics, Stream};

use crate::batches::Batch;
use crate::devices::Replica;
use crate::gradients::Parts;
use crate::objective::{self, Evaluation, Objective, Step, WeightGradients};
use crate::sgd::{Sgd, at_rest};
use crate::weight_perturbation::{WeightPerturbation, evaluate};

/// The shape of the images `[c, h, w]` and the number of classes: those of CIFAR-10.
const SHAPE: [usize; 3] = [3, 32, 32];
const CLASSES: usize = 10;
const EPS: f64 = 8.0 / 255.0;
/// Small, so that random labels don't make a training diverge.
const LEARNING_RATE: f64 = 1e-3;

/// A network as it is before its first step, and one batch of random images and labels.
pub struct Rehearsal {
    /// The images, uniform in [0, 1].
    pub batch: Batch,
    network: Network,
    weights: Parameters,
    velocity: Parameters,
    running: Statistics,
    ball: Ball,
    seed: u64,
    device: Device,
}

impl Rehearsal {
    /// `network` for CIFAR-10 with `images` random images, on `device`. The same arguments give the same numbers.
    ///
    /// # Errors
    /// [`Failure::Input`] when the network's parameters can't be used.
    pub fn new(network: &AnyNetwork, images: usize, device: &Device) -> Result<Self, Failure> {
        let network = Network::new(network.architecture(SHAPE, CLASSES, &[], &[])?);
        Ok(Rehearsal::of(network, images, (Ball::new(Norm::Linf, EPS), 0), device))
    }

    /// `network` with `images` random images of its shape, every class in turn; perturbations within a ball, and a seed for what is drawn.
    pub(crate) fn of(network: Network, images: usize, (ball, seed): (Ball, u64), device: &Device) -> Self {
        let architecture = &network.architecture;
        let mut pixels = vec![0.0; images * architecture.input.iter().product::<usize>()];
        Stream::new(1, "bench", &[]).fill_uniform(&mut pixels, 0.0, 1.0);
        let labels = (0..architecture.classes.max(1) as u32).cycle().take(images).collect();
        let weights = Parameters::initialise(architecture, seed, device);
        Rehearsal {
            batch: Batch { images: pixels, labels, ids: (0..images as u32).collect() },
            velocity: at_rest(&weights),
            running: Statistics::initial(architecture, device),
            device: device.clone().autodiff(),
            network,
            weights,
            ball,
            seed,
        }
    }

    /// What passes read of the network, on its device.
    fn replica(&self) -> Replica {
        Replica::on(&self.device, &self.weights, &self.running)
    }

    fn step<'a>(&'a self, replica: &'a Replica) -> Step<'a> {
        Step {
            network: &self.network,
            tracked: &replica.tracked,
            frozen: &replica.frozen,
            running: &replica.running,
            batch: &self.batch,
            ball: self.ball,
            seed: self.seed,
            epoch: 1,
            device: &replica.device,
        }
    }

    /// Search, gradients, descent: a step of a training, after which the device has nothing left to do.
    ///
    /// # Errors
    /// Those of the objective.
    pub fn train(&mut self, objective: &dyn Objective) -> Result<(), Failure> {
        self.descend(objective, None, (&Sgd::default(), LEARNING_RATE))
    }

    /// The same with weights perturbed, where that is wanted, and another descent at another rate.
    ///
    /// # Errors
    /// Those of the objective.
    pub(crate) fn descend(
        &mut self,
        objective: &dyn Objective,
        perturbation: Option<&WeightPerturbation>,
        (optimizer, rate): (&Sgd, f64),
    ) -> Result<(), Failure> {
        let replica = self.replica();
        let parts = Parts::search(objective, std::slice::from_ref(&self.batch), 1, |_, _| self.step(&replica))?;
        let (evaluations, gradients) = evaluate(objective, &parts, perturbation)?;
        for statistics in evaluations.iter().flat_map(|evaluation| &evaluation.updates) {
            self.running = self.running.blend(statistics, 0.1);
        }
        (self.weights, self.velocity) = optimizer.step(&self.weights, &self.velocity, gradients, rate);
        self.wait()
    }

    /// The same with passes in another precision.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Rehearsal { network: self.network.with_precision(precision), ..self }
    }

    /// Waits until the device has done what it was given.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the device failed.
    pub fn wait(&self) -> Result<(), Failure> {
        self.device.sync().map_err(|error| Failure::internal(format!("the device failed: {error:?}")))
    }

    /// The images x+δ that a search ends at.
    ///
    /// # Errors
    /// Those of the objective.
    pub fn search(&self, objective: &dyn Objective) -> Result<Vec<f32>, Failure> {
        objective.search(&self.step(&self.replica()))
    }

    /// The objective at the images `perturbed` and its weight gradients.
    ///
    /// # Errors
    /// Those of the objective.
    pub fn outer(&self, objective: &dyn Objective, perturbed: &[f32]) -> Result<(Evaluation, WeightGradients), Failure> {
        objective::evaluate(objective, &self.step(&self.replica()), perturbed)
    }

    /// Gradients of the images with fixed weights and running statistics, `[n, c, h, w]`: one step of a search.
    ///
    /// # Errors
    /// Those of the pass.
    pub fn input_gradient(&self) -> Result<Vec<f32>, Failure> {
        let replica = self.replica();
        let step = self.step(&replica);
        Ok(step.slopes(&step.input_gradient(&self.running), &self.batch.images)?.gradient)
    }
}
