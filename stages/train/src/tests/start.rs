//! Trainings that begin with trained weights: of another training, and of `PyTorch` (`tests/golden/train_start.py` made the numbers).

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use planish_contract::{Failure, Folder};
use planish_formats::{HistoryRecord, NamedTensor, Values, read_tensors, tensor_bytes};
use planish_nn::{Device, Layout, Normalisation, load_checkpoint};
use serde_json::{Value, json};

use super::stage::{Begin, Files, TestHost, run, run_from};
use crate::Parameters;

const WEIGHTS: &str = "last/weights.safetensors";

/// A nominal training with `extra` parameters.
fn with(extra: &Value) -> Parameters {
    super::options::with(&json!({ "nominal": {} }), extra)
}

fn as_it_is() -> Parameters {
    with(&json!({ "epochs": 0 }))
}

fn from_checkpoint(folder: &Path) -> Begin {
    Begin { checkpoint: Some(Folder::open(folder).unwrap()), ..Begin::default() }
}

/// `files.NAME`, one file of these bytes.
fn given(name: &str, path: &Path, bytes: &[u8]) -> Begin {
    std::fs::write(path, bytes).unwrap();
    let file = path.file_name().unwrap().to_str().unwrap().to_owned();
    let folder = Folder::new(BTreeMap::from([(file, path.to_path_buf())]));
    Begin { files: BTreeMap::from([(name.to_owned(), folder)]), ..Begin::default() }
}

fn history(files: &Files) -> Vec<HistoryRecord> {
    std::str::from_utf8(&files["last/history.jsonl"]).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Numbers in [-1, 1): see `uniform` in `tests/golden/train_start.py`.
fn uniform(name: &str, count: usize, (centre, spread): (f64, f64)) -> Vec<f32> {
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
    let number = |index: u64| {
        let z = seed.wrapping_add(index).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (centre + spread * (((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 23) - 1.0)) as f32
    };
    (0..count as u64).map(number).collect()
}

/// The state dict that the golden file describes.
fn state_dict(described: &Value) -> Vec<NamedTensor> {
    let of = |entry: &Value| {
        let name = entry[0].as_str().unwrap().to_owned();
        let shape: Vec<usize> = serde_json::from_value(entry[1].clone()).unwrap();
        let values = if name.ends_with("num_batches_tracked") {
            Values::I64(vec![7])
        } else {
            let range = match shape.as_slice() {
                [_, rest @ ..] if !rest.is_empty() => (0.0, (3.0 / rest.iter().product::<usize>() as f64).sqrt()),
                _ if name.ends_with("running_var") => (1.0, 0.5),
                _ if name.ends_with("weight") => (1.0, 0.2),
                _ => (0.0, 0.3),
            };
            Values::F32(uniform(&name, shape.iter().product(), range))
        };
        NamedTensor { name, shape, values }
    };
    described.as_array().unwrap().iter().map(of).collect()
}

#[test]
fn weights_of_the_usual_pytorch_code_give_pytorchs_logits() {
    let golden: Value = serde_json::from_str(include_str!("../../../../tests/golden/train_start.json")).unwrap();
    let networks = [
        json!({ "network": { "wide-resnet": { "depth": 10, "width": 1, "activation": "relu", "stem": "standard" } },
                "input_normalisation": "none", "epochs": 0 }),
        json!({ "network": { "preact-resnet": { "depth": 18, "width": 2, "activation": "relu" } },
                "input_normalisation": { "given": { "mean": [0.45], "std": [0.25] } }, "epochs": 0 }),
    ];
    for (name, network) in ["wide-resnet", "preact-resnet"].into_iter().zip(&networks) {
        let folder = tempfile::tempdir().unwrap();
        let bytes = tensor_bytes(&state_dict(&golden[name]["state_dict"]), &BTreeMap::new()).unwrap();
        let begin = given("start", &folder.path().join("w.safetensors"), &bytes);
        let host = TestHost::patient();
        let files = run_from(&begin, folder.path(), &with(network), &host).unwrap();
        assert!(host.logged("left out: `") && host.logged("the weights as they are; validation"), "{name}");
        assert_eq!(files["selected/weights.safetensors"], files[WEIGHTS]);
        assert!(history(&files).is_empty());
        let device = Device::flex();
        let checkpoint = load_checkpoint(&Folder::open(&folder.path().join("outputs/last")).unwrap(), &device).unwrap();
        let images = Tensor::from_data(TensorData::new(uniform("images", 256, (0.5, 0.5)), [4, 1, 8, 8]), &device);
        let running = Normalisation::Fixed(&checkpoint.statistics);
        let pass = checkpoint.network.forward(&checkpoint.parameters, images, Layout::plain(4), running);
        let logits: Vec<f32> = pass.logits.try_to_vec_as().unwrap();
        let expected: Vec<f64> = serde_json::from_value(golden[name]["logits"].clone()).unwrap();
        assert_eq!(logits.len(), expected.len());
        for (logit, expected) in logits.iter().zip(&expected) {
            assert!((f64::from(*logit) - expected).abs() < 1e-5, "{name}: {logit} instead of {expected}");
        }
    }
}

#[test]
fn a_training_goes_on_from_the_weights_of_another() {
    let first = tempfile::tempdir().unwrap();
    let trained = run(first.path(), &with(&json!({})), &TestHost::patient()).unwrap();
    let begin = from_checkpoint(&first.path().join("outputs/last"));
    let tuned = |parameters: &Parameters| {
        let folder = tempfile::tempdir().unwrap();
        run_from(&begin, folder.path(), parameters, &TestHost::patient()).unwrap()
    };
    let same = tuned(&as_it_is());
    assert_eq!((&same[WEIGHTS], &same["last/network.json"]), (&trained[WEIGHTS], &trained["last/network.json"]));
    let more = with(&json!({ "epochs": 2, "optimizer": { "learning_rate": 0.01 }, "objective": { "llr": { "steps": 2 } } }));
    let files = tuned(&more);
    assert_eq!(files, tuned(&more));
    // From where the first one ended, not from random weights.
    let afresh = run(tempfile::tempdir().unwrap().path(), &more, &TestHost::patient()).unwrap();
    let loss = |files: &Files| history(files)[0].validation.as_ref().unwrap().loss;
    assert!(loss(&files) < loss(&afresh), "{} {}", loss(&files), loss(&afresh));
}

#[test]
fn a_stopped_training_from_trained_weights_ends_in_the_same_bytes() {
    let first = tempfile::tempdir().unwrap();
    run(first.path(), &with(&json!({})), &TestHost::patient()).unwrap();
    let weights = |output: &str| std::fs::read(first.path().join("outputs").join(output).join("weights.safetensors")).unwrap();
    let begin = |folder: &Path, bytes: &[u8]| given("start", &folder.join("w.safetensors"), bytes);
    let parameters = with(&json!({ "epochs": 3 }));
    let folder = tempfile::tempdir().unwrap();
    let unbroken = run_from(&begin(folder.path(), &weights("last")), folder.path(), &parameters, &TestHost::patient()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let start = begin(folder.path(), &weights("last"));
    assert!(matches!(run_from(&start, folder.path(), &parameters, &TestHost::stopping_after(10)), Err(Failure::Stopped)));
    let host = TestHost::patient();
    assert_eq!(run_from(&start, folder.path(), &parameters, &host).unwrap(), unbroken);
    assert!(host.logged("going on after epoch 2"));
    // A kept state belongs to the weights that it began with.
    assert!(run_from(&start, folder.path(), &parameters, &TestHost::patient()).is_ok());
    let mut other = read_tensors(&folder.path().join("w.safetensors")).unwrap();
    change(&mut other, "fc.bias", |values| values[0] += 0.5);
    let start = begin(folder.path(), &tensor_bytes(&other, &BTreeMap::new()).unwrap());
    let host = TestHost::patient();
    assert_ne!(run_from(&start, folder.path(), &parameters, &host).unwrap(), unbroken);
    assert!(host.logged("belongs to other parameters"));
}

fn change(tensors: &mut [NamedTensor], name: &str, how: impl Fn(&mut Vec<f32>)) {
    let tensor = tensors.iter_mut().find(|tensor| tensor.name == name).unwrap();
    let Values::F32(values) = &mut tensor.values else { panic!("{name}") };
    how(values);
}

/// The weights of a short training, a folder to work in.
fn saved() -> (tempfile::TempDir, Vec<NamedTensor>) {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &with(&json!({ "epochs": 1 })), &TestHost::patient()).unwrap();
    let tensors = read_tensors(&folder.path().join("outputs/last/weights.safetensors")).unwrap();
    (folder, tensors)
}

/// The message and the hint with which `begin` is refused.
#[track_caller]
fn refused(folder: &Path, begin: &Begin, parameters: &Parameters) -> String {
    match run_from(begin, folder, parameters, &TestHost::patient()) {
        Err(Failure::Input { message, hint }) => format!("{message}; {}", hint.expect("a hint")),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("not refused"),
    }
}

type Change = fn(&mut Vec<NamedTensor>);

#[test]
fn weights_that_do_not_fit_are_refused_by_name() {
    let (folder, tensors) = saved();
    let path = folder.path().join("w.safetensors");
    let cases: [(Change, &[&str]); 6] = [
        (
            |t| t.retain(|t| t.name != "bn2.weight"),
            &["files.start: w.safetensors: tensor `bn2.weight` of shape [6] is missing", "small-cnn"],
        ),
        (
            |t| t.iter_mut().filter(|t| t.name == "fc.weight").for_each(|t| t.shape = vec![12, 3]),
            &["`fc.weight` has shape [12, 3]", "[3, 12]"],
        ),
        (|t| change(t, "bn1.bias", |values| values[1] = f32::NAN), &["tensor `bn1.bias` holds NaN at position 1", "diverged"]),
        (|t| change(t, "bn1.running_var", |values| values[0] = -1.0), &["`bn1.running_var` has a negative variance"]),
        (
            |t| t.push(NamedTensor { name: "normalize.mean".to_owned(), shape: vec![1], values: Values::F32(vec![0.5]) }),
            &["the network has no `normalize.mean`", "input_normalisation"],
        ),
        (
            |t| t.iter_mut().for_each(|t| t.name = t.name.replace("conv", "convolution")),
            &["`conv1.weight`", "is missing; it has what the network does not: `convolution1.weight`, "],
        ),
    ];
    for (change, parts) in cases {
        let mut changed = tensors.clone();
        change(&mut changed);
        let begin = given("start", &path, &tensor_bytes(&changed, &BTreeMap::new()).unwrap());
        let said = refused(folder.path(), &begin, &as_it_is());
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
}

#[test]
fn files_that_are_no_weights_are_refused() {
    let (folder, tensors) = saved();
    let path = folder.path().join("w.safetensors");
    let bytes = tensor_bytes(&tensors, &BTreeMap::new()).unwrap();
    for length in (0..bytes.len()).step_by(37).chain([bytes.len() - 1]) {
        let said = refused(folder.path(), &given("start", &path, &bytes[..length]), &as_it_is());
        assert!(said.contains("w.safetensors: ") && said.contains("pytorch_weights.py"), "cut to {length}: {said}");
    }
    let pickle = [b"PK\x03\x04".as_slice(), &bytes].concat();
    assert!(refused(folder.path(), &given("start", &path, &pickle), &as_it_is()).contains("a pickle of PyTorch"));
    let header = br#"{"fc.bias":{"dtype":"F16","shape":[3],"data_offsets":[0,6]}}    "#;
    let half = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 6]].concat();
    assert!(refused(folder.path(), &given("start", &path, &half), &as_it_is()).contains("`fc.bias` has type F16"));
    let unknown = refused(folder.path(), &given("begin", &path, &bytes), &as_it_is());
    assert!(unknown.contains("`files.begin` means nothing") && unknown.contains("files.start"), "{unknown}");
    let mut begin = given("start", &path, &bytes);
    begin.checkpoint = Some(Folder::open(&folder.path().join("outputs/last")).unwrap());
    assert!(refused(folder.path(), &begin, &as_it_is()).contains("both `inputs.start` and `files.start`"));
    let two = Folder::new(["a", "b"].map(|name| (name.to_owned(), path.clone())).into());
    begin = Begin { files: BTreeMap::from([("start".to_owned(), two)]), ..Begin::default() };
    assert!(refused(folder.path(), &begin, &as_it_is()).contains("more than one file"));
    assert!(refused(folder.path(), &Begin::default(), &as_it_is()).contains("0 epochs train nothing"));
}

#[test]
fn a_checkpoint_of_another_network_is_refused_with_what_differs() {
    let (first, _) = saved();
    let begin = from_checkpoint(&first.path().join("outputs/last"));
    for (parameters, parts) in [
        (json!({ "network": { "small-cnn": { "width": 4 } } }), ["\"width\":3", "the same `network`"]),
        (json!({ "input_normalisation": "none" }), ["[0.35] and [0.2]", "input_normalisation.given = { mean = [0.35], std = [0.2] }"]),
        (json!({ "input_normalisation": { "given": { "mean": [0.5], "std": [0.2] } } }), ["[0.5] and [0.2]", "std = [0.2] }"]),
    ] {
        let said = refused(tempfile::tempdir().unwrap().path(), &begin, &with(&parameters));
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
}
