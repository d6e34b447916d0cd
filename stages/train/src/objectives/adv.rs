//! Adversarial training.

use planish_contract::{Failure, Invalid};
use planish_nn::StepSize;
use planish_nn::loss::{cross_entropy, margin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ascent::{Ascent, Optimizer, Start};
use crate::objective::{Evaluation, Objective, Step};

/// What the inner search maximises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SearchLoss {
    /// The cross-entropy.
    CrossEntropy,
    /// The largest wrong logit minus the true one.
    Margin,
}

/// The mean cross-entropy l(x+δ) at the end of a K-step search (Madry et al. 2018, equation 2.1; "ADV-K" in the LLR paper).
///
/// The search sees the running statistics; the outer pass on x+δ uses its own batch's, which the running averages take up: as the ADV
/// option of LLR's released code does. Defaults: a step of ε/4 from a uniform start (2/255 at 8/255, Madry et al.).
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Adv {
    /// K, the number of inner steps.
    pub steps: u32,
    /// The inner step; Adam's learning rate. Unit of the image, or a part of the current ε.
    pub step_size: StepSize,
    /// What the search maximises.
    pub loss: SearchLoss,
    /// How it steps.
    pub optimizer: Optimizer,
    /// Where it starts.
    pub start: Start,
    /// What the search's objective is multiplied by (matters to Adam's epsilon only).
    pub search_scale: f64,
}

impl Default for Adv {
    fn default() -> Self {
        Adv {
            steps: 10,
            step_size: StepSize::Relative(0.25),
            loss: SearchLoss::CrossEntropy,
            optimizer: Optimizer::Sign,
            start: Start::Uniform,
            search_scale: 1.0 / 64.0,
        }
    }
}

impl Adv {
    fn ascent(&self) -> Ascent {
        Ascent { steps: self.steps, step_size: self.step_size, optimizer: self.optimizer, scale: self.search_scale }
    }

    /// The images x+δ at the end of the search from `start`, `[n, c, h, w]`.
    ///
    /// # Errors
    /// Those of the passes through the network.
    pub fn search_from(&self, step: &Step<'_>, start: Vec<f32>) -> Result<Vec<f32>, Failure> {
        let network = step.input_gradient(step.running);
        let labels = step.labels();
        self.ascent().climb(&step.ball, (&step.batch.images, step.batch.len()), start, &mut |images| {
            let gradients = network.at(images, &|logits| match self.loss {
                SearchLoss::CrossEntropy => cross_entropy(logits, &labels),
                SearchLoss::Margin => margin(logits, &labels),
            })?;
            Ok(gradients.gradient)
        })
    }
}

impl Objective for Adv {
    fn validate(&self, path: &str) -> Result<(), Invalid> {
        self.ascent().validate(path)?;
        self.start.validate(&format!("{path}.start"))
    }

    fn robust(&self) -> bool {
        true
    }

    fn search_gradients(&self) -> u64 {
        u64::from(self.steps)
    }

    fn outer_gradients(&self) -> u64 {
        1
    }

    fn search(&self, step: &Step<'_>) -> Result<Vec<f32>, Failure> {
        self.search_from(step, step.start(self.start))
    }

    fn outer(&self, step: &Step<'_>, perturbed: &[f32]) -> Result<Evaluation, Failure> {
        let (logits, statistics) = step.batch_pass(perturbed.to_vec());
        let losses = cross_entropy(logits.clone(), &step.labels());
        Ok(Evaluation {
            loss: losses.clone().mean(),
            terms: vec![("adversarial-cross-entropy", losses)],
            logits,
            updates: statistics.into_iter().collect(),
        })
    }
}
