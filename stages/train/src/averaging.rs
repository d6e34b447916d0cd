//! Averages of the weights over the steps of a training.

use planish_contract::Invalid;
use planish_nn::{Parameters, Statistics};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An exponential average of the weights: average ← d·average + (1 − d)·weights after every step.
///
/// d rises to `decay` as (1 + n) / (10 + n) over the averaged steps n, so that the first weights do not weigh on it (as in Gowal et al. 2020,
/// arXiv 2010.03593, section 2.3, and TensorFlow's `ExponentialMovingAverage`). The running statistics of normalisation layers are averaged
/// with the same d: averages over the weights' own steps, under the training's own batches, of layers that the averaged weights stand for. Nothing
/// of the training itself changes; validation measures the averaged network, the `selected` checkpoint is chosen from it, and it is the output
/// `averaged` after the last epoch, beside `last`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Averaging {
    /// d, in [0, 1).
    pub decay: f64,
    /// The last epoch that is not averaged; until then validation measures the weights themselves.
    pub after_epoch: u32,
}

impl Default for Averaging {
    fn default() -> Self {
        Averaging { decay: 0.999, after_epoch: 0 }
    }
}

/// Weights and statistics that an average has come to.
#[derive(Clone, Debug)]
pub(crate) struct Average {
    /// The weights; plain tensors.
    pub(crate) weights: Parameters,
    /// The running statistics.
    pub(crate) running: Statistics,
}

impl Averaging {
    /// Checks the ranges; `path` is where the option stands.
    ///
    /// # Errors
    /// A decay out of range, or a training that ends before averaging begins.
    pub fn validate(&self, path: &str, epochs: u32) -> Result<(), Invalid> {
        if !(0.0..1.0).contains(&self.decay) {
            return Err(Invalid::at(&format!("{path}.decay"), format!("{} is not in [0, 1)", self.decay)));
        }
        if self.after_epoch >= epochs {
            let message = format!("averaging begins after epoch {}, but there are {epochs}", self.after_epoch);
            return Err(Invalid::at(&format!("{path}.after_epoch"), message));
        }
        Ok(())
    }

    /// Whether the steps of epoch `epoch` (from 1) are averaged.
    #[must_use]
    pub fn active(&self, epoch: u32) -> bool {
        epoch > self.after_epoch
    }

    /// The share that the weights after averaged step `step` (from 0) get.
    fn share(&self, step: u64) -> f64 {
        let step = step as f64;
        1.0 - self.decay.min((1.0 + step) / (10.0 + step))
    }

    /// The average after one more step, `step` (from 0) of those that are averaged; it begins as the weights themselves.
    #[must_use]
    pub(crate) fn take_up(&self, average: Option<&Average>, step: u64, weights: &Parameters, running: &Statistics) -> Average {
        let Some(average) = average else { return Average { weights: weights.clone(), running: running.clone() } };
        let share = self.share(step);
        Average { weights: average.weights.blend(weights, share), running: average.running.blend(running, share) }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Tensor, TensorData};
    use planish_nn::{Device, Parameter, ParameterSpec, Role};

    use super::*;

    fn weights(value: f32) -> Parameters {
        let spec = ParameterSpec { name: "w".into(), shape: vec![1], role: Role::Bias };
        Parameters { entries: vec![Parameter { spec, value: Tensor::from_data(TensorData::new(vec![value], [1]), &Device::flex()) }] }
    }

    fn statistics(mean: f32) -> Statistics {
        Statistics { layers: vec![Tensor::from_data(TensorData::new(vec![mean, 1.0], [2, 1]), &Device::flex())] }
    }

    /// Against the recursion in 64 bits, and against the mean of many equal numbers.
    #[test]
    fn the_average_follows_its_recursion_in_weights_and_statistics() {
        let averaging = Averaging { decay: 0.9, after_epoch: 0 };
        let (mut average, mut expected): (Option<Average>, f64) = (None, 0.0);
        for step in 0..200_u64 {
            let value = (step as f64 * 0.7).sin();
            average = Some(averaging.take_up(average.as_ref(), step, &weights(value as f32), &statistics(value as f32)));
            let d = if step == 0 { 0.0 } else { 0.9_f64.min((1.0 + step as f64) / (10.0 + step as f64)) };
            expected = d * expected + (1.0 - d) * value;
            let now = average.as_ref().unwrap();
            let weight = now.weights.entries[0].value.try_to_vec_as::<f32>().unwrap()[0];
            let mean = now.running.layers[0].try_to_vec_as::<f32>().unwrap()[0];
            assert!((f64::from(weight) - expected).abs() < 1e-6 && (f64::from(mean) - expected).abs() < 1e-6, "step {step}");
        }
    }
}
