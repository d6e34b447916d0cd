//! Stochastic gradient descent with momentum.

use burn::tensor::Tensor;
use planish_contract::Invalid;
use planish_nn::{Parameter, Parameters, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// SGD with momentum, without Nesterov's correction and without dampening: v ← m·v + (g + d·w); w ← w − rate·v.
///
/// The decay d acts on convolution and linear weights only (a penalty of ½·d·‖w‖²), never on biases and normalisation. Defaults: the
/// released code of LLR.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sgd {
    /// The largest learning rate; the schedule gives its share.
    pub learning_rate: f64,
    /// m.
    pub momentum: f64,
    /// d.
    pub weight_decay: f64,
}

impl Default for Sgd {
    fn default() -> Self {
        Sgd { learning_rate: 0.1, momentum: 0.9, weight_decay: 2e-4 }
    }
}

impl Sgd {
    /// Checks the ranges; `path` is where they stand in the parameters.
    ///
    /// # Errors
    /// The first value that can't be used.
    pub fn validate(&self, path: &str) -> Result<(), Invalid> {
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return Err(Invalid::at(&format!("{path}.learning_rate"), format!("{} is not a positive number", self.learning_rate)));
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return Err(Invalid::at(&format!("{path}.momentum"), format!("{} is not in [0, 1)", self.momentum)));
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            return Err(Invalid::at(&format!("{path}.weight_decay"), format!("{} is not a number, at least 0", self.weight_decay)));
        }
        Ok(())
    }

    /// One step at learning rate `rate`. `weights`, `velocity` and what comes back are plain tensors in the same order; a weight
    /// without gradient has a zero one.
    #[must_use]
    pub fn step(
        &self,
        weights: &Parameters,
        velocity: &Parameters,
        gradients: Vec<Option<Tensor<1>>>,
        rate: f64,
    ) -> (Parameters, Parameters) {
        let mut moved = Vec::with_capacity(weights.entries.len());
        let mut velocities = Vec::with_capacity(weights.entries.len());
        for ((weight, velocity), gradient) in weights.entries.iter().zip(&velocity.entries).zip(gradients) {
            let mut next = velocity.value.clone().mul_scalar(self.momentum);
            if let Some(gradient) = gradient {
                next = next + gradient;
            }
            if self.weight_decay > 0.0 && matches!(weight.spec.role, Role::Weight { .. }) {
                next = next + weight.value.clone().mul_scalar(self.weight_decay);
            }
            let value = weight.value.clone() - next.clone().mul_scalar(rate);
            moved.push(Parameter { spec: weight.spec.clone(), value });
            velocities.push(Parameter { spec: weight.spec.clone(), value: next });
        }
        (Parameters { entries: moved }, Parameters { entries: velocities })
    }
}

/// Velocities before the first step: zeros shaped like `weights`.
#[must_use]
pub fn at_rest(weights: &Parameters) -> Parameters {
    let zeros = weights.entries.iter().map(|weight| Parameter { spec: weight.spec.clone(), value: weight.value.zeros_like() });
    Parameters { entries: zeros.collect() }
}
