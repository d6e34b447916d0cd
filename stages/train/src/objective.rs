//! What training minimises: the trait that every objective implements, and what a step offers it.

use burn::tensor::{Int, Tensor, TensorData};
use planish_contract::{Failure, Invalid};
use planish_nn::loss::cross_entropy;
use planish_nn::{Ball, Device, Layout, Network, Normalisation, Parameters, Statistics};

use crate::ascent::{Start, StartKey};
use crate::batches::Batch;
use crate::input_gradient::{Gradients, InputGradient};

/// An objective of training (a family member: one file in `objectives/`, one line in its `mod.rs`).
pub trait Objective: Send + Sync {
    /// Checks the ranges of the objective's own parameters; `path` is where they stand.
    ///
    /// # Errors
    /// The first one that can't be used.
    fn validate(&self, path: &str) -> Result<(), Invalid>;

    /// Whether it aims at robustness: then the `selected` checkpoint is the one with the best robust accuracy.
    fn robust(&self) -> bool;

    /// How many images go forward and back for one training image in one search; forward passes alone are not counted.
    fn search_gradients(&self) -> u64;

    /// The same for one outer pass.
    fn outer_gradients(&self) -> u64;

    /// The images x+δ that the inner search ends at, `[n, c, h, w]`; the images themselves where there is none. The search needs no
    /// weight gradients.
    ///
    /// # Errors
    /// Whatever the passes through the network fail with.
    fn search(&self, step: &Step<'_>) -> Result<Vec<f32>, Failure>;

    /// The objective on one batch with the images x+δ of [`Objective::search`], ready for the reverse pass. The same step and images
    /// give the same value, so that a perturbation of the weights can be measured with δ kept.
    ///
    /// # Errors
    /// Whatever the passes through the network fail with.
    fn outer(&self, step: &Step<'_>, perturbed: &[f32]) -> Result<Evaluation, Failure>;
}

/// Gradients of the weights in their order; `None` where the loss does not depend on one.
pub type WeightGradients = Vec<Option<Tensor<1>>>;

/// The objective on one batch with the images x+δ, and its weight gradients.
///
/// # Errors
/// Those of [`Objective::outer`].
pub fn evaluate(objective: &dyn Objective, step: &Step<'_>, perturbed: &[f32]) -> Result<(Evaluation, WeightGradients), Failure> {
    let evaluation = objective.outer(step, perturbed)?;
    let gradients = step.tracked.gradients(&mut evaluation.loss.backward());
    Ok((evaluation, gradients))
}

/// The objective's value on one batch.
pub struct Evaluation {
    /// What is minimised: the mean over the batch, `[1]`, tracked.
    pub loss: Tensor<1>,
    /// Its parts by name, one number an image, `[n]`.
    pub terms: Vec<(&'static str, Tensor<1>)>,
    /// The logits `[n, classes]` that the training accuracy is counted on.
    pub logits: Tensor<2>,
    /// Batch statistics in the order in which the running averages take them up.
    pub updates: Vec<Statistics>,
}

impl Evaluation {
    /// The same numbers as constants on `device`.
    #[must_use]
    pub fn to_device(&self, device: &Device) -> Self {
        let terms = self.terms.iter().map(|(name, values)| (*name, values.clone().without_autodiff().to_device(device)));
        Evaluation {
            loss: self.loss.clone().without_autodiff().to_device(device),
            terms: terms.collect(),
            logits: self.logits.clone().without_autodiff().to_device(device),
            updates: self.updates.iter().map(|statistics| statistics.to_device(device)).collect(),
        }
    }
}

/// What a step offers an objective.
pub struct Step<'a> {
    /// The network.
    pub network: &'a Network,
    /// Its weights, leaves of the reverse pass.
    pub tracked: &'a Parameters,
    /// The same weights as constants: for inner searches.
    pub frozen: &'a Parameters,
    /// The running statistics so far.
    pub running: &'a Statistics,
    /// The images.
    pub batch: &'a Batch,
    /// The ball of perturbations, at the radius of this step.
    pub ball: Ball,
    /// The training's seed.
    pub seed: u64,
    /// The epoch, from 1.
    pub epoch: u32,
    /// Where tensors live, with automatic differentiation.
    pub device: &'a Device,
}

impl Step<'_> {
    /// Host images `[m, c, h, w]` as a tensor of the network's input shape.
    #[must_use]
    pub fn tensor(&self, images: Vec<f32>) -> Tensor<4> {
        image_tensor(images, self.network.architecture.input, self.device)
    }

    /// The true classes `[n]`.
    #[must_use]
    pub fn labels(&self) -> Tensor<1, Int> {
        label_tensor(&self.batch.labels, self.device)
    }

    /// One pass of `images` (`[n, c, h, w]`) with their own batch statistics, weights tracked.
    #[must_use]
    pub fn batch_pass(&self, images: Vec<f32>) -> (Tensor<2>, Option<Statistics>) {
        let pass = self.network.forward(self.tracked, self.tensor(images), Layout::plain(self.batch.len()), Normalisation::Batch);
        (pass.logits, pass.statistics.map(|statistics| statistics.detach()))
    }

    /// Gradients with respect to images, with constant weights and fixed statistics.
    #[must_use]
    pub fn input_gradient<'s>(&'s self, statistics: &Statistics) -> InputGradient<'s> {
        InputGradient::new(self.network, self.frozen, statistics, self.device)
    }

    /// Where this step's search starts, `[n, c, h, w]`.
    #[must_use]
    pub fn start(&self, start: Start) -> Vec<f32> {
        self.draw(start, "training start")
    }

    /// Images beside the batch's, drawn for `purpose` and clipped like a start, `[n, c, h, w]`.
    #[must_use]
    pub fn draw(&self, start: Start, purpose: &'static str) -> Vec<f32> {
        let key = StartKey { seed: self.seed, purpose, epoch: self.epoch };
        start.images(&self.batch.images, &self.batch.ids, &self.ball, &key)
    }

    /// The statistics of the clean batch, as constants. One forward pass without a graph.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the pass has no statistics.
    pub fn clean_statistics(&self) -> Result<Statistics, Failure> {
        let images = self.tensor(self.batch.images.clone());
        let pass = self.network.forward(self.frozen, images, Layout::plain(self.batch.len()), Normalisation::Batch);
        Ok(statistics_of(pass.statistics)?.detach())
    }

    /// Each image's cross-entropy at `images` (`[n, c, h, w]`) and its gradient under `network`.
    ///
    /// # Errors
    /// Those of [`InputGradient::at`].
    pub fn slopes(&self, network: &InputGradient<'_>, images: &[f32]) -> Result<Gradients, Failure> {
        let labels = self.labels();
        network.at(images, &|logits| cross_entropy(logits, &labels))
    }
}

/// The statistics that a pass in [`Normalisation::Batch`] hands back.
///
/// # Errors
/// [`Failure::Internal`] when there are none.
pub fn statistics_of(statistics: Option<Statistics>) -> Result<Statistics, Failure> {
    statistics.ok_or_else(|| Failure::internal("a pass with batch statistics gave none"))
}

/// Checks that weights of an objective are at least 0 and finite; `path` is where the objective's parameters stand.
///
/// # Errors
/// The first that is not.
pub fn check_weights(path: &str, weights: &[(&str, f64)]) -> Result<(), Invalid> {
    for (name, weight) in weights {
        if !(*weight >= 0.0 && weight.is_finite()) {
            return Err(Invalid::at(&format!("{path}.{name}"), format!("{weight} is not a weight, at least 0")));
        }
    }
    Ok(())
}

/// Host images `[m, c, h, w]` with `shape` = `[c, h, w]` as a tensor.
#[must_use]
pub fn image_tensor(images: Vec<f32>, shape: [usize; 3], device: &Device) -> Tensor<4> {
    let [channels, height, width] = shape;
    let count = images.len() / (channels * height * width).max(1);
    Tensor::from_data(TensorData::new(images, [count, channels, height, width]), device)
}

/// Host labels `[n]` as a tensor.
#[must_use]
pub fn label_tensor(labels: &[u32], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = labels.iter().map(|label| i64::from(*label)).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

/// A tensor's values on the host, in row-major order.
///
/// # Errors
/// [`Failure::Internal`] when the device does not give them back.
pub fn to_host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, Failure> {
    tensor.into_data().convert::<f32>().try_to_vec::<f32>().map_err(|e| Failure::internal(format!("a tensor can't be read back: {e:?}")))
}
