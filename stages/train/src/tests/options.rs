//! Options of the fit loop: what they change, and what they leave as it is.

use planish_contract::{Failure, Folder};
use planish_formats::{CheckpointFiles, HistoryRecord, NamedTensor, Values, tensors_from_bytes};
use planish_nn::{Architecture, NetworkConfig, Parameters as Weights};
use serde_json::{Value, json};

use super::stage::{Files, TestHost, fresh, run, written};
use crate::Parameters;

const WEIGHTS: &str = "last/weights.safetensors";

/// The small training under `objective` with `extra` parameters.
pub(super) fn with(objective: &Value, extra: &Value) -> Parameters {
    let mut written = written(objective);
    for (name, value) in extra.as_object().unwrap() {
        written[name] = value.clone();
    }
    let parameters: Parameters = serde_json::from_value(written).unwrap();
    parameters.validate().unwrap();
    parameters
}

fn llr() -> Value {
    json!({ "llr": { "steps": 2 } })
}

fn nominal() -> Value {
    json!({ "nominal": {} })
}

fn floats(files: &Files, name: &str) -> Vec<f32> {
    let tensors: Vec<NamedTensor> = tensors_from_bytes(&files[name], name).unwrap();
    tensors
        .iter()
        .flat_map(|tensor| match &tensor.values {
            Values::F32(values) => values.clone(),
            _ => Vec::new(),
        })
        .collect()
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
}

fn history(files: &Files) -> Vec<HistoryRecord> {
    let text = std::str::from_utf8(&files["last/history.jsonl"]).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// None of these may touch the training itself.
#[test]
fn averages_probes_and_a_loose_bound_leave_the_weights_as_they_are() {
    let plain = fresh(&with(&llr(), &json!({})));
    for extra in [
        json!({ "averaging": { "decay": 0.9 } }),
        json!({ "averaging": { "after_epoch": 1 } }),
        json!({ "probe": { "every": 3, "images": 8, "steps": 2 } }),
        json!({ "clip_norm": 1e9 }),
    ] {
        let files = fresh(&with(&llr(), &extra));
        assert_eq!(files[WEIGHTS], plain[WEIGHTS], "{extra}");
    }
}

#[test]
fn an_average_without_memory_is_the_last_network_and_one_with_memory_is_not() {
    let files = fresh(&with(&nominal(), &json!({ "averaging": { "decay": 0.0 } })));
    assert_eq!(files["averaged/weights.safetensors"], files[WEIGHTS]);
    let files = fresh(&with(&nominal(), &json!({ "averaging": { "decay": 0.99 } })));
    assert_ne!(files["averaged/weights.safetensors"], files[WEIGHTS]);
    // Validation, and so the choice, is of the average.
    let last = history(&files).pop().unwrap().validation.unwrap();
    let plain = history(&fresh(&with(&nominal(), &json!({})))).pop().unwrap().validation.unwrap();
    assert!((last.loss - plain.loss).abs() > 1e-3, "{} {}", last.loss, plain.loss);
}

/// A network without normalisation has the same gradients in parts, up to rounding.
#[test]
fn accumulated_gradients_are_those_of_the_whole_batch() {
    for objective in [nominal(), json!({ "trades": { "steps": 2, "step_size": "0.3 eps" } })] {
        let extra = |accumulate: usize, norm: bool| {
            json!({ "network": { "small-cnn": { "width": 3, "norm": norm } }, "accumulate": accumulate, "epochs": 1,
                    "optimizer": { "learning_rate": 0.05 } })
        };
        let whole = floats(&fresh(&with(&objective, &extra(1, false))), WEIGHTS);
        for parts in [2, 3, 10] {
            let cut = floats(&fresh(&with(&objective, &extra(parts, false))), WEIGHTS);
            let length = distance(&whole, &vec![0.0; whole.len()]);
            assert!(distance(&cut, &whole) < 1e-5 * length, "{objective} in {parts}: {}", distance(&cut, &whole));
        }
    }
}

/// Rounding to bfloat16 changes steps a little, and only steps: the measurements are of the network as attacks see it.
#[test]
fn a_training_in_bfloat16_stays_beside_that_in_single_precision() {
    for objective in [nominal(), llr(), json!({ "trades": { "steps": 2, "step_size": "0.3 eps" } })] {
        let extra = |precision: &str| json!({ "precision": precision, "epochs": 1, "optimizer": { "learning_rate": 0.05 } });
        let (single, half) = (fresh(&with(&objective, &extra("f32"))), fresh(&with(&objective, &extra("bf16"))));
        let (a, b) = (floats(&single, WEIGHTS), floats(&half, WEIGHTS));
        let apart = distance(&a, &b) / distance(&a, &vec![0.0; a.len()]);
        assert!(apart > 1e-6 && apart < 2e-2, "{objective}: {apart}");
        assert_eq!(half[WEIGHTS], fresh(&with(&objective, &extra("bf16")))[WEIGHTS]);
        let (a, b) = (history(&single).pop().unwrap(), history(&half).pop().unwrap());
        assert!((a.validation.unwrap().loss - b.validation.unwrap().loss).abs() < 0.1, "{objective}");
    }
}

/// With normalisation the first step's running statistics of the first layer, whose inputs no weight has changed yet, are those of the whole batch.
#[test]
fn running_averages_take_up_the_whole_batch() {
    let first = |accumulate: usize| {
        let extra = json!({ "accumulate": accumulate, "epochs": 1, "batch_size": 41 });
        let files = fresh(&with(&nominal(), &extra));
        let tensors = tensors_from_bytes(&files[WEIGHTS], "weights").unwrap();
        let running = tensors.into_iter().find(|tensor| tensor.name.ends_with("running_var")).unwrap();
        match running.values {
            Values::F32(values) => values,
            _ => Vec::new(),
        }
    };
    let (whole, cut) = (first(1), first(4));
    assert!(!whole.is_empty() && whole.iter().zip(&cut).all(|(whole, cut)| (whole - cut).abs() < 1e-5), "{whole:?} {cut:?}");
}

/// One step without momentum and decay moves the weights by rate times the clipped norm.
#[test]
fn a_clipped_step_has_the_length_of_the_bound() {
    let extra = json!({ "epochs": 1, "batch_size": 41, "clip_norm": 0.01, "network": { "small-cnn": { "width": 3, "norm": false } },
        "optimizer": { "learning_rate": 2.0, "momentum": 0.0, "weight_decay": 0.0 }, "schedule": { "constant": {} } });
    let files = fresh(&with(&nominal(), &extra));
    let config: NetworkConfig = serde_json::from_slice(&files["last/network.json"]).unwrap();
    let architecture: Architecture = config.architecture().unwrap();
    let mut start = Weights::initialise(&architecture, 0, &planish_nn::Device::flex()).to_tensors().unwrap();
    start.sort_by(|a, b| a.name.cmp(&b.name));
    let start: Vec<f32> = start
        .iter()
        .flat_map(|tensor| match &tensor.values {
            Values::F32(values) => values.clone(),
            _ => Vec::new(),
        })
        .collect();
    let moved = distance(&floats(&files, WEIGHTS), &start);
    assert!((moved - 0.02).abs() < 2e-5, "{moved}");
    assert!(history(&files)[0].terms["gradient-norm"] > 0.01);
}

/// The probe measures at fixed steps; where it looks at what validation looks at, both say the same.
#[test]
fn the_probe_agrees_with_the_validation_and_measures_along_the_training() {
    let files = fresh(&with(&nominal(), &json!({ "probe": { "every": 3, "images": 15, "steps": 3 } })));
    let history = history(&files);
    let steps: Vec<Vec<u64>> = history.iter().map(|record| record.probes.iter().map(|probed| probed.step).collect()).collect();
    assert_eq!(steps, [vec![0, 3], vec![6], vec![9, 12]]);
    let last = history.last().unwrap();
    let (probed, validated) = (last.probes.last().unwrap(), last.validation.as_ref().unwrap());
    assert!((probed.accuracy - validated.accuracy).abs() < 1e-9 && (probed.loss - validated.loss).abs() < 1e-6);
    assert!(probed.robust_accuracy <= probed.accuracy && probed.robust_loss > probed.loss);
    assert!(probed.gamma.mean > 0.0 && probed.gamma.largest >= probed.gamma.median);
}

#[test]
fn a_stopped_training_with_every_option_ends_in_the_same_bytes() {
    let parameters = with(
        &llr(),
        &json!({ "averaging": { "decay": 0.9 }, "probe": { "every": 3, "images": 8, "steps": 2 }, "clip_norm": 0.5, "accumulate": 3,
                 "weight_perturbation": {}, "schedule": { "cosine": { "pace": "epoch" } } }),
    );
    let unbroken = fresh(&parameters);
    assert!(unbroken.contains_key("averaged/weights.safetensors"));
    for stop in [1, 5, 11] {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(run(folder.path(), &parameters, &TestHost::stopping_after(stop)), Err(Failure::Stopped)));
        assert_eq!(run(folder.path(), &parameters, &TestHost::patient()).unwrap(), unbroken, "after {stop} steps");
    }
}

/// Every output is a checkpoint of its own.
#[test]
fn averaged_networks_are_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &with(&nominal(), &json!({ "averaging": {} })), &TestHost::patient()).unwrap();
    for output in ["last", "selected", "averaged"] {
        let folder = Folder::open(&folder.path().join("outputs").join(output)).unwrap();
        CheckpointFiles::open(&folder).unwrap().history().unwrap();
        planish_nn::load_checkpoint(&folder, &planish_nn::Device::flex()).unwrap();
    }
}
