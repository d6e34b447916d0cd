//! Objectives beside `PyTorch`: `tests/golden/train_llr.py` at the repository's root made the numbers.

use std::collections::BTreeMap;
use std::path::Path;

use planish_formats::{NamedTensor, Values, read_tensors};
use planish_nn::{Activation, Parameters};

use super::tiny::{Bench, Measured};
use crate::batches::Batch;
use crate::objective::{Evaluation, Objective, Step, to_host};
use crate::objectives::{Adv, Llr, Trades};
use crate::sgd::{Sgd, at_rest};

pub(super) struct Golden(BTreeMap<String, NamedTensor>);

impl Golden {
    pub(super) fn read() -> Self {
        let tensors = ["train_llr.safetensors", "train_objectives.safetensors"]
            .into_iter()
            .flat_map(|name| read_tensors(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name)).unwrap());
        Golden(tensors.map(|tensor| (tensor.name.clone(), tensor)).collect())
    }

    pub(super) fn floats(&self, name: &str) -> &[f32] {
        match &self.0[name].values {
            Values::F32(values) => values,
            other => panic!("{name}: {other:?}"),
        }
    }

    pub(super) fn bench(&self, activation: Activation) -> Bench {
        let weights: Vec<NamedTensor> = self
            .0
            .iter()
            .filter_map(|(name, tensor)| Some(NamedTensor { name: name.strip_prefix("weights/")?.to_owned(), ..tensor.clone() }))
            .collect();
        let Values::I64(labels) = &self.0["labels"].values else { panic!("labels") };
        let batch = Batch {
            images: self.floats("images").to_vec(),
            labels: labels.iter().map(|label| u32::try_from(*label).unwrap()).collect(),
            ids: (0..labels.len() as u32).collect(),
        };
        Bench::new(activation, &weights, batch)
    }

    /// Loss to 1e-4, the whole weight gradient to 1e-4 in the L2 norm.
    pub(super) fn compare(&self, prefix: &str, bench: &Bench, measured: &Measured) {
        let expected = self.floats(&format!("{prefix}/loss"))[0];
        assert!((measured.loss - expected).abs() <= 1e-4 * expected.abs(), "{prefix}: loss {} instead of {expected}", measured.loss);
        let ours = bench.weights.entries.iter().zip(&measured.gradients).flat_map(|(weight, gradient)| {
            let gradient = gradient.clone().unwrap_or_else(|| weight.value.zeros_like());
            to_host(gradient).unwrap()
        });
        let theirs = bench.weights.entries.iter().flat_map(|w| self.floats(&format!("{prefix}/gradient/{}", w.spec.name)));
        let (error, size) = ours.zip(theirs).fold((0.0, 0.0), |(error, size), (a, b)| {
            let (a, b) = (f64::from(a), f64::from(*b));
            (error + (a - b).powi(2), size + b.powi(2))
        });
        let relative = (error / size).sqrt();
        assert!(relative <= 1e-4, "{prefix}: gradient off by {relative:e} of {}", size.sqrt());
    }

    /// Two results of a search are the same but for pixels whose slope is within rounding of zero.
    pub(super) fn same_search(&self, prefix: &str, found: &[f32]) {
        let expected = self.floats(&format!("{prefix}/adversarial"));
        let same = found.iter().zip(expected).filter(|(a, b)| (*a - *b).abs() < 1e-4).count();
        assert!(same as f64 >= 0.99 * expected.len() as f64, "{prefix}: {same} of {} pixels", expected.len());
    }
}

const ACTIVATIONS: [(&str, Activation); 3] = [("softplus", Activation::Softplus), ("relu", Activation::Relu), ("silu", Activation::Silu)];

fn adv(loss: &str) -> Adv {
    serde_json::from_value(serde_json::json!({ "steps": 3, "step_size": 0.03, "loss": loss, "start": "zero" })).unwrap()
}

fn trades() -> Trades {
    Trades { steps: 3, step_size: planish_nn::StepSize::Absolute(0.03), ..Trades::default() }
}

fn llr(released: bool) -> Llr {
    let mut llr = Llr { steps: 3, ..Llr::default() };
    if released {
        let released = serde_json::json!({ "steps": 3, "cross_entropy_weight": 2.0, "mu": 1.2, "gradient": "released" });
        llr = serde_json::from_value(released).unwrap();
    }
    llr
}

#[test]
fn adversarial_training_agrees_with_pytorch() {
    let golden = Golden::read();
    for (name, activation) in ACTIVATIONS {
        let bench = golden.bench(activation);
        for (member, objective) in [("adv", adv("cross-entropy")), ("adv-margin", adv("margin"))] {
            let prefix = format!("{name}/{member}");
            let found = bench.step(&bench.weights, |step, _| objective.search_from(step, step.batch.images.clone()).unwrap());
            golden.same_search(&prefix, &found);
            let adversarial = golden.floats(&format!("{prefix}/adversarial")).to_vec();
            golden.compare(&prefix, &bench, &bench.measure(&bench.weights, &|step| objective.outer(step, &adversarial).unwrap()));
        }
    }
}

#[test]
fn trades_agrees_with_pytorch() {
    let golden = Golden::read();
    for (name, activation) in ACTIVATIONS {
        let bench = golden.bench(activation);
        let prefix = format!("{name}/trades");
        let start = golden.floats("start").to_vec();
        let found = bench.step(&bench.weights, |step, _| trades().search_from(step, start).unwrap());
        golden.same_search(&prefix, &found);
        let adversarial = golden.floats(&format!("{prefix}/adversarial")).to_vec();
        golden.compare(&prefix, &bench, &bench.measure(&bench.weights, &|step| trades().outer(step, &adversarial).unwrap()));
    }
}

#[test]
fn llr_agrees_with_double_backprop_under_both_weightings_and_searches() {
    let golden = Golden::read();
    for (name, activation) in ACTIVATIONS {
        let bench = golden.bench(activation);
        for (member, released) in [("llr", false), ("llr-released", true)] {
            let prefix = format!("{name}/{member}");
            let start = golden.floats("start").to_vec();
            let found = bench.step(&bench.weights, |step, _| llr(released).search_from(step, start).unwrap());
            golden.same_search(&prefix, &found);
            let adversarial = golden.floats(&format!("{prefix}/adversarial")).to_vec();
            golden.compare(&prefix, &bench, &bench.measure(&bench.weights, &|step| llr(released).outer(step, &adversarial).unwrap()));
        }
    }
}

/// Two steps of SGD with momentum 0.9 and decay 0.02 on weights only.
fn two_steps(bench: &Bench, evaluate: &dyn Fn(&Step<'_>) -> Evaluation) -> Parameters {
    let sgd = Sgd { learning_rate: 0.1, momentum: 0.9, weight_decay: 2e-2 };
    let (mut weights, mut velocity) = (bench.weights.clone(), at_rest(&bench.weights));
    for _ in 0..2 {
        let gradients = bench.measure(&weights, evaluate).gradients;
        (weights, velocity) = sgd.step(&weights, &velocity, gradients, 0.1);
    }
    weights
}

#[test]
fn steps_of_descent_agree_with_pytorch() {
    let golden = Golden::read();
    let bench = golden.bench(Activation::Softplus);
    for member in ["llr", "trades"] {
        let prefix = format!("softplus/{member}");
        let adversarial = golden.floats(&format!("{prefix}/adversarial")).to_vec();
        let moved = two_steps(&bench, &|step| match member {
            "llr" => llr(false).outer(step, &adversarial).unwrap(),
            _ => trades().outer(step, &adversarial).unwrap(),
        });
        for weight in &moved.entries {
            let expected = golden.floats(&format!("{prefix}/sgd/{}", weight.spec.name));
            for (ours, theirs) in to_host(weight.value.clone()).unwrap().iter().zip(expected) {
                assert!((ours - theirs).abs() <= 1e-4 * theirs.abs().max(0.1), "{prefix} {}: {ours} instead of {theirs}", weight.spec.name);
            }
        }
    }
}
