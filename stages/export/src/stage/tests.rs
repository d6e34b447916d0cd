use std::collections::BTreeMap;

use planish_contract::{AnyStage, Folder, Input, SilentHost};
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
        shards: BTreeMap::new(),
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
fn images_under_attack_are_compared_as_well() {
    let (work, outcome) = run(&testing::small_cnn("relu", true), None, &few());
    outcome.unwrap();
    let attacked = open(&work).parity.unwrap().adversarial.unwrap();
    assert_eq!((attacked.steps, attacked.logits.images), (5, 9));
    assert!(attacked.logits.max_abs_difference < 1e-4 && attacked.logits.agreement > 0.99, "{attacked:?}");
}

#[test]
fn an_attack_moves_images_within_its_radius_and_lowers_the_prediction() {
    let network = testing::wide_resnet("softplus");
    let mut original = parity::original(network.checkpoint());
    let images = network.images(4);
    let attack = ParityAttack { eps: planish_contract::Fraction(0.1), steps: 5, images: 4 };
    let moved = attack.apply(&mut original, &images).unwrap();
    assert!(images.iter().zip(&moved).all(|(a, b)| (a - b).abs() <= 0.1 && (0.0..=1.0).contains(b)));
    assert_eq!(moved, attack.apply(&mut original, &images).unwrap());
    let (before, after) = (Reference::of(&mut original, images).unwrap(), Reference::of(&mut original, moved).unwrap());
    assert!(after.moved(&before) > 0.0, "no prediction changed");
}

#[test]
fn other_precisions_are_files_of_their_own_with_figures_and_warnings() {
    for network in [testing::small_cnn("relu", true), testing::wide_resnet("softplus"), testing::small_cnn("silu", false)] {
        let precision = vec![Precision::Int8, Precision::Fp32, Precision::Fp16];
        let data = data_set(network.config.input);
        let (work, outcome) = run(&network, Some(data.path()), &Parameters { precision, ..few() });
        outcome.unwrap();
        let variants = open(&work).parity.unwrap().variants;
        let names: Vec<(&str, &str)> = variants.iter().map(|v| (v.precision.as_str(), v.file.as_str())).collect();
        assert_eq!(names, [("fp16", "model.fp16.onnx"), ("int8", "model.int8.onnx")]);
        for (variant, most) in variants.iter().zip([0.02, 0.5]) {
            assert!(variant.clean.max_abs_difference > 0.0 && variant.clean.max_abs_difference < most, "{variant:?}");
            assert!(variant.accuracy_difference.is_some() && variant.warning.contains("gradients"));
            let path = work.path().join("outputs/model").join(&variant.file);
            let file = ModelFile::read(&path).unwrap();
            assert!(!file.inspection.notes.is_empty(), "{}", variant.file);
            assert!(file.model.metadata_props.iter().any(|entry| entry.key() == "warning"));
        }
    }
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
    assert_eq!(
        prepare("{}").unwrap().unwrap(),
        serde_json::json!({
            "opset": 17, "batch_norm": "keep", "precision": ["fp32"], "bound": 1e-3, "parity_images": 256,
            "parity_attack": { "eps": 8.0 / 255.0, "steps": 5, "images": 64 }, "calibration_images": 128,
        })
    );
    assert_eq!(prepare(r#"{"opset": 12}"#).unwrap().unwrap_err(), "opset");
    assert_eq!(prepare(r#"{"bound": 0.0}"#).unwrap().unwrap_err(), "bound");
    assert_eq!(prepare(r#"{"parity_images": 0}"#).unwrap().unwrap_err(), "parity_images");
    assert_eq!(prepare(r#"{"precision": ["int8"]}"#).unwrap().unwrap_err(), "precision");
    assert_eq!(prepare(r#"{"parity_attack": {"eps": "0/255"}}"#).unwrap().unwrap_err(), "parity_attack");
    assert!(prepare(r#"{"batch_norm": "drop"}"#).is_err());
    assert!(prepare(r#"{"opsets": 17}"#).unwrap_err().to_string().contains("unknown field `opsets`"));
}
