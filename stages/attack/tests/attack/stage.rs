//! The whole stage, from folders to a folder, with ONNX Runtime as the judge.

use std::collections::BTreeMap;
use std::path::Path;

use planish_attack::AttackStage;
use planish_contract::{AnyStage, Context, Failure, Folder, Input, SilentHost};
use planish_formats::{DataSetInfo, Evidence, ModelInfo, NamedTensor, SCHEMA, SplitName, Values, onnx_model, write_data_set, write_json};
use serde_json::{Value, json};

use crate::model::{CLASSES, Change, EPS, Golden, MEAN, SHAPE, STD, write_changed, write_checkpoint, write_onnx};

const STAGE: &dyn AnyStage = &std::marker::PhantomData::<AttackStage>;

fn folder(path: &Path) -> std::path::PathBuf {
    std::fs::create_dir_all(path).unwrap();
    path.to_path_buf()
}

/// The inputs of the stage, made of the golden network.
fn inputs(root: &Path) -> BTreeMap<String, Input> {
    let golden = Golden::read();
    let classes = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let data = folder(&root.join("data"));
    let splits = BTreeMap::from([(SplitName::Test, golden.images())]);
    let info = DataSetInfo {
        schema: SCHEMA,
        name: "stripes".into(),
        classes: classes.clone(),
        shape: SHAPE,
        mean: MEAN.to_vec(),
        std: STD.to_vec(),
        splits: BTreeMap::from([("test".to_owned(), golden.images().len())]),
        shards: BTreeMap::new(),
        sources: vec![],
    };
    write_data_set(&data, &info, &splits).unwrap();
    let model = folder(&root.join("model"));
    write_onnx(&model, &golden.weights());
    let facts =
        ModelInfo { schema: SCHEMA, shape: SHAPE, classes, input: "images".into(), output: "logits".into(), opset: 17, parameters: 1_000 };
    write_json(&model.join(onnx_model::INFO), &facts).unwrap();
    let gradients = write_checkpoint(&folder(&root.join("gradients")), &golden.weights());
    BTreeMap::from([
        ("data".to_owned(), Input::One(Folder::open(&data).unwrap())),
        ("model".to_owned(), Input::One(Folder::open(&model).unwrap())),
        ("gradients".to_owned(), Input::One(gradients)),
    ])
}

fn prepared(parameters: Value) -> Value {
    let mut erased = <dyn erased_serde::Deserializer>::erase(parameters);
    STAGE.prepare(&mut erased).unwrap().unwrap().parameters
}

fn attack(root: &Path, inputs: BTreeMap<String, Input>, (parameters, execution): (Value, Value)) -> Result<Folder, Failure> {
    let mut erased = <dyn erased_serde::Deserializer>::erase(execution);
    let execution = STAGE.prepare_execution(&mut erased).unwrap();
    let evidence = folder(&root.join("evidence"));
    let context = Context {
        inputs,
        files: BTreeMap::new(),
        outputs: root.to_path_buf(),
        checkpoints: folder(&root.join("checkpoints")),
        threads: 2,
        host: &SilentHost,
    };
    STAGE.run(&prepared(parameters), &execution, &context)?;
    Folder::open(&evidence)
}

fn parameters() -> Value {
    json!({
        "attack": [{ "pgd": { "steps": 5, "step_size": "0.25 eps" } }, { "multi-targeted": { "steps": 10, "optimizer": "sign" } }],
        "threat": { "norm": "linf", "eps": EPS },
        "images": 40,
    })
}

fn bytes(folder: &Folder) -> Vec<(String, Vec<u8>)> {
    folder.files().map(|(name, path)| (name.to_owned(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn evidence_is_complete_and_independent_of_the_batch() {
    let root = tempfile::tempdir().unwrap();
    let inputs = inputs(root.path());
    let first = attack(root.path(), inputs.clone(), (parameters(), json!({}))).unwrap();
    let evidence = Evidence::open(&first).unwrap();
    let header = &evidence.header;
    assert_eq!((header.images, header.split, header.clean_accuracy), (40, SplitName::Test, 1.0));
    assert!(header.robust_accuracy > 0.1 && header.robust_accuracy < 0.9, "{}", header.robust_accuracy);
    let names: Vec<(&str, u64)> = header.attacks.iter().map(|a| (a.name.as_str(), a.gradients_per_image)).collect();
    assert_eq!(names, [("pgd", 5), ("multi-targeted", 30)]);
    assert_eq!(header.attacks[0].parameters["loss"], json!("cross-entropy"));
    let robust = evidence.images.iter().filter(|image| image.robust).count();
    assert_eq!(robust + header.attacks.iter().map(|a| a.broken).sum::<usize>(), 40);
    assert!(evidence.images.iter().any(|image| image.broken_by.as_ref().is_some_and(|by| by.attack == "multi-targeted")));

    // The kept images, scored again from the file, are what the evidence says.
    let adversarial = evidence.adversarial().unwrap();
    let mut model = planish_onnx::Classifier::open(&root.path().join("model/model.onnx"), 1).unwrap();
    let logits = model.logits(&adversarial.images).unwrap();
    let images = Golden::read().images();
    for (index, entry) in evidence.images.iter().enumerate() {
        let margin = planish_attack::loss::margin(&logits[index * CLASSES..(index + 1) * CLASSES], entry.label);
        assert!((margin - entry.attacked_margin).abs() < 1e-5 && entry.robust == (margin > 0.0));
        let kept = adversarial.images[index * 128..(index + 1) * 128].iter().zip(images.pixels(index..index + 1));
        let widest = kept.map(|(a, x)| (f64::from(*a) - f64::from(x)).abs()).fold(0.0, f64::max);
        assert!(widest <= EPS && (widest - entry.distance).abs() < 1e-12);
    }

    let masking = planish_formats::MaskingReport::open(&first).unwrap().unwrap();
    assert!(masking.is_clean() && masking.images == 16 && masking.checks.len() == 11, "{masking:?}");

    let other = tempfile::tempdir().unwrap();
    let second = attack(other.path(), inputs, (parameters(), json!({ "batch_size": 7, "device": "cpu" }))).unwrap();
    assert_eq!(bytes(&first), bytes(&second));
}

/// Without a checkpoint the exported model is differentiated itself, and as much falls.
#[test]
fn a_model_without_a_checkpoint_is_attacked_by_its_own_gradients() {
    let root = tempfile::tempdir().unwrap();
    let inputs = inputs(root.path());
    let robust = |inputs: &BTreeMap<String, Input>, execution: Value| {
        let folder = attack(root.path(), inputs.clone(), (parameters(), execution)).unwrap();
        Evidence::open(&folder).unwrap().images.iter().map(|image| image.robust).collect::<Vec<_>>()
    };
    let with = robust(&inputs, json!({}));
    let mut alone = inputs;
    alone.remove("gradients");
    assert_eq!(with, robust(&alone, json!({})));
    assert_eq!(with, robust(&alone, json!({ "batch_size": 7 })));
}

/// What only the graph shows decides a check, and names the node.
#[test]
fn the_graph_of_the_judged_model_decides_checks() {
    let changes: [(&str, &str, Change); 4] = [
        ("Round", "ended-gradients", Change::Before("Round")),
        ("Sign", "ended-gradients", Change::Before("Sign")),
        ("RandomNormalLike", "random-operators", Change::Beside("RandomNormalLike")),
        ("Softmax", "softmax-output", Change::After("Softmax")),
    ];
    for (operator, expected, change) in changes {
        let root = tempfile::tempdir().unwrap();
        let mut inputs = inputs(root.path());
        inputs.remove("gradients");
        let path = root.path().join("model/model.onnx");
        write_changed(&path, change);
        let file = planish_onnx::ModelFile::read(&path).unwrap();
        let facts = planish_onnx::GraphFacts::of(&file);
        assert!(facts.remarks().iter().any(|remark| remark.contains(operator)), "{:?}", facts.remarks());
        let parameters = json!({ "attack": { "pgd": { "steps": 1 } }, "threat": { "norm": "linf", "eps": EPS }, "images": 4 });
        let folder = attack(root.path(), inputs, (parameters, json!({}))).unwrap();
        let masking = planish_formats::MaskingReport::open(&folder).unwrap().unwrap();
        let failed = masking.failed().find(|check| check.name == expected).unwrap_or_else(|| panic!("{operator}: {masking:#?}"));
        assert!(failed.finding.contains(operator), "{failed:?}");
    }
}

/// A model without gradients is attacked without them; what needs gradients is refused before it starts, or stays undecided.
#[test]
fn a_model_that_has_no_gradients() {
    let root = tempfile::tempdir().unwrap();
    let mut inputs = inputs(root.path());
    inputs.remove("gradients");
    write_changed(&root.path().join("model/model.onnx"), Change::Before("Tan"));
    let parameters = |attack: Value| json!({ "attack": attack, "threat": { "norm": "linf", "eps": EPS }, "images": 40 });
    for attack_with in [json!({ "pgd": { "steps": 1 } }), json!([{ "square": { "queries": 5 } }, { "deepfool": {} }])] {
        let refused = attack(root.path(), inputs.clone(), (parameters(attack_with), json!({}))).unwrap_err();
        let Failure::Input { message, hint: Some(hint) } = refused else { panic!("{refused}") };
        assert!(message.contains("the model of input `model`: there is no rule for the derivative of Tan"), "{message}");
        assert!(hint.contains("square, spsa, nes"), "{hint}");
    }
    let without = json!([{ "square": { "queries": 200 } }, { "spsa": { "steps": 2 } }, { "nes": { "steps": 2 } }]);
    let folder = attack(root.path(), inputs, (parameters(without), json!({}))).unwrap();
    let header = Evidence::open(&folder).unwrap().header;
    assert!(header.robust_accuracy < header.clean_accuracy, "{header:?}");
    let masking = planish_formats::MaskingReport::open(&folder).unwrap().unwrap();
    let undecided: Vec<&str> = masking
        .checks
        .iter()
        .filter(|check| check.verdict == planish_formats::Verdict::Undecided)
        .map(|check| check.name.as_str())
        .collect();
    let expected = [
        "ended-gradients",
        "zero-gradients",
        "loss-not-rising",
        "start-matters",
        "more-steps-help",
        "gradient-free-is-stronger",
        "eps-sweep",
    ];
    assert!(masking.images >= 4 && undecided == expected, "{masking:#?}");
}

#[test]
fn what_is_missing_or_wrong_is_said() {
    let root = tempfile::tempdir().unwrap();
    let all = inputs(root.path());
    let refuse = |inputs: BTreeMap<String, Input>, parameters: Value, expected: &str| {
        let failure = attack(root.path(), inputs, (parameters, json!({}))).unwrap_err();
        assert!(matches!(&failure, Failure::Input { .. }) && failure.to_string().contains(expected), "{failure}");
    };
    let mut wrong = all.clone();
    let mut weights = Golden::read().weights();
    weights.iter_mut().filter(|tensor| tensor.name == "fc.bias").for_each(shift);
    let other = folder(&root.path().join("other"));
    wrong.insert("gradients".to_owned(), Input::One(write_checkpoint(&other, &weights)));
    refuse(wrong, parameters(), "is not the model of input `model`");

    let mut many = parameters();
    many["images"] = json!(49);
    refuse(all.clone(), many, "`images = 49`, but the test split of stripes has 48 images");
    let mut validation = parameters();
    validation["split"] = json!("validation");
    refuse(all, validation, "no validation split");
}

/// The same number added to every logit changes no prediction, but it is another model all the same.
fn shift(tensor: &mut NamedTensor) {
    if let Values::F32(values) = &mut tensor.values {
        for value in values {
            *value += 0.01;
        }
    }
}

#[test]
fn parameters_are_checked_at_plan_time() {
    let invalid = |change: fn(&mut Value)| {
        let mut parameters = parameters();
        change(&mut parameters);
        let mut erased = <dyn erased_serde::Deserializer>::erase(parameters);
        STAGE.prepare(&mut erased).map(|outcome| outcome.map(|p| p.parameters).unwrap_err().path.join("."))
    };
    assert_eq!(invalid(|p| p["threat"]["eps"] = json!(8)).unwrap(), "threat.eps");
    assert_eq!(invalid(|p| p["images"] = json!(0)).unwrap(), "images");
    assert_eq!(invalid(|p| p["attack"] = json!([])).unwrap(), "attack");
    assert_eq!(invalid(|p| p["attack"] = json!({ "pgd": { "steps": 0 } })).unwrap(), "attack.pgd.steps");
    let unknown = invalid(|p| p["atack"] = json!({})).unwrap_err().to_string();
    assert!(unknown.contains("atack"), "{unknown}");
    let mut erased = <dyn erased_serde::Deserializer>::erase(json!({ "batch_size": 0 }));
    assert!(STAGE.prepare_execution(&mut erased).is_err());
    let members = <AttackStage as planish_contract::Stage>::members(&serde_json::from_value(parameters()).unwrap());
    assert_eq!(members, ["multi_targeted", "pgd", "square"].map(|name| format!("planish_attack::attacks::{name}")));
}
