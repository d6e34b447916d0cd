//! TRADES.

use burn::tensor::Tensor;
use planish_contract::{Failure, Invalid};
use planish_nn::loss::{cross_entropy, kl_divergence};
use planish_nn::{Layout, Normalisation, StepSize};
use serde::{Deserialize, Serialize};

use crate::ascent::{Ascent, Optimizer, Start};
use crate::objective::{Evaluation, Objective, Step};

/// The mean of l(x) + β·KL(p(x) ‖ p(x+δ)), where δ maximises the divergence (Zhang et al. 2019, equation 5; official `trades.py`).
///
/// The search sees the running statistics ("eval mode"); x and x+δ then pass one after the other, each with its own batch's, which the
/// running averages take up in this order. Both passes of the divergence carry weight gradients. Defaults are the official ones for
/// CIFAR-10, with the step as a part of ε (there 0.007 at 0.031) and the start clipped to the ball and to `[0,1]`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trades {
    /// β, the weight of the divergence.
    pub beta: f64,
    /// The number of inner steps.
    pub steps: u32,
    /// The inner step. Unit of the image, or a part of the current ε.
    pub step_size: StepSize,
    /// How it steps.
    pub optimizer: Optimizer,
    /// Where it starts; not at the image, where the divergence is smallest.
    pub start: Start,
    /// What the search's objective is multiplied by (matters to Adam's epsilon only).
    pub search_scale: f64,
}

impl Default for Trades {
    fn default() -> Self {
        Trades {
            beta: 6.0,
            steps: 10,
            step_size: StepSize::Relative(0.25),
            optimizer: Optimizer::Sign,
            start: Start::Gaussian(0.001),
            search_scale: 1.0 / 64.0,
        }
    }
}

impl Trades {
    fn ascent(&self) -> Ascent {
        Ascent { steps: self.steps, step_size: self.step_size, optimizer: self.optimizer, scale: self.search_scale }
    }

    /// The logits of the clean images under the running statistics, a constant of the search.
    fn clean_logits(step: &Step<'_>) -> Tensor<2> {
        let statistics = step.running.on_autodiff();
        let layout = Layout::plain(step.batch.len());
        let images = step.tensor(step.batch.images.clone());
        step.network.forward(step.frozen, images, layout, Normalisation::Fixed(&statistics)).logits.detach()
    }

    /// The images x+δ at the end of the search from `start`, `[n, c, h, w]`.
    ///
    /// # Errors
    /// Those of the passes through the network.
    pub fn search(&self, step: &Step<'_>, start: Vec<f32>) -> Result<Vec<f32>, Failure> {
        let network = step.input_gradient(step.running);
        let clean = Self::clean_logits(step);
        self.ascent().climb(&step.ball, (&step.batch.images, step.batch.len()), start, &mut |images| {
            Ok(network.at(images, &|logits| kl_divergence(clean.clone(), logits))?.gradient)
        })
    }

    /// The objective with the images x+δ.
    #[must_use]
    pub fn outer(&self, step: &Step<'_>, adversarial: Vec<f32>) -> Evaluation {
        let (clean, first) = step.batch_pass(step.batch.images.clone());
        let (perturbed, second) = step.batch_pass(adversarial);
        let losses = cross_entropy(clean.clone(), &step.labels());
        let divergence = kl_divergence(clean.clone(), perturbed);
        Evaluation {
            loss: losses.clone().mean() + divergence.clone().mean().mul_scalar(self.beta),
            terms: vec![("cross-entropy", losses), ("divergence", divergence)],
            logits: clean,
            updates: first.into_iter().chain(second).collect(),
        }
    }
}

impl Objective for Trades {
    fn validate(&self, path: &str) -> Result<(), Invalid> {
        if !(self.beta >= 0.0 && self.beta.is_finite()) {
            return Err(Invalid::at(&format!("{path}.beta"), format!("{} is not a weight, at least 0", self.beta)));
        }
        self.ascent().validate(path)?;
        self.start.validate_moving(&format!("{path}.start"))
    }

    fn robust(&self) -> bool {
        true
    }

    fn gradients_per_image(&self) -> u64 {
        u64::from(self.steps) + 2
    }

    fn evaluate(&self, step: &Step<'_>) -> Result<Evaluation, Failure> {
        let start = self.start.images(&step.batch.images, &step.batch.ids, &step.ball, &step.start_key());
        Ok(self.outer(step, self.search(step, start)?))
    }
}
