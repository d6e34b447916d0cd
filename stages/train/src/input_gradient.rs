//! Gradients with respect to images, for inner searches.

use burn::tensor::Tensor;
use planish_contract::Failure;
use planish_nn::{Device, Layout, Network, Normalisation, Parameters, Statistics};

use crate::objective::{image_tensor, to_host};

/// A frozen network: constant weights and fixed normalisation statistics, so that every image stands for itself.
pub struct InputGradient<'a> {
    network: &'a Network,
    frozen: &'a Parameters,
    statistics: Statistics,
    device: &'a Device,
}

/// Losses and gradients of one pass.
pub struct Gradients {
    /// `[n]`.
    pub losses: Vec<f32>,
    /// `[n, c, h, w]`: each image's own gradient.
    pub gradient: Vec<f32>,
}

impl<'a> InputGradient<'a> {
    /// The network with the weights `frozen` (constants on the autodiff device) and fixed `statistics`.
    #[must_use]
    pub fn new(network: &'a Network, frozen: &'a Parameters, statistics: &Statistics, device: &'a Device) -> Self {
        InputGradient { network, frozen, statistics: statistics.on_autodiff(), device }
    }

    /// Each image's loss and its gradient; `loss` maps logits `[n, classes]` to losses `[n]`.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the device does not give the numbers back.
    pub fn at(&self, images: &[f32], loss: &dyn Fn(Tensor<2>) -> Tensor<1>) -> Result<Gradients, Failure> {
        let x = image_tensor(images.to_vec(), self.network.architecture.input, self.device).require_grad();
        let losses = loss(self.forward(x.clone()));
        let mut gradients = losses.clone().sum().backward();
        let gradient = x.grad_remove(&mut gradients).ok_or_else(|| Failure::internal("the loss does not depend on the images"))?;
        Ok(Gradients { losses: to_host(losses)?, gradient: to_host(gradient)? })
    }

    /// The logits `[n, classes]` at `images` (`[n, c, h, w]`).
    #[must_use]
    pub fn logits(&self, images: &[f32]) -> Tensor<2> {
        self.forward(image_tensor(images.to_vec(), self.network.architecture.input, self.device))
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let layout = Layout::plain(images.dims()[0]);
        self.network.forward(self.frozen, images, layout, Normalisation::Fixed(&self.statistics)).logits
    }
}
