//! Second derivatives of the cross-entropy with respect to images.

use burn::tensor::{Int, Tensor, TensorData};
use planish_contract::Failure;

use crate::burn_victim::host;
use crate::loss::cross_entropy_tangent;
use crate::{Checkpoint, Layout, Normalisation};

impl Checkpoint {
    /// Each image's Hessian of its cross-entropy, with running statistics, times a direction: `[n, c, h, w]` like `images` (in `[0,1]`)
    /// and `directions`. One dual pass gives the slope along the direction, one reverse pass that slope's gradient.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the lengths do not fit; [`Failure::Diverged`] when a product is not finite.
    pub fn hessian_product(&self, images: &[f32], labels: &[u32], directions: &[f32]) -> Result<Vec<f32>, Failure> {
        let [c, h, w] = self.network.architecture.input;
        let n = labels.len();
        if images.len() != n * c * h * w || directions.len() != images.len() {
            return Err(Failure::internal(format!("{n} labels, {} and {} numbers of images {c}x{h}x{w}", images.len(), directions.len())));
        }
        let tensor = |values: &[f32]| Tensor::<4>::from_data(TensorData::new(values.to_vec(), [n, c, h, w]), &self.device);
        let labels: Vec<i64> = labels.iter().map(|&label| i64::from(label)).collect();
        let labels: Tensor<1, Int> = Tensor::from_data(TensorData::new(labels, [n]), &self.device.clone().autodiff());
        let x = tensor(images).autodiff().require_grad();
        let rows = Tensor::cat(vec![x.clone(), tensor(directions).autodiff()], 0);
        let weights = self.parameters.constant_on_autodiff();
        let statistics = self.statistics.on_autodiff();
        let pass = self.network.forward(&weights, rows, Layout::dual(n), Normalisation::Fixed(&statistics));
        let mut gradients = cross_entropy_tangent(pass.values(), pass.tangents(), &labels).sum().backward();
        let Some(product) = x.grad_remove(&mut gradients) else { return Ok(vec![0.0; images.len()]) };
        host(&product, "the second derivatives")
    }
}
