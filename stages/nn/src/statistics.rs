//! Means and variances of the normalisation layers, kept outside the network.

use burn::tensor::{Tensor, TensorData};
use planish_contract::Failure;
use planish_formats::{NamedTensor, Values};

use crate::{Architecture, Device};

/// What every normalisation layer subtracts and divides by.
///
/// Statistics of a batch are tracked: weight gradients flow through them when a later pass is given them.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// One tensor `[2, channels]` a layer, in the order of [`Architecture::norms`]: mean, biased variance.
    pub layers: Vec<Tensor<2>>,
}

impl Statistics {
    /// Mean 0, variance 1: what running statistics start from.
    #[must_use]
    pub fn initial(architecture: &Architecture, device: &Device) -> Self {
        let layer = |channels: usize| {
            let mut values = vec![0.0f32; channels];
            values.resize(2 * channels, 1.0);
            Tensor::from_data(TensorData::new(values, [2, channels]), device)
        };
        Statistics { layers: architecture.norms().iter().map(|norm| layer(norm.channels)).collect() }
    }

    /// Running statistics after one more batch: `(1 − momentum)·self + momentum·batch`, detached
    /// from any graph. Momentum 0.1 and biased variances are what LLR's released code uses.
    #[must_use]
    pub fn blend(&self, batch: &Statistics, momentum: f64) -> Statistics {
        let blend = |(running, batch): (&Tensor<2>, &Tensor<2>)| {
            running.clone().without_autodiff().mul_scalar(1.0 - momentum) + batch.clone().without_autodiff().mul_scalar(momentum)
        };
        Statistics { layers: self.layers.iter().zip(&batch.layers).map(blend).collect() }
    }

    /// The statistics of a batch that was computed in `parts`, each with its share of the batch's images (they sum to one): the mean of
    /// the means, and the mean of the variances plus the variance of the means. Detached; `None` when there is no part.
    #[must_use]
    pub fn pooled(parts: &[(f64, &Statistics)]) -> Option<Statistics> {
        let [(_, first), rest @ ..] = parts else { return None };
        if rest.is_empty() {
            return Some(first.detach());
        }
        let sum = |layer: usize, what: &dyn Fn(Tensor<2>) -> Tensor<2>| {
            let weighted = parts.iter().filter_map(|(share, part)| {
                let values = part.layers.get(layer)?.clone().without_autodiff();
                Some(what(values).mul_scalar(*share))
            });
            weighted.reduce(|sum, next| sum + next)
        };
        let pool = |layer: usize| {
            let mean = sum(layer, &|part| part.narrow(0, 0, 1))?;
            // Around the mean of all: a difference of squares would lose the digits of a small variance beside a large mean.
            let variance = sum(layer, &|part| part.clone().narrow(0, 1, 1) + (part.narrow(0, 0, 1) - mean.clone()).powi_scalar(2))?;
            Some(Tensor::cat(vec![mean, variance], 0))
        };
        Some(Statistics { layers: (0..first.layers.len()).filter_map(pool).collect() })
    }

    /// The same numbers as constants.
    #[must_use]
    pub fn detach(&self) -> Statistics {
        Statistics { layers: self.layers.iter().map(|layer| layer.clone().without_autodiff()).collect() }
    }

    /// The same numbers as constants on `device`, without autodiff.
    #[must_use]
    pub fn to_device(&self, device: &Device) -> Statistics {
        Statistics { layers: self.layers.iter().map(|layer| layer.clone().without_autodiff().to_device(device)).collect() }
    }

    /// The same numbers as constants on the autodiff device.
    #[must_use]
    pub fn on_autodiff(&self) -> Statistics {
        Statistics { layers: self.layers.iter().map(|layer| layer.clone().without_autodiff().autodiff()).collect() }
    }

    /// `NAME.running_mean` and `NAME.running_var`, each `[channels]`.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the layers are not those of `architecture`, or the device fails.
    pub fn to_tensors(&self, architecture: &Architecture) -> Result<Vec<NamedTensor>, Failure> {
        let norms = architecture.norms();
        if norms.len() != self.layers.len() {
            return Err(Failure::internal(format!("{} statistics for {} normalisation layers", self.layers.len(), norms.len())));
        }
        let mut tensors = Vec::with_capacity(2 * norms.len());
        for (norm, layer) in norms.iter().zip(&self.layers) {
            let mut mean: Vec<f32> = layer.try_to_vec_as().map_err(|e| Failure::internal(format!("statistics of `{}`: {e}", norm.name)))?;
            let variance = mean.split_off(norm.channels.min(mean.len()));
            for (suffix, values) in [("running_mean", mean), ("running_var", variance)] {
                tensors.push(NamedTensor {
                    name: format!("{}.{suffix}", norm.name),
                    shape: vec![norm.channels],
                    values: Values::F32(values),
                });
            }
        }
        Ok(tensors)
    }

    /// The statistics of `architecture` among `tensors`; others are ignored.
    ///
    /// # Errors
    /// [`Failure::Input`] when one is missing, has another shape or type, is not finite, or a variance is negative.
    pub fn from_tensors(architecture: &Architecture, tensors: &[NamedTensor], device: &Device) -> Result<Self, Failure> {
        let mut layers = Vec::new();
        for norm in architecture.norms() {
            let mut values = crate::parameters::find(tensors, &format!("{}.running_mean", norm.name), &[norm.channels])?.to_vec();
            let name = format!("{}.running_var", norm.name);
            let variance = crate::parameters::find(tensors, &name, &[norm.channels])?;
            if variance.iter().any(|v| *v < 0.0) {
                return Err(Failure::input(format!("tensor `{name}` has a negative variance")));
            }
            values.extend_from_slice(variance);
            layers.push(Tensor::from_data(TensorData::new(values, [2, norm.channels]), device));
        }
        Ok(Statistics { layers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One layer of one channel.
    fn of(values: &[f32]) -> Statistics {
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / values.len() as f32;
        Statistics { layers: vec![Tensor::from_data(TensorData::new(vec![mean, variance], [2, 1]), &Device::flex())] }
    }

    #[test]
    fn pooled_statistics_are_those_of_all_images() {
        let (a, b, all) = (of(&[1.0, 2.0, 6.0]), of(&[-3.0]), of(&[1.0, 2.0, 6.0, -3.0]));
        let pooled = Statistics::pooled(&[(0.75, &a), (0.25, &b)]).unwrap();
        let numbers = |s: &Statistics| s.layers[0].try_to_vec_as::<f32>().unwrap();
        for (pooled, all) in numbers(&pooled).iter().zip(numbers(&all)) {
            assert!((pooled - all).abs() < 1e-5, "{pooled} instead of {all}");
        }
        assert_eq!(numbers(&Statistics::pooled(&[(1.0, &a)]).unwrap()), numbers(&a));
        // A small variance beside a large mean of all four.
        let (a, b) = (of(&[4096.0, 4096.5]), of(&[4095.0, 4096.0]));
        assert_eq!(numbers(&Statistics::pooled(&[(0.5, &a), (0.5, &b)]).unwrap()), [4095.875, 0.296_875]);
        assert!(Statistics::pooled(&[]).is_none());
    }
}
