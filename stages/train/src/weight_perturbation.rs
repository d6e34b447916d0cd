//! Adversarial weight perturbation, an option of any objective.

use burn::tensor::Tensor;
use planish_contract::{Failure, Invalid};
use planish_nn::{Parameter, Parameters, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gradients::Parts;
use crate::objective::{Evaluation, Objective, WeightGradients};

/// Takes the gradient at weights that were moved uphill, and applies it to the weights themselves (AWP, Wu et al. 2020, algorithm 1;
/// official `utils_awp.py`).
///
/// Every convolution and linear weight w moves by γ·‖w‖·g/‖g‖, where g is the objective's gradient at w with δ already found; biases and
/// normalisation stay. The official code finds the direction by one step of a proxy optimiser, whose rate drops out.
/// Both passes are counted; the terms in the history are those at the moved weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WeightPerturbation {
    /// γ, the length of the move relative to the weight's norm (official: 5e-3 with TRADES, 1e-2 with ADV).
    pub gamma: f64,
    /// The last epoch without it; from the next one on weights are perturbed.
    pub after_epoch: u32,
}

impl Default for WeightPerturbation {
    fn default() -> Self {
        WeightPerturbation { gamma: 5e-3, after_epoch: 0 }
    }
}

/// Added to the norm of a gradient (official code).
const NORM_FLOOR: f64 = 1e-20;

/// The objective on `parts` and its weight gradients, with `perturbation` where there is one.
///
/// # Errors
/// Those of the objective.
pub fn evaluate(
    objective: &dyn Objective,
    parts: &Parts<'_>,
    perturbation: Option<&WeightPerturbation>,
) -> Result<(Vec<Evaluation>, WeightGradients), Failure> {
    perturbation.map_or_else(|| parts.evaluate(objective, None), |perturbation| perturbation.evaluate(objective, parts))
}

impl WeightPerturbation {
    /// Checks the range; `path` is where the option stands.
    ///
    /// # Errors
    /// A γ that is not positive and finite.
    pub fn validate(&self, path: &str) -> Result<(), Invalid> {
        if !(self.gamma > 0.0 && self.gamma.is_finite()) {
            return Err(Invalid::at(&format!("{path}.gamma"), format!("{} is not a positive number", self.gamma)));
        }
        Ok(())
    }

    /// Whether epoch `epoch` (from 1) perturbs weights.
    #[must_use]
    pub fn active(&self, epoch: u32) -> bool {
        epoch > self.after_epoch
    }

    /// The objective and its weight gradients at the moved weights; the images x+δ stay those found at the weights of the step.
    ///
    /// # Errors
    /// Those of the objective.
    pub fn evaluate(&self, objective: &dyn Objective, parts: &Parts<'_>) -> Result<(Vec<Evaluation>, WeightGradients), Failure> {
        let (_, gradients) = parts.evaluate(objective, None)?;
        let Some(step) = parts.steps.first() else { return Err(Failure::internal("a step without images")) };
        parts.evaluate(objective, Some(&self.moved(&step.tracked.untracked(), gradients)))
    }

    /// `weights` moved along `gradients`; plain tensors.
    #[must_use]
    pub fn moved(&self, weights: &Parameters, gradients: WeightGradients) -> Parameters {
        let norm = |tensor: &Tensor<1>| tensor.clone().powi_scalar(2).sum().sqrt();
        let entries = weights.entries.iter().zip(gradients).map(|(weight, gradient)| {
            let value = match gradient {
                Some(gradient) if matches!(weight.spec.role, Role::Weight { .. }) => {
                    let length = norm(&weight.value).mul_scalar(self.gamma) / norm(&gradient).add_scalar(NORM_FLOOR);
                    weight.value.clone() + gradient * length
                }
                _ => weight.value.clone(),
            };
            Parameter { spec: weight.spec.clone(), value }
        });
        Parameters { entries: entries.collect() }
    }
}
