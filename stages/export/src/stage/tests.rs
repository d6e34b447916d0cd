use std::collections::BTreeMap;

use planish_contract::{AnyStage, Input, SilentHost};
use planish_formats::{DataSetInfo, OnnxModel, Split, SplitName, write_data_set};
use tempfile::TempDir;

use super::*;
use crate::testing;

/// Runs the stage on a checkpoint and perhaps a data set; the folder holds the output `model`.
fn run(network: &testing::TestNetwork, data: Option<&Path>, parameters: &Parameters) -> (TempDir, Result<(), Failure>) {
    let work = tempfile::tempdir().unwrap();
    let checkpoint = work.path().join("checkpoint");
    std::fs::create_dir_all(&checkpoint).unwrap();
    std::fs::create_dir_all(work.path().join("outputs/model")).unwrap();
    network.save(&checkpoint);
    let mut inputs = BTreeMap::from([("model".to_owned(), Input::One(Folder::open(&checkpoint).unwrap()))]);
    if let Some(data) = data {
        inputs.insert("data".to_owned(), Input::One(Folder::open(data).unwrap()));
    }
    let context = Context {
        inputs,
        files: BTreeMap::new(),
        outputs: work.path().join("outputs"),
        checkpoints: work.path().join("checkpoints"),
        threads: 2,
        host: &SilentHost,
    };
    let outcome = ExportStage::run(parameters, &Execution::default(), &context);
    (work, outcome)
}

fn few() -> Parameters {
    Parameters { parity_images: 9, ..Parameters::default() }
}

fn open(work: &TempDir) -> OnnxModel {
    OnnxModel::open(&Folder::open(&work.path().join("outputs/model")).unwrap()).unwrap()
}

/// A data set with 5 test images of this shape.
fn data_set(shape: [usize; 3]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let split = |n: usize| Split {
        shape,
        images: (0..n * shape.iter().product::<usize>()).map(|i| (i * 7 % 256) as u8).collect(),
        labels: vec![0; n],
        ids: (0..n as u32).collect(),
    };
    let sizes = [(SplitName::Train, 1), (SplitName::Validation, 1), (SplitName::Test, 5)];
    let info = DataSetInfo {
        schema: SCHEMA,
        name: "toy".into(),
        classes: vec!["a".into(), "b".into(), "c".into()],
        shape,
        mean: vec![0.5; shape[0]],
        std: vec![0.25; shape[0]],
        splits: sizes.map(|(name, n)| (name.as_str().to_owned(), n)).into(),
        sources: vec![],
    };
    write_data_set(folder.path(), &info, &sizes.map(|(name, n)| (name, split(n))).into()).unwrap();
    folder
}

#[test]
fn a_checkpoint_becomes_a_checked_model() {
    let network = testing::small_cnn("softplus", true);
    let (work, outcome) = run(&network, None, &few());
    outcome.unwrap();
    let model = open(&work);
    let parity = model.parity.unwrap();
    assert_eq!((parity.images, parity.bound), (9, 1e-3));
    assert!(parity.max_abs_difference > 0.0 && parity.max_abs_difference < 1e-4 && parity.agreement > 0.99, "{parity:?}");
    assert_eq!((model.info.shape, model.info.opset, model.info.input.as_str()), ([1, 12, 12], 17, "images"));
    let numbers: usize = network.architecture.parameters().iter().map(|p| p.shape.iter().product::<usize>()).sum();
    assert_eq!(model.info.parameters, numbers as u64);
    let members = Context::read_members(&work.path().join("outputs/model").join(Context::MEMBERS_FILE)).unwrap();
    assert_eq!(members, ["planish_nn::networks::small_cnn"]);
}

#[test]
fn two_exports_are_equal_to_the_byte() {
    let network = testing::wide_resnet("silu");
    let files = |work: &TempDir| -> Vec<(String, Vec<u8>)> {
        let folder = Folder::open(&work.path().join("outputs/model")).unwrap();
        folder.files().map(|(name, path)| (name.to_owned(), std::fs::read(path).unwrap())).collect()
    };
    let (one, two) = (run(&network, None, &few()).0, run(&network, None, &few()).0);
    assert_eq!(files(&one).len(), 4);
    assert_eq!(files(&one), files(&two));
}

#[test]
fn real_images_are_taken_from_the_test_split() {
    let data = data_set([1, 12, 12]);
    let (work, outcome) = run(&testing::small_cnn("relu", true), Some(data.path()), &few());
    outcome.unwrap();
    assert_eq!(open(&work).parity.unwrap().images, 5);
}

#[test]
fn images_of_another_shape_are_refused() {
    let data = data_set([3, 12, 12]);
    let failure = run(&testing::small_cnn("relu", true), Some(data.path()), &few()).1.unwrap_err();
    assert!(failure.to_string().contains("`toy` have shape [3, 12, 12]"), "{failure}");
    assert!(failure.hint().is_some());
}

#[test]
fn a_difference_above_the_bound_fails_the_stage() {
    let (work, outcome) = run(&testing::small_cnn("softplus", true), None, &Parameters { bound: 1e-12, ..few() });
    let failure = outcome.unwrap_err();
    assert!(matches!(&failure, Failure::Diverged(message) if message.contains("logits differ by up to")), "{failure}");
    assert!(!work.path().join("outputs/model").join(PARITY).exists());
}

#[test]
fn parameters_are_checked_and_defaults_filled_in() {
    let stage = std::marker::PhantomData::<ExportStage>;
    let prepare = |text: &str| {
        let mut json = serde_json::Deserializer::from_str(text);
        stage
            .prepare(&mut <dyn erased_serde::Deserializer>::erase(&mut json))
            .map(|r| r.map(|p| p.parameters).map_err(|i| i.path.join(".")))
    };
    assert_eq!(prepare("{}").unwrap().unwrap(), serde_json::json!({ "opset": 17, "bound": 1e-3, "parity_images": 256 }));
    assert_eq!(prepare(r#"{"opset": 12}"#).unwrap().unwrap_err(), "opset");
    assert_eq!(prepare(r#"{"bound": 0.0}"#).unwrap().unwrap_err(), "bound");
    assert_eq!(prepare(r#"{"parity_images": 0}"#).unwrap().unwrap_err(), "parity_images");
    assert!(prepare(r#"{"opsets": 17}"#).unwrap_err().to_string().contains("unknown field `opsets`"));
}
