//! Weight gradients beside finite differences of the loss.

use planish_nn::{Activation, Device, Parameter, Parameters, Statistics, Stream};

use super::tiny::{Bench, architecture};
use crate::batches::Batch;
use crate::objective::{Evaluation, Objective, Step, to_host};
use crate::objectives::llr::GradientTerm;
use crate::objectives::{Cure, GradAlign, Llr, LossGap, Mart, Trades};

fn bench() -> (Bench, Vec<f32>) {
    let architecture = architecture(Activation::Softplus);
    let device = Device::flex();
    let weights = Parameters::initialise(&architecture, 3, &device);
    let mut tensors = weights.to_tensors().unwrap();
    tensors.extend(Statistics::initial(&architecture, &device).to_tensors(&architecture).unwrap());
    let mut stream = Stream::new(9, "test images", &[]);
    let mut images = vec![0.0; 5 * 128];
    stream.fill_uniform(&mut images, 0.1, 0.9);
    let adversarial = images.iter().map(|pixel| pixel + stream.uniform(-0.1, 0.1)).collect();
    let batch = Batch { images, labels: vec![0, 1, 2, 3, 0], ids: (0..5).collect() };
    (Bench::new(Activation::Softplus, &tensors, batch), adversarial)
}

/// Compares the slope along the gradient with a central difference.
fn check(bench: &Bench, evaluate: &dyn Fn(&Step<'_>) -> Evaluation) {
    let measured = bench.measure(&bench.weights, evaluate);
    let gradients: Vec<_> = measured.gradients.into_iter().map(Option::unwrap).collect();
    let square: f32 = gradients.iter().map(|g| to_host(g.clone()).unwrap().iter().map(|v| v * v).sum::<f32>()).sum();
    let length = square.sqrt();
    let moved = |distance: f64| {
        let entries = bench.weights.entries.iter().zip(&gradients);
        let entries = entries.map(|(weight, gradient)| Parameter {
            spec: weight.spec.clone(),
            value: weight.value.clone() + gradient.clone().mul_scalar(distance / f64::from(length)),
        });
        let weights = Parameters { entries: entries.collect() };
        f64::from(bench.measure(&weights, evaluate).loss)
    };
    let h = 4e-3;
    let slope = (moved(h) - moved(-h)) / (2.0 * h);
    assert!((slope - f64::from(length)).abs() < 5e-3 * f64::from(length), "difference {slope}, gradient {length}");
}

#[test]
fn the_llr_gradient_is_the_slope_of_its_loss() {
    let (bench, adversarial) = bench();
    check(&bench, &|step| Llr::default().outer(step, &adversarial).unwrap());
    let linear_only = Llr { cross_entropy_weight: 0.0, lambda: 0.0, ..Llr::default() };
    check(&bench, &|step| linear_only.outer(step, &adversarial).unwrap());
}

#[test]
fn the_trades_gradient_is_the_slope_of_its_loss() {
    let (bench, adversarial) = bench();
    check(&bench, &|step| Trades::default().outer(step, &adversarial).unwrap());
}

#[test]
fn the_gradients_of_the_other_objectives_are_the_slopes_of_their_losses() {
    let (bench, adversarial) = bench();
    let objectives: [Box<dyn Objective>; 6] = [
        Box::new(Mart::default()),
        Box::new(LossGap::default()),
        Box::new(Cure::default()),
        Box::new(GradAlign::default()),
        Box::new(Llr { lambda: 0.0, gradient_term: GradientTerm::L1, ..Llr::default() }),
        Box::new(Llr { lambda: 0.0, gradient_term: GradientTerm::L2, ..Llr::default() }),
    ];
    for objective in objectives {
        check(&bench, &|step| objective.outer(step, &adversarial).unwrap());
    }
}
