//! What results must not depend on: batches, threads, other rows. And what they must: derivatives.

use burn::tensor::{Int, Tensor, TensorData};
use planish_nn::{
    Activation, AnyNetwork, BurnVictim, Checkpoint, Device, Layout, Network, NetworkConfig, Normalisation, Parameters, Statistics, Victim,
    loss,
};

use crate::common::{config, host, images, network, numbers, relative};

fn checkpoint(config: NetworkConfig) -> Checkpoint {
    let device = Device::flex();
    let network = Network::new(config.architecture().unwrap());
    let parameters = Parameters::initialise(&network.architecture, 5, &device);
    let statistics = Statistics::initial(&network.architecture, &device);
    Checkpoint { config, network, parameters, statistics, device }
}

fn small_cnn(norm: bool) -> NetworkConfig {
    let network: AnyNetwork = serde_json::from_str(&format!(r#"{{"small-cnn": {{"norm": {norm}}}}}"#)).unwrap();
    NetworkConfig { schema: 1, network, input: [1, 28, 28], classes: config(Activation::Relu).classes, mean: vec![0.29], std: vec![0.35] }
}

#[test]
fn a_victims_answers_do_not_depend_on_the_batch() {
    for (config, pixels) in [(config(Activation::Softplus), 3072), (small_cnn(true), 784), (small_cnn(false), 784)] {
        let images = numbers("images", 37 * pixels, 0.5, 0.5);
        let mut passes = Vec::new();
        for batch in [1, 5, 37] {
            let mut victim = BurnVictim::new(checkpoint(config.clone()), batch);
            let mut rows = Vec::new();
            let mut loss = |row: usize, logits: &[f32], slope: &mut [f32]| {
                rows.push(row);
                slope[row % 10] = 1.0;
                slope[(row + 3) % 10] = -1.0;
                logits[row % 10] - logits[(row + 3) % 10]
            };
            let pass = victim.gradient(&images, &mut loss).unwrap();
            assert_eq!(rows, (0..37).collect::<Vec<_>>());
            assert_eq!(pass.logits, victim.logits(&images).unwrap());
            assert!(pass.gradient.iter().any(|g| *g != 0.0));
            passes.push(pass);
        }
        assert_eq!(passes[0], passes[2]);
        assert_eq!(passes[1], passes[2]);
    }
}

#[test]
fn a_victims_gradient_is_the_derivative() {
    let mut victim = BurnVictim::new(checkpoint(small_cnn(true)), 8);
    let (image, direction) = (numbers("image", 784, 0.5, 0.5), numbers("direction", 784, 0.0, 1.0));
    let mut difference = |_: usize, logits: &[f32], slope: &mut [f32]| {
        slope[2] = 1.0;
        slope[7] = -1.0;
        logits[2] - logits[7]
    };
    let gradient = victim.gradient(&image, &mut difference).unwrap().gradient;
    let derivative: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
    let mut at = |step: f32| {
        let moved: Vec<f32> = image.iter().zip(&direction).map(|(x, d)| x + step * d).collect();
        let logits = victim.logits(&moved).unwrap();
        f64::from(logits[2]) - f64::from(logits[7])
    };
    let step = 2e-3;
    let finite = (at(step) - at(-step)) / (2.0 * f64::from(step));
    assert!((finite - derivative).abs() < 2e-3 * derivative.abs().max(0.1), "{finite} {derivative}");
    assert!(victim.logits(&image[1..]).is_err());
    let infinite = vec![f32::NAN; 784];
    assert!(matches!(victim.logits(&infinite), Err(planish_contract::Failure::Diverged(_))));
}

/// The bits of a training step: loss, weight gradients and image gradients of a dual pass.
fn step(threads: usize) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let (network, parameters, _) = network(Activation::Silu);
        let leaves = parameters.tracked();
        let values = images("images", 19, 0.5, 0.5).autodiff().require_grad();
        let x = Tensor::cat(vec![values.clone(), images("direction", 19, 0.0, 0.05).autodiff()], 0);
        let labels: Tensor<1, Int> =
            Tensor::from_data(TensorData::new((0..19i64).map(|i| i % 10).collect::<Vec<_>>(), [19]), &Device::flex());
        let pass = network.forward(&leaves, x, Layout::dual(19), Normalisation::Batch);
        let loss = loss::cross_entropy(pass.values(), &labels) + loss::cross_entropy_tangent(pass.values(), pass.tangents(), &labels).abs();
        let mut bits = host(&loss);
        let mut gradients = loss.sum().backward();
        bits.extend(host(&values.grad_remove(&mut gradients).unwrap()));
        leaves.gradients(&mut gradients).into_iter().flatten().for_each(|gradient| bits.extend(host(&gradient)));
        bits.into_iter().map(f32::to_bits).collect()
    })
}

#[test]
fn bits_do_not_depend_on_threads() {
    let one = step(1);
    assert!(one == step(2), "two threads give other bits than one");
    assert!(one == step(3), "three threads give other bits than one");
}

#[test]
fn tangents_are_derivatives() {
    for activation in [Activation::Softplus, Activation::Silu, Activation::Relu] {
        let (network, parameters, statistics) = network(activation);
        let (x, direction) = (images("images", 3, 0.5, 0.5), images("direction", 3, 0.0, 0.05));
        let fixed = Normalisation::Fixed(&statistics);
        let dual = network.forward(&parameters, Tensor::cat(vec![x.clone(), direction.clone()], 0), Layout::dual(3), fixed);
        let plain = network.forward(&parameters, x.clone(), Layout::plain(3), fixed);
        assert_eq!(host(&dual.values()), host(&plain.logits), "values do not see tangents");
        // The kinks of ReLU want a small step, rounding a large one.
        let (step, tolerance) = if activation == Activation::Relu { (1e-3, 5e-2) } else { (0.02, 3e-3) };
        let at = |sign: f64| network.forward(&parameters, x.clone() + direction.clone() * (sign * step), Layout::plain(3), fixed).logits;
        let finite = (at(1.0) - at(-1.0)) / (2.0 * step);
        assert!(
            relative(&host(&finite), &host(&dual.tangents())) < tolerance,
            "{activation:?} {}",
            relative(&host(&finite), &host(&dual.tangents()))
        );
    }
}

/// A network of `text` for images `[2, side, side]`, with random weights.
fn other(text: &str, side: usize) -> (Network, Parameters, Statistics) {
    let network: AnyNetwork = serde_json::from_str(text).unwrap();
    network.check().unwrap();
    let network = Network::new(network.architecture([2, side, side], 10, &[0.5; 2], &[0.25; 2]).unwrap());
    let device = Device::flex();
    let parameters = Parameters::initialise(&network.architecture, 5, &device);
    let statistics = Statistics::initial(&network.architecture, &device);
    (network, parameters, statistics)
}

#[test]
fn tangents_of_residual_networks_are_derivatives() {
    for (text, side) in [(r#"{"preact-resnet": {"depth": 18, "width": 3}}"#, 16), (r#"{"resnet": {"depth": 50, "width": 2}}"#, 64)] {
        let (network, parameters, statistics) = other(text, side);
        let tensor = |name, centre, spread| {
            let values = numbers(name, 8 * 2 * side * side, centre, spread);
            Tensor::<4>::from_data(TensorData::new(values, [8, 2, side, side]), &Device::flex())
        };
        let (x, direction) = (tensor("images", 0.5, 0.5), tensor("direction", 0.0, 0.05));
        // The batch's own statistics: deep networks with fresh running ones blow up.
        let plain = network.forward(&parameters, x.clone(), Layout::plain(8), Normalisation::Batch);
        let batch = plain.statistics.unwrap_or(statistics);
        let fixed = Normalisation::Fixed(&batch);
        let dual = network.forward(&parameters, Tensor::cat(vec![x.clone(), direction.clone()], 0), Layout::dual(8), fixed);
        assert_eq!(host(&dual.values()), host(&plain.logits), "{text}: values do not see tangents");
        // The kinks of a max pool want a small step.
        let step = 1e-3;
        let at = |sign: f64| network.forward(&parameters, x.clone() + direction.clone() * (sign * step), Layout::plain(8), fixed).logits;
        let finite = (at(1.0) - at(-1.0)) / (2.0 * step);
        let error = relative(&host(&finite), &host(&dual.tangents()));
        assert!(error < 2e-2, "{text}: {error}");
    }
}

#[test]
fn statistics_come_from_the_rows_that_the_layout_names() {
    let (network, parameters, _) = network(Activation::Softplus);
    let x = images("images", 4, 0.5, 0.5);
    let layout = Layout { values: 4, tangents: 0, statistics: 2 };
    let pass = network.forward(&parameters, x.clone(), layout, Normalisation::Batch);
    let first = network.forward(&parameters, x.narrow(0, 0, 2), Layout::plain(2), Normalisation::Batch);
    assert_eq!(host(&pass.values())[..20], host(&first.logits));
    let blended = Statistics::initial(&network.architecture, &Device::flex()).blend(&first.statistics.clone().unwrap(), 0.1);
    let (blended, batch) = (host(&blended.layers[0]), host(&first.statistics.unwrap().layers[0]));
    assert!((blended[0] - 0.1 * batch[0]).abs() < 1e-7);
    assert!((blended[16] - (0.9 + 0.1 * batch[16])).abs() < 1e-6);
}
