//! A network of a few hundred weights and a step on it.

use burn::tensor::Tensor;
use planish_formats::{NamedTensor, Norm};
use planish_nn::{Activation, Architecture, ArchitectureBuilder, Ball, ConvOptions, Device, Network, Parameters, Statistics};

use crate::batches::Batch;
use crate::objective::{Evaluation, Step, to_host};

/// The network of `tests/golden/train_llr.py`: two convolutions with normalisation, global mean pool, linear.
pub(super) fn architecture(activation: Activation) -> Architecture {
    let mut builder = ArchitectureBuilder::new([2, 8, 8]).unwrap();
    let conv = |filters, stride| ConvOptions { filters, kernel: 3, stride, padding: 1, bias: false };
    let x = builder.standardise(0, &[0.3, 0.3], &[0.4, 0.4]).unwrap();
    let x = builder.convolution(x, "conv1", conv(4, 1)).unwrap();
    let x = builder.norm_activation(x, "bn1", activation).unwrap();
    let x = builder.convolution(x, "conv2", conv(6, 2)).unwrap();
    let x = builder.norm_activation(x, "bn2", activation).unwrap();
    let x = builder.global_mean_pool(x).unwrap();
    builder.linear(x, "fc", 4).unwrap();
    builder.finish().unwrap()
}

/// What a step is made of.
pub(super) struct Bench {
    pub(super) network: Network,
    pub(super) weights: Parameters,
    pub(super) running: Statistics,
    pub(super) batch: Batch,
    pub(super) ball: Ball,
}

/// The loss and, per weight, its gradient.
pub(super) struct Measured {
    pub(super) loss: f32,
    pub(super) gradients: Vec<Option<Tensor<1>>>,
}

impl Bench {
    /// The network with the weights and running statistics among `tensors`.
    pub(super) fn new(activation: Activation, tensors: &[NamedTensor], batch: Batch) -> Self {
        let architecture = architecture(activation);
        let device = Device::flex();
        let weights = Parameters::from_tensors(&architecture, tensors, &device).unwrap();
        let running = Statistics::from_tensors(&architecture, tensors, &device).unwrap();
        Bench { network: Network::new(architecture), weights, running, batch, ball: Ball::new(Norm::Linf, 0.1) }
    }

    /// Calls `what` with a step on weights `weights`.
    pub(super) fn step<T>(&self, weights: &Parameters, what: impl FnOnce(&Step<'_>, &Parameters) -> T) -> T {
        let (tracked, frozen) = (weights.tracked(), weights.constant_on_autodiff());
        let step = Step {
            network: &self.network,
            tracked: &tracked,
            frozen: &frozen,
            running: &self.running,
            batch: &self.batch,
            ball: self.ball,
            seed: 1,
            epoch: 1,
            device: &Device::flex().autodiff(),
        };
        what(&step, &tracked)
    }

    /// The loss that `evaluate` gives at `weights`, and its gradients.
    pub(super) fn measure(&self, weights: &Parameters, evaluate: &dyn Fn(&Step<'_>) -> Evaluation) -> Measured {
        self.step(weights, |step, tracked| {
            let evaluation = evaluate(step);
            let loss = to_host(evaluation.loss.clone()).unwrap()[0];
            Measured { loss, gradients: tracked.gradients(&mut evaluation.loss.backward()) }
        })
    }
}
