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

    /// The same numbers as constants.
    #[must_use]
    pub fn detach(&self) -> Statistics {
        Statistics { layers: self.layers.iter().map(|layer| layer.clone().without_autodiff()).collect() }
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
