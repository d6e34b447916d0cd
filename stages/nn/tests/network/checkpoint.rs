//! Checkpoints on disk: what is written is read; what is damaged is refused.

use std::path::Path;

use planish_contract::{Failure, Folder};
use planish_formats::{HistoryRecord, NamedTensor, Values, read_tensors, write_tensors};
use planish_nn::{Activation, Device, load_checkpoint, save_checkpoint};

use crate::common::{config, host, network};

fn save(dir: &Path) {
    let (_, parameters, statistics) = network(Activation::Softplus);
    save_checkpoint(dir, &config(Activation::Softplus), &parameters, &statistics, &[HistoryRecord::new(1)]).unwrap();
}

fn load(dir: &Path) -> Result<planish_nn::Checkpoint, Failure> {
    load_checkpoint(&Folder::open(dir).unwrap(), &Device::flex())
}

#[test]
fn a_checkpoint_round_trips() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    save(first.path());
    save(second.path());
    for name in ["weights.safetensors", "network.json", "history.jsonl"] {
        assert_eq!(std::fs::read(first.path().join(name)).unwrap(), std::fs::read(second.path().join(name)).unwrap(), "{name}");
    }
    let (_, parameters, statistics) = network(Activation::Softplus);
    let checkpoint = load(first.path()).unwrap();
    assert_eq!(checkpoint.config.member(), "planish_nn::networks::wide_resnet");
    assert_eq!(checkpoint.parameters.entries.len(), parameters.entries.len());
    for (read, written) in checkpoint.parameters.entries.iter().zip(&parameters.entries) {
        assert_eq!(read.spec, written.spec);
        assert_eq!(host(&read.value), host(&written.value));
    }
    for (read, written) in checkpoint.statistics.layers.iter().zip(&statistics.layers) {
        assert_eq!(host(read), host(written));
    }
}

/// What loading says after `change` has been made to the tensors on disk.
fn refused(change: impl Fn(&mut Vec<NamedTensor>)) -> String {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path());
    let path = dir.path().join("weights.safetensors");
    let mut tensors = read_tensors(&path).unwrap();
    change(&mut tensors);
    write_tensors(&path, &tensors, &std::collections::BTreeMap::new()).unwrap();
    match load(dir.path()) {
        Err(failure @ Failure::Input { .. }) => failure.to_string(),
        other => panic!("{other:?}"),
    }
}

fn find<'a>(tensors: &'a mut [NamedTensor], name: &str) -> &'a mut NamedTensor {
    tensors.iter_mut().find(|tensor| tensor.name == name).unwrap()
}

#[test]
fn wrong_tensors_are_refused_by_name() {
    let message = refused(|tensors| tensors.retain(|tensor| tensor.name != "block2.layer.0.conv1.weight"));
    assert!(message.contains("block2.layer.0.conv1.weight") && message.contains("missing"), "{message}");
    let message = refused(|tensors| find(tensors, "fc.weight").shape = vec![64, 10]);
    assert!(message.contains("fc.weight") && message.contains("[64, 10]"), "{message}");
    let message = refused(|tensors| find(tensors, "fc.bias").values = Values::I64(vec![0; 10]));
    assert!(message.contains("fc.bias"), "{message}");
    let message = refused(|tensors| tensors.push(NamedTensor { name: "stray".to_owned(), shape: vec![1], values: Values::F32(vec![0.0]) }));
    assert!(message.contains("tensors"), "{message}");
}

#[test]
fn numbers_that_are_none_are_refused() {
    for bad in [f32::NAN, f32::INFINITY] {
        let message = refused(|tensors| {
            if let Values::F32(values) = &mut find(tensors, "bn1.bias").values {
                values[3] = bad;
            }
        });
        assert!(message.contains("bn1.bias") && message.contains("position 3"), "{message}");
    }
    let message = refused(|tensors| {
        if let Values::F32(values) = &mut find(tensors, "bn1.running_var").values {
            values[0] = -1.0;
        }
    });
    assert!(message.contains("negative variance"), "{message}");
}

#[test]
fn a_diverged_network_is_not_saved() {
    let (_, mut parameters, statistics) = network(Activation::Softplus);
    let value = parameters.entries[0].value.clone();
    parameters.entries[0].value = value * f32::NAN;
    let dir = tempfile::tempdir().unwrap();
    let saved = save_checkpoint(dir.path(), &config(Activation::Softplus), &parameters, &statistics, &[]);
    assert!(matches!(saved, Err(Failure::Diverged(_))));
}

#[test]
fn damaged_files_are_refused() {
    for name in ["weights.safetensors", "network.json"] {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path());
        let path = dir.path().join(name);
        let bytes = std::fs::read(&path).unwrap();
        for length in [0, 7, bytes.len() / 2, bytes.len() - 3] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let failure = load(dir.path()).unwrap_err();
            assert!(failure.to_string().contains(name), "{name} cut to {length}: {failure}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(load(dir.path()).unwrap_err().to_string().contains(name));
    }
}

#[test]
fn another_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path());
    let path = dir.path().join("network.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let changed: serde_json::Value = serde_json::from_str(&text)
        .map(|mut value: serde_json::Value| {
            value["schema"] = 99.into();
            value
        })
        .unwrap();
    std::fs::write(&path, changed.to_string()).unwrap();
    assert!(load(dir.path()).unwrap_err().to_string().contains("99"));
}
