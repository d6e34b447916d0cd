use super::*;
use planish_contract::{Folder, SilentHost};
use planish_formats::{DataSet, SplitName};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where Debian's package `dataset-fashion-mnist` puts the full files.
const DEBIAN: &str = "/usr/share/datasets/fashion-mnist";

struct Outcome {
    _folder: tempfile::TempDir,
    output: PathBuf,
    result: Result<(), Failure>,
}

impl Outcome {
    fn data_set(&self) -> DataSet {
        self.result.as_ref().unwrap();
        DataSet::open(&Folder::open(&self.output).unwrap()).unwrap()
    }

    fn message(&self) -> String {
        self.result.as_ref().unwrap_err().to_string()
    }
}

fn run_with(parameters: serde_json::Value, execution: &Execution, files: BTreeMap<String, Folder>, surroundings: &Surroundings) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("data");
    std::fs::create_dir(&output).unwrap();
    let context = Context {
        inputs: BTreeMap::new(),
        files,
        outputs: folder.path().to_path_buf(),
        checkpoints: folder.path().join("checkpoints"),
        threads: 1,
        host: &SilentHost,
    };
    let parameters: Parameters = serde_json::from_value(parameters).unwrap();
    let result = run(&parameters, execution, &context, surroundings);
    Outcome { output, result, _folder: folder }
}

fn offline(data_dir: Option<&Path>) -> Execution {
    Execution { data_dir: data_dir.map(Path::to_path_buf), download: false }
}

fn run_in(parameters: serde_json::Value, data_dir: Option<&Path>) -> Outcome {
    run_with(parameters, &offline(data_dir), BTreeMap::new(), &Surroundings::default())
}

fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let folder = Folder::open(folder).unwrap();
    folder.files().map(|(name, path)| (name.to_owned(), std::fs::read(path).unwrap())).collect()
}

/// Whether the stated mean and deviation are those of the official training split, to `tolerance`.
fn assert_standardisation(set: &DataSet, tolerance: f64) {
    let [train, validation] = [SplitName::Train, SplitName::Validation].map(|name| set.split(name).unwrap());
    let [channels, height, width] = set.info.shape;
    let pixels = [train.images.to_vec(), validation.images.to_vec()].concat();
    for channel in 0..channels {
        let (mut n, mut sum, mut squares) = (0_u64, 0_u64, 0_u64);
        for plane in pixels.chunks(height * width).skip(channel).step_by(channels) {
            n += plane.len() as u64;
            sum += plane.iter().map(|&pixel| u64::from(pixel)).sum::<u64>();
            squares += plane.iter().map(|&pixel| u64::from(pixel).pow(2)).sum::<u64>();
        }
        let mean = sum as f64 / n as f64 / 255.0;
        let std = (squares as f64 / n as f64 / 255.0_f64.powi(2) - mean * mean).sqrt();
        assert!((set.info.mean[channel] - mean).abs() < tolerance, "mean {mean}");
        assert!((set.info.std[channel] - std).abs() < tolerance, "deviation {std}");
    }
}

#[test]
fn the_embedded_default_is_balanced_and_disjoint() {
    let outcome = run_in(json!({ "dataset": "fashion-mnist" }), None);
    let set = outcome.data_set();
    assert_eq!((set.info.name.as_str(), set.info.shape, set.info.classes.len()), ("fashion-mnist", [1, 28, 28], 10));
    let [train, validation, test] = SplitName::ALL.map(|name| set.split(name).unwrap());
    for (split, each) in [(&train, 1000), (&validation, 100), (&test, 100)] {
        let mut counts = [0; 10];
        split.labels.iter().for_each(|&label| counts[label as usize] += 1);
        assert_eq!(counts, [each; 10]);
    }
    assert!(validation.ids.iter().all(|id| !train.ids.contains(id)));
    assert!(train.images.iter().any(|&value| value == 255));
}

#[test]
fn smaller_selections_are_prefixes_and_empty_splits_are_left_out() {
    let parameters = |train: u32| json!({ "dataset": "fashion-mnist", "train": train, "validation": 0, "test": 20 });
    let (small, large) = (run_in(parameters(30), None), run_in(parameters(200), None));
    let [small, large] = [small, large].map(|outcome| outcome.data_set().split(SplitName::Train).unwrap());
    assert_eq!(large.first(30), small);
    let set = run_in(parameters(30), None).data_set();
    assert!(!set.has(SplitName::Validation));
}

#[test]
fn the_full_files_give_the_same_bytes_as_the_embedded_selection() {
    let folder = Path::new(DEBIAN);
    if !folder.is_dir() {
        eprintln!("skipped: {DEBIAN} is not installed");
        return;
    }
    let parameters = json!({ "dataset": "fashion-mnist" });
    let embedded = run_in(parameters.clone(), None);
    let full = run_in(parameters.clone(), folder.parent());
    assert_eq!(bytes(&embedded.output), bytes(&full.output));
    let given = BTreeMap::from([("source".to_owned(), Folder::open(folder).unwrap())]);
    let given = run_with(parameters, &offline(None), given, &Surroundings::default());
    assert_eq!(bytes(&embedded.output), bytes(&given.output));
    let all = run_in(json!({ "dataset": "fashion-mnist", "train": "all", "test": "all" }), Some(folder));
    let all = all.data_set();
    assert_eq!(all.info.splits, BTreeMap::from([("train".into(), 59_000), ("validation".into(), 1_000), ("test".into(), 10_000)]));
    assert_standardisation(&all, 5e-6);
    let train = all.split(SplitName::Train).unwrap();
    assert_eq!(train.first(10_000), embedded.data_set().split(SplitName::Train).unwrap());
}

#[test]
fn more_than_is_embedded_needs_the_full_files() {
    let outcome = run_in(json!({ "dataset": "fashion-mnist", "train": 10_001 }), None);
    assert!(outcome.message().starts_with("no copy of fashion-mnist was given"), "{}", outcome.message());
    let cache = tempfile::tempdir().unwrap();
    let surroundings = Surroundings { cache_folder: Some(cache.path().to_path_buf()), data_folder: None };
    let outcome = run_with(json!({ "dataset": "cifar100" }), &offline(None), BTreeMap::new(), &surroundings);
    assert_eq!(outcome.message(), "no copy of cifar100 was found, and `execution.download` is false");
    let hint = outcome.result.as_ref().unwrap_err().hint().unwrap();
    assert!(hint.starts_with("put cifar-100-binary.tar.gz, or the folder cifar-100-binary with train.bin, test.bin into"), "{hint}");
    assert_eq!(bytes(&outcome.output), BTreeMap::new());
}

#[test]
fn damaged_and_partial_copies_are_refused_even_where_the_embedded_selection_would_do() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
    for name in names {
        std::fs::write(folder.path().join(name), b"short").unwrap();
    }
    let parameters = json!({ "dataset": "fashion-mnist" });
    let message = run_in(parameters.clone(), Some(folder.path())).message();
    let expected = "train-images-idx3-ubyte: not the official train-images-idx3-ubyte of fashion-mnist: length 47040016 expected, 5 found";
    assert!(message.ends_with(expected), "{message}");
    std::fs::remove_file(folder.path().join(names[3])).unwrap();
    let surroundings = Surroundings { data_folder: Some(folder.path().to_path_buf()), cache_folder: None };
    let partial = run_with(parameters.clone(), &offline(None), BTreeMap::new(), &surroundings);
    assert!(partial.message().ends_with("only a part of fashion-mnist: t10k-labels-idx1-ubyte missing"), "{}", partial.message());
    let files = BTreeMap::from([("images".to_owned(), Folder::default())]);
    let unknown = run_with(parameters, &offline(None), files, &Surroundings::default());
    assert_eq!(unknown.message(), "`files.images` means nothing to the data stage");
}

#[test]
fn a_folder_without_a_copy_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run_in(json!({ "dataset": "fashion-mnist", "train": 10 }), Some(folder.path()));
    assert_eq!(outcome.data_set().info.splits["train"], 10);
    let none = folder.path().join("none");
    assert!(run_in(json!({ "dataset": "fashion-mnist" }), Some(&none)).message().ends_with("there is no such data folder"));
}

#[test]
fn cifar10_is_read_where_it_is() {
    let Some(folder) = std::env::var_os("PLANISH_TEST_DATA").map(PathBuf::from) else {
        eprintln!("skipped: PLANISH_TEST_DATA names no folder with cifar-10-batches-bin");
        return;
    };
    let outcome = run_in(json!({ "dataset": "cifar10", "train": "all" }), Some(&folder));
    let set = outcome.data_set();
    assert_eq!(set.info.splits, BTreeMap::from([("train".into(), 49_000), ("validation".into(), 1_000), ("test".into(), 10_000)]));
    assert_standardisation(&set, 3e-4);
    let test = set.split(SplitName::Test).unwrap();
    let first = test.ids.iter().position(|&id| id == 0).unwrap();
    // The first record of test_batch.bin: a cat, whose first red pixels are these.
    assert_eq!((test.labels[first], &test.image(first)[..4]), (3, [158, 159, 165, 166].as_slice()));
}

#[test]
fn the_interface_and_the_members_are_those_of_the_parameters() {
    let parameters: Parameters = serde_json::from_value(json!({ "dataset": "mnist" })).unwrap();
    assert_eq!(DataStage::members(&parameters), ["planish_data::datasets::mnist"]);
    assert_eq!(DataStage::interface(&parameters).outputs[0].name, "data");
    assert!(DataStage::validate(&parameters).is_ok());
}
