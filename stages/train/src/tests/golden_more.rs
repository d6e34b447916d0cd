//! The further objectives beside `PyTorch`: `tests/golden/train_objectives.py` at the repository's root made the numbers.

use planish_nn::{Activation, StepSize};

use super::golden::Golden;
use super::tiny::Measured;
use crate::gradients::Parts;
use crate::objective::{Evaluation, Objective, Step, evaluate, to_host};
use crate::objectives::llr::GradientTerm;
use crate::objectives::{Adv, Cure, GradAlign, Llr, LossGap, Mart, Trades};
use crate::weight_perturbation::WeightPerturbation;

const ACTIVATIONS: [(&str, Activation); 2] = [("softplus", Activation::Softplus), ("relu", Activation::Relu)];

fn compare(member: &str, images: &str, objective: &dyn Objective) {
    let golden = Golden::read();
    for (name, activation) in ACTIVATIONS {
        let bench = golden.bench(activation);
        let adversarial = golden.floats(&format!("{name}/{images}/adversarial")).to_vec();
        let measured = bench.measure(&bench.weights, &|step| objective.outer(step, &adversarial).unwrap());
        golden.compare(&format!("{name}/{member}"), &bench, &measured);
    }
}

#[test]
fn mart_agrees_with_pytorch() {
    let mart = Mart { steps: 3, step_size: StepSize::Absolute(0.03), ..Mart::default() };
    compare("mart", "mart", &mart);
    let golden = Golden::read();
    for (name, activation) in ACTIVATIONS {
        let bench = golden.bench(activation);
        let adv = Adv { steps: 3, step_size: StepSize::Absolute(0.03), ..Adv::default() };
        let start = golden.floats("start").to_vec();
        let found = bench.step(&bench.weights, |step, _| adv.search_from(step, start).unwrap());
        golden.same_search(&format!("{name}/mart"), &found);
    }
}

#[test]
fn cure_agrees_with_double_backprop() {
    let cure = Cure { h: StepSize::Absolute(0.3), ..Cure::default() };
    compare("cure", "cure", &cure);
    compare("cure-squared", "cure", &Cure { squared: true, ..cure });
    let golden = Golden::read();
    for (name, activation) in ACTIVATIONS {
        let bench = golden.bench(activation);
        let found = bench.step(&bench.weights, |step, _| cure.search(step).unwrap());
        golden.same_search(&format!("{name}/cure"), &found);
    }
}

#[test]
fn the_ablations_of_llr_agree_with_double_backprop() {
    let llr = Llr { steps: 3, ..Llr::default() };
    compare("llr-l1", "llr", &Llr { gradient_term: GradientTerm::L1, ..llr });
    compare("llr-l2", "llr", &Llr { gradient_term: GradientTerm::L2, ..llr });
    let gap = LossGap { steps: 3, ..LossGap::default() };
    compare("loss-gap", "loss-gap", &gap);
    let golden = Golden::read();
    for (name, activation) in ACTIVATIONS {
        let bench = golden.bench(activation);
        let start = golden.floats("start").to_vec();
        let found = bench.step(&bench.weights, |step, _| gap.search_from(step, start).unwrap());
        golden.same_search(&format!("{name}/loss-gap"), &found);
    }
}

#[test]
fn gradient_alignment_agrees_with_double_backprop() {
    let golden = Golden::read();
    let align = GradAlign::default();
    for (name, activation) in ACTIVATIONS {
        let bench = golden.bench(activation);
        let adversarial = golden.floats(&format!("{name}/adv/adversarial")).to_vec();
        let elsewhere = golden.floats("start").to_vec();
        let measured = bench.measure(&bench.weights, &|step| {
            let without = GradAlign { lambda: 0.0, ..align }.outer(step, &adversarial).unwrap();
            let misalignment = align.misalignment(step, &elsewhere).unwrap();
            Evaluation { loss: without.loss + misalignment.mean().mul_scalar(align.lambda), ..without }
        });
        golden.compare(&format!("{name}/grad-align"), &bench, &measured);
    }
}

#[test]
fn weight_perturbation_agrees_with_pytorch() {
    let golden = Golden::read();
    for (name, activation) in ACTIVATIONS {
        let bench = golden.bench(activation);
        let adversarial = golden.floats(&format!("{name}/trades/adversarial")).to_vec();
        let measured = bench.step(&bench.weights, |step, _| {
            let parts = Parts { steps: vec![Step { ..*step }], perturbed: vec![adversarial.clone()], devices: 1 };
            let (evaluations, gradients) = WeightPerturbation::default().evaluate(&Trades::default(), &parts).unwrap();
            Measured { loss: to_host(evaluations[0].loss.clone()).unwrap()[0], gradients }
        });
        golden.compare(&format!("{name}/trades-awp"), &bench, &measured);
        let (plain, _) = bench.step(&bench.weights, |step, _| evaluate(&Trades::default(), step, &adversarial).unwrap());
        assert!(measured.loss > to_host(plain.loss).unwrap()[0], "the perturbation raises the loss");
    }
}
