//! MART.

use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor};
use planish_contract::{Failure, Invalid};
use planish_nn::StepSize;
use planish_nn::loss::{cross_entropy, kl_divergence};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ascent::Start;
use crate::objective::{Evaluation, Objective, Step, check_weights};
use crate::objectives::Adv;

/// The mean of `BCE(x+δ) + β·KL(p(x) ‖ p(x+δ))·(1 − p_y(x))`, where `BCE = −log p_y − log(1 − max_{k≠y} p_k)` is the boosted cross-entropy
/// and δ maximises the cross-entropy (Wang et al. 2020, equations 10 and 11; official `mart.py`).
///
/// The search sees the running statistics; x and x+δ then pass one after the other, each with its own batch's, which the running averages
/// take up in this order. Small constants inside the logarithms are the official ones. Defaults are the official ones for
/// CIFAR-10, with the step as a part of ε (there 0.007 at 0.031) and the start clipped to the ball and to `[0,1]`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mart {
    /// β, the weight of the divergence.
    pub beta: f64,
    /// The number of inner steps.
    pub steps: u32,
    /// The inner step. Unit of the image, or a part of the current ε.
    pub step_size: StepSize,
    /// Where the search starts.
    pub start: Start,
}

impl Default for Mart {
    fn default() -> Self {
        Mart { beta: 6.0, steps: 10, step_size: StepSize::Relative(0.25), start: Start::Gaussian(0.001) }
    }
}

impl Mart {
    /// Its search is that of adversarial training.
    fn inner(&self) -> Adv {
        Adv { steps: self.steps, step_size: self.step_size, start: self.start, ..Adv::default() }
    }
}

/// −log(1.0001 − p + 1e-12) of the most probable wrong class, `[n]`.
fn wrong_class_term(logits: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
    let [n, classes] = logits.dims();
    let truth: Tensor<2> = labels.clone().one_hot::<2>(classes).float();
    let wrong = softmax(logits, 1).mask_fill(truth.greater_scalar(0.5), 0.0).max_dim(1).reshape([n]);
    (wrong.neg().add_scalar(1.0001 + 1e-12)).log().neg()
}

/// The probability of the true class, `[n]`.
fn confidence(logits: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
    cross_entropy(logits, labels).neg().exp()
}

impl Objective for Mart {
    fn validate(&self, path: &str) -> Result<(), Invalid> {
        check_weights(path, &[("beta", self.beta)])?;
        self.inner().validate(path)
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
        self.inner().search(step)
    }

    fn outer(&self, step: &Step<'_>, perturbed: &[f32]) -> Result<Evaluation, Failure> {
        let labels = step.labels();
        let (clean, first) = step.batch_pass(step.batch.images.clone());
        let (perturbed, second) = step.batch_pass(perturbed.to_vec());
        let boosted = cross_entropy(perturbed.clone(), &labels) + wrong_class_term(perturbed.clone(), &labels);
        let doubt = confidence(clean.clone(), &labels).neg().add_scalar(1.000_000_1);
        let divergence = kl_divergence(clean.clone(), perturbed) * doubt;
        Ok(Evaluation {
            loss: boosted.clone().mean() + divergence.clone().mean().mul_scalar(self.beta),
            terms: vec![("boosted-cross-entropy", boosted), ("weighted-divergence", divergence)],
            logits: clean,
            updates: first.into_iter().chain(second).collect(),
        })
    }
}
