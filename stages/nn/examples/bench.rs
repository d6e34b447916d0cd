//! Times of training steps: `cargo run --release -p planish-nn --example bench -- [THREADS] [ROUNDS]`.
//!
//! `bench_torch.py` beside this file times the same steps in PyTorch.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::time::Instant;

use burn::tensor::{Int, Tensor, TensorData};
use planish_contract::Failure;
use planish_nn::{Architecture, Device, Layout, Network, Normalisation, Parameters, Statistics, Stream, loss, networks};

const BATCH: usize = 64;

struct Bench {
    network: Network,
    parameters: Parameters,
    statistics: Statistics,
    x: Tensor<4>,
    labels: Tensor<1, Int>,
}

/// A kind of step, and how it is done.
type Named = (&'static str, fn(&Bench));

impl Bench {
    fn new(architecture: Architecture) -> Self {
        let device = Device::flex();
        let [c, h, w] = architecture.input;
        let mut images = vec![0.0; BATCH * c * h * w];
        Stream::new(1, "bench", &[]).fill_uniform(&mut images, 0.0, 1.0);
        let labels: Vec<i64> = (0..10).cycle().take(BATCH).collect();
        Bench {
            parameters: Parameters::initialise(&architecture, 0, &device),
            statistics: Statistics::initial(&architecture, &device),
            network: Network::new(architecture),
            x: Tensor::from_data(TensorData::new(images, [BATCH, c, h, w]), &device),
            labels: Tensor::from_data(TensorData::new(labels, [BATCH]), &device),
        }
    }

    /// Forward in evaluation mode.
    fn evaluate(&self) {
        let pass = self.network.forward(&self.parameters, self.x.clone(), Layout::plain(BATCH), Normalisation::Fixed(&self.statistics));
        let _ = pass.logits.into_data();
    }

    /// Weight gradients of the cross-entropy with batch statistics.
    fn nominal(&self) {
        let leaves = self.parameters.tracked();
        let pass = self.network.forward(&leaves, self.x.clone(), Layout::plain(BATCH), Normalisation::Batch);
        let mut gradients = loss::cross_entropy(pass.values(), &self.labels).mean().backward();
        let _ = leaves.gradients(&mut gradients);
    }

    /// Image gradients with running statistics: one step of an attack.
    fn attack(&self) {
        let x = self.x.clone().autodiff().require_grad();
        let pass = self.network.forward(&self.parameters, x.clone(), Layout::plain(BATCH), Normalisation::Fixed(&self.statistics));
        let mut gradients = loss::cross_entropy(pass.values(), &self.labels).sum().backward();
        let _ = x.grad_remove(&mut gradients);
    }

    /// Second-order weight gradients of the directional derivatives.
    fn dual(&self) {
        let leaves = self.parameters.tracked();
        let x = Tensor::cat(vec![self.x.clone(), self.x.clone().mul_scalar(0.1)], 0);
        let pass = self.network.forward(&leaves, x, Layout::dual(BATCH), Normalisation::Batch);
        let derivatives = loss::cross_entropy_tangent(pass.values(), pass.tangents(), &self.labels).abs();
        let mut gradients = (loss::cross_entropy(pass.values(), &self.labels) + derivatives).mean().backward();
        let _ = leaves.gradients(&mut gradients);
    }
}

fn time(rounds: usize, step: impl Fn()) -> f64 {
    let one = |()| {
        let start = Instant::now();
        step();
        start.elapsed().as_secs_f64() * 1e3
    };
    let mut times: Vec<f64> = (0..rounds).map(|_| one(())).collect();
    times.sort_by(f64::total_cmp);
    times.first().copied().unwrap_or(f64::NAN)
}

fn main() -> Result<(), Failure> {
    let argument = |place: usize, default: usize| std::env::args().nth(place).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (threads, rounds) = (argument(1, 1), argument(2, 15));
    planish_nn::set_threads(threads);
    let networks: [(&str, networks::AnyNetwork, [usize; 3]); 2] = [
        (
            "wrn-10-2",
            networks::AnyNetwork::WideResnet(networks::WideResnet {
                depth: 10,
                width: 2,
                activation: planish_nn::Activation::Softplus,
                stem: networks::wide_resnet::Stem::Released,
            }),
            [3, 32, 32],
        ),
        (
            "small-cnn",
            networks::AnyNetwork::SmallCnn(networks::SmallCnn { width: 16, activation: planish_nn::Activation::Softplus, norm: true }),
            [1, 28, 28],
        ),
    ];
    println!("milliseconds for {BATCH} images, best of {rounds}, threads: {threads}");
    for (name, network, input) in networks {
        let bench = Bench::new(network.architecture(input, 10, &[], &[])?);
        let steps: [Named; 4] =
            [("evaluate", Bench::evaluate), ("nominal", Bench::nominal), ("attack", Bench::attack), ("dual", Bench::dual)];
        for (step, run) in steps {
            println!("{name:10} {step:10} {:8.2}", time(rounds, || run(&bench)));
        }
    }
    Ok(())
}
