//! A checkpoint as a classifier under attack.

use burn::tensor::{Tensor, TensorData};
use planish_contract::Failure;

use crate::{Checkpoint, Device, GradientPass, Layout, Network, Normalisation, Parameters, Statistics, Victim};

/// A network with its weights and running statistics, both fixed.
pub struct BurnVictim {
    network: Network,
    parameters: Parameters,
    statistics: Statistics,
    device: Device,
    batch: usize,
}

impl BurnVictim {
    /// The network of `checkpoint`, on the device that it was loaded to; `batch` images are computed at a
    /// time, which changes no result.
    #[must_use]
    pub fn new(checkpoint: Checkpoint, batch: usize) -> Self {
        let device = checkpoint.device;
        BurnVictim {
            network: checkpoint.network,
            parameters: checkpoint.parameters.untracked(),
            statistics: checkpoint.statistics.detach(),
            device,
            batch: batch.max(1),
        }
    }

    /// The numbers in one image.
    fn pixels(&self) -> usize {
        self.network.architecture.input.iter().product()
    }

    fn check(&self, images: &[f32]) -> Result<(), Failure> {
        if images.len().is_multiple_of(self.pixels()) {
            return Ok(());
        }
        Err(Failure::internal(format!("{} numbers are not whole images of {} numbers", images.len(), self.pixels())))
    }

    fn tensor(&self, images: &[f32]) -> Tensor<4> {
        let [c, h, w] = self.network.architecture.input;
        Tensor::from_data(TensorData::new(images.to_vec(), [images.len() / self.pixels(), c, h, w]), &self.device)
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let layout = Layout::plain(x.dims()[0]);
        self.network.forward(&self.parameters, x, layout, Normalisation::Fixed(&self.statistics)).logits
    }
}

pub(crate) fn host<const D: usize>(tensor: &Tensor<D>, what: &str) -> Result<Vec<f32>, Failure> {
    let values = tensor.try_to_vec_as::<f32>().map_err(|e| Failure::internal(format!("{what}: {e}")))?;
    if values.iter().all(|v| v.is_finite()) { Ok(values) } else { Err(Failure::Diverged(format!("{what} of the network are not finite"))) }
}

impl Victim for BurnVictim {
    fn shape(&self) -> [usize; 3] {
        self.network.architecture.input
    }

    fn classes(&self) -> usize {
        self.network.architecture.classes
    }

    fn logits(&mut self, images: &[f32]) -> Result<Vec<f32>, Failure> {
        self.check(images)?;
        let mut logits = Vec::new();
        for chunk in images.chunks(self.batch * self.pixels()) {
            logits.extend(host(&self.forward(self.tensor(chunk)), "the logits")?);
        }
        Ok(logits)
    }

    fn gradient(&mut self, images: &[f32], loss: &mut dyn FnMut(usize, &[f32], &mut [f32]) -> f32) -> Result<GradientPass, Failure> {
        self.check(images)?;
        let classes = self.classes();
        let mut pass = GradientPass { losses: Vec::new(), logits: Vec::new(), gradient: Vec::with_capacity(images.len()) };
        for chunk in images.chunks(self.batch * self.pixels()) {
            let x = self.tensor(chunk).autodiff().require_grad();
            let output = self.forward(x.clone());
            let rows = host(&output, "the logits")?;
            let mut slopes = vec![0.0f32; rows.len()];
            for (row, slope) in rows.chunks_exact(classes).zip(slopes.chunks_exact_mut(classes)) {
                pass.losses.push(loss(pass.losses.len(), row, slope));
            }
            let slopes = Tensor::from_data(TensorData::new(slopes, [rows.len() / classes, classes]), &self.device);
            let mut gradients = (output * slopes).sum().backward();
            let gradient = x.grad_remove(&mut gradients).ok_or_else(|| Failure::internal("the logits do not depend on the images"))?;
            pass.gradient.extend(host(&gradient, "the gradients")?);
            pass.logits.extend(rows);
        }
        Ok(pass)
    }
}
