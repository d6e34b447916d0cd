//! The loss gap itself, a reviewer's ablation of LLR.

use planish_contract::{Failure, Invalid};
use planish_nn::loss::cross_entropy;
use planish_nn::vectors::sign;
use planish_nn::{Layout, Normalisation, StepSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ascent::{Ascent, Optimizer, Start};
use crate::objective::{Evaluation, Objective, Step, check_weights, statistics_of};

/// The mean of w·l(x) + λ·|l(x+δ) − l(x)|, where δ maximises that gap.
///
/// LLR minimises an upper bound of the gap (Qin et al. 2019, proposition 4.1); reviewers of the paper asked why not the gap itself. Batch
/// statistics and defaults are those of [`Llr`](crate::objectives::Llr), so that only the regulariser differs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LossGap {
    /// λ, the weight of the gap.
    pub lambda: f64,
    /// w, the weight of the cross-entropy of the clean images.
    pub cross_entropy_weight: f64,
    /// The number of inner steps.
    pub steps: u32,
    /// The inner step; Adam's learning rate. Unit of the image, or a part of the current ε.
    pub step_size: StepSize,
    /// How it steps.
    pub optimizer: Optimizer,
    /// Where it starts; not at the image, where the gap is zero and smallest.
    pub start: Start,
    /// What the search's objective is multiplied by (matters to Adam's epsilon only).
    pub search_scale: f64,
}

impl Default for LossGap {
    fn default() -> Self {
        LossGap {
            lambda: 4.0,
            cross_entropy_weight: 1.0,
            steps: 10,
            step_size: StepSize::Absolute(0.1),
            optimizer: Optimizer::Adam,
            start: Start::Uniform,
            search_scale: 1.0 / 64.0,
        }
    }
}

impl LossGap {
    fn ascent(&self) -> Ascent {
        Ascent { steps: self.steps, step_size: self.step_size, optimizer: self.optimizer, scale: self.search_scale }
    }

    /// The images x+δ at the end of the search from `start`, `[n, c, h, w]`.
    ///
    /// # Errors
    /// Those of the passes through the network.
    pub fn search_from(&self, step: &Step<'_>, start: Vec<f32>) -> Result<Vec<f32>, Failure> {
        let network = step.input_gradient(&step.clean_statistics()?);
        let original = &step.batch.images;
        let clean = step.slopes(&network, original)?.losses;
        let size = (original.len() / step.batch.len().max(1)).max(1);
        self.ascent().climb(&step.ball, (original, step.batch.len()), start, &mut |images| {
            let mut there = step.slopes(&network, images)?;
            let rows = there.gradient.chunks_exact_mut(size);
            for ((row, loss), clean) in rows.zip(&there.losses).zip(&clean) {
                let direction = sign(loss - clean);
                for slope in row {
                    *slope *= direction;
                }
            }
            Ok(there.gradient)
        })
    }
}

impl Objective for LossGap {
    fn validate(&self, path: &str) -> Result<(), Invalid> {
        check_weights(path, &[("lambda", self.lambda), ("cross_entropy_weight", self.cross_entropy_weight)])?;
        self.ascent().validate(path)?;
        self.start.validate_moving(&format!("{path}.start"))
    }

    fn robust(&self) -> bool {
        true
    }

    fn search_gradients(&self) -> u64 {
        u64::from(self.steps) + 1
    }

    fn outer_gradients(&self) -> u64 {
        2
    }

    fn search(&self, step: &Step<'_>) -> Result<Vec<f32>, Failure> {
        self.search_from(step, step.start(self.start))
    }

    fn outer(&self, step: &Step<'_>, perturbed: &[f32]) -> Result<Evaluation, Failure> {
        let n = step.batch.len();
        let rows = [step.batch.images.as_slice(), perturbed].concat();
        let layout = Layout { values: 2 * n, tangents: 0, statistics: n };
        let pass = step.network.forward(step.tracked, step.tensor(rows), layout, Normalisation::Batch);
        let clean = pass.logits.clone().narrow(0, 0, n);
        let losses = cross_entropy(clean.clone(), &step.labels());
        let gap = (cross_entropy(pass.logits.narrow(0, n, n), &step.labels()) - losses.clone()).abs();
        Ok(Evaluation {
            loss: losses.clone().mean().mul_scalar(self.cross_entropy_weight) + gap.clone().mean().mul_scalar(self.lambda),
            terms: vec![("cross-entropy", losses), ("loss-gap", gap)],
            logits: clean,
            updates: vec![statistics_of(pass.statistics)?.detach()],
        })
    }
}
