//! TRADES.

use burn::tensor::Tensor;
use planish_contract::{Failure, Invalid};
use planish_nn::loss::{cross_entropy, kl_divergence};
use planish_nn::{Layout, Normalisation, StepSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ascent::{Ascent, Optimizer, Start};
use crate::objective::{Evaluation, Objective, Step, check_weights};

/// The mean of l(x) + β·KL(p(x) ‖ p(x+δ)), where δ maximises the divergence (Zhang et al. 2019, equation 5; official `trades.py`).
///
/// The search sees the running statistics ("eval mode"); x and x+δ then pass one after the other, each with its own batch's, which the
/// running averages take up in this order. Both passes of the divergence carry weight gradients. Defaults are the official ones for
/// CIFAR-10, with the step as a part of ε (there 0.007 at 0.031) and the start clipped to the ball and to `[0,1]`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
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
    pub fn search_from(&self, step: &Step<'_>, start: Vec<f32>) -> Result<Vec<f32>, Failure> {
        let network = step.input_gradient(step.running);
        let clean = Self::clean_logits(step);
        self.ascent().climb(&step.ball, (&step.batch.images, step.batch.len()), start, &mut |images| {
            Ok(network.at(images, &|logits| kl_divergence(clean.clone(), logits))?.gradient)
        })
    }
}

impl Objective for Trades {
    fn validate(&self, path: &str) -> Result<(), Invalid> {
        check_weights(path, &[("beta", self.beta)])?;
        self.ascent().validate(path)?;
        self.start.validate_moving(&format!("{path}.start"))
    }

    fn robust(&self) -> bool {
        true
    }

    fn search_gradients(&self) -> u64 {
        u64::from(self.steps)
    }

    fn outer_gradients(&self) -> u64 {
        2
    }

    fn search(&self, step: &Step<'_>) -> Result<Vec<f32>, Failure> {
        self.search_from(step, step.start(self.start))
    }

    fn outer(&self, step: &Step<'_>, perturbed: &[f32]) -> Result<Evaluation, Failure> {
        let (clean, first) = step.batch_pass(step.batch.images.clone());
        let (perturbed, second) = step.batch_pass(perturbed.to_vec());
        let losses = cross_entropy(clean.clone(), &step.labels());
        let divergence = kl_divergence(clean.clone(), perturbed);
        Ok(Evaluation {
            loss: losses.clone().mean() + divergence.clone().mean().mul_scalar(self.beta),
            terms: vec![("cross-entropy", losses), ("divergence", divergence)],
            logits: clean,
            updates: first.into_iter().chain(second).collect(),
        })
    }
}
