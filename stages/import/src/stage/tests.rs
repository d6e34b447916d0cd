use std::collections::BTreeMap;
use std::path::Path;

use planish_contract::{Folder, Input, SilentHost};
use planish_formats::{DataSetInfo, OnnxModel, SplitName, write_data_set};
use planish_onnx::proto::ModelProto;
use prost::Message;
use serde_json::json;

use super::*;
use crate::testing::{linear, run};

/// A data set whose labels are what the model says of images that it takes in 0 to 255.
fn data(folder: &Path, model: &ModelProto) -> Folder {
    let images: Vec<u8> = (0..1200_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let raw: Vec<f32> = images.iter().map(|&value| f32::from(value)).collect();
    let labels: Vec<u32> = run(model, &raw).chunks(2).map(|row| u32::from(row[1] > row[0])).collect();
    let split = Split { shape: [3, 2, 2], images: images.into(), labels, ids: (0..100).collect() };
    let info = DataSetInfo {
        schema: SCHEMA,
        name: "toy".into(),
        classes: vec!["a".into(), "b".into()],
        shape: [3, 2, 2],
        mean: vec![0.5; 3],
        std: vec![0.2; 3],
        splits: [("test".to_owned(), 100)].into(),
        shards: BTreeMap::new(),
        sources: vec![],
    };
    write_data_set(folder, &info, &[(SplitName::Test, split)].into()).unwrap();
    Folder::open(folder).unwrap()
}

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new(model: &ModelProto) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["model", "check", "set"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("mine.onnx"), model.encode_to_vec()).unwrap();
        Case { folder }
    }

    fn run(&self, parameters: serde_json::Value, data: Option<&Folder>) -> Result<ModelCheck, Failure> {
        let parameters: ImportParameters = serde_json::from_value(parameters).unwrap();
        let root = self.folder.path();
        let context = Context {
            inputs: data.map(|data| ("data".to_owned(), Input::One(data.clone()))).into_iter().collect(),
            files: [("model".to_owned(), Folder::new(BTreeMap::from([("mine.onnx".to_owned(), root.join("mine.onnx"))])))].into(),
            outputs: root.to_path_buf(),
            checkpoints: root.join("checkpoints"),
            threads: 1,
            host: &SilentHost,
        };
        ImportStage::run(&parameters, &ImportExecution::default(), &context)?;
        planish_formats::read_json(&root.join("check").join(CHECK))
    }

    fn model(&self) -> OnnxModel {
        OnnxModel::open(&Folder::open(&self.folder.path().join("model")).unwrap()).unwrap()
    }
}

/// Images in 0 to 255 with a bias that makes images in 0 to 1 all one class.
fn model() -> ModelProto {
    let mut model = linear(&[Some(3), Some(2), Some(2)]);
    let bias = planish_onnx::proto::TensorProto {
        name: Some("b".into()),
        dims: vec![2],
        data_type: Some(1),
        raw_data: Some([120.0_f32, 0.0].iter().flat_map(|value| value.to_le_bytes()).collect()),
        ..Default::default()
    };
    let graph = model.graph.as_mut().unwrap();
    graph.initializer.push(bias);
    graph.node[1].output = vec!["product".into()];
    let add = planish_onnx::proto::NodeProto {
        op_type: Some("Add".into()),
        input: vec!["product".into(), "b".into()],
        output: vec!["logits".into()],
        ..Default::default()
    };
    graph.node.push(add);
    model
}

#[test]
fn a_model_comes_in_as_if_exported() {
    let case = Case::new(&model());
    let data = data(&case.folder.path().join("set"), &model());
    let check = case.run(json!({ "takes": { "range": "0-255" }, "expect_accuracy": 1.0 }), Some(&data)).unwrap();
    assert!((check.accuracy - 1.0).abs() < 0.02 && check.images == 100 && check.chance > 0.4, "{check:?}");
    let imported = case.model();
    assert_eq!((imported.info.shape, imported.info.opset, imported.info.parameters), ([3, 2, 2], 17, 26));
    assert_eq!(imported.info.classes, ["a", "b"]);
    assert_eq!(imported.info.input, "images");
}

#[test]
fn a_wrong_declaration_is_refused_with_the_one_that_fits() {
    let case = Case::new(&model());
    let data = data(&case.folder.path().join("set"), &model());
    let failure = case.run(json!({ "expect_accuracy": 0.99 }), Some(&data)).unwrap_err();
    assert!(failure.to_string().starts_with("mine.onnx: ") && failure.to_string().contains("not 99.0 % as expected"), "{failure}");
    assert!(failure.hint().unwrap().contains("--range=0-255 (then 100.0 %)"), "{:?}", failure.hint());
    let chance = case.run(json!({}), Some(&data)).unwrap_err();
    assert!(chance.to_string().contains("naming one class always reaches"), "{chance}");
    assert!(case.run(json!({}), None).unwrap().remarks[0].contains("not checked"));
    let no_images = case.run(json!({ "expect_accuracy": 0.9 }), None).unwrap_err();
    assert!(no_images.to_string().contains("no images to check it on"));
}

/// As many images of one class as of the other, often enough to tell an accuracy from chance.
fn balanced(folder: &Path, model: &ModelProto) -> Folder {
    let set = DataSet::open(&data(folder, model)).unwrap();
    let split = set.split(SplitName::Test).unwrap();
    let labels = &split.labels;
    let of = |class| (0..split.len()).filter(move |&index| labels[index] == class);
    let chosen: Vec<usize> = of(0).zip(of(1)).flat_map(|(a, b)| [a, b]).collect::<Vec<usize>>().repeat(8);
    let images: Vec<u8> = chosen.iter().flat_map(|&index| split.image(index).to_vec()).collect();
    let labels = chosen.iter().map(|&index| split.labels[index]).collect();
    let ids = (0..chosen.len() as u32).collect();
    let splits = [("test".to_owned(), chosen.len())].into();
    let even = Split { shape: split.shape, images: images.into(), labels, ids };
    write_data_set(folder, &DataSetInfo { splits, ..set.info.clone() }, &[(SplitName::Test, even)].into()).unwrap();
    Folder::open(folder).unwrap()
}

#[test]
fn a_poor_accuracy_that_nobody_named_is_doubted() {
    let case = Case::new(&model());
    let data = balanced(&case.folder.path().join("set"), &model());
    let shifted = |shift: f64| json!({ "range": "0-255", "mean": [shift, shift, shift] });
    let poor = (-50..50).map(|step| f64::from(step) * 4.0).find_map(|shift| {
        let check = case.run(json!({ "takes": shifted(shift) }), Some(&data)).ok()?;
        (check.accuracy < 0.75).then_some((shift, check))
    });
    let (shift, check) = poor.unwrap();
    let [doubt] = check.remarks.as_slice() else { panic!("{check:?}") };
    assert!(doubt.contains("clean images are classified correctly; what would fit better: --range=0-255"), "{doubt}");
    assert!(doubt.contains("(then 100.0 %)"), "{doubt}");
    let named = json!({ "takes": shifted(shift), "expect_accuracy": check.accuracy });
    assert!(case.run(named, Some(&data)).unwrap().remarks.is_empty());
}

#[test]
fn checksums_and_other_files_are_checked() {
    let case = Case::new(&model());
    let failure = case.run(json!({ "sha256": "0".repeat(64) }), None).unwrap_err();
    assert!(failure.to_string().contains("has the SHA-256"), "{failure}");
    let digest = failure.to_string().split_whitespace().nth(4).unwrap().trim_end_matches(',').to_owned();
    assert!(case.run(json!({ "sha256": digest }), None).is_ok(), "{digest}");
    std::fs::write(case.folder.path().join("mine.onnx"), b"not a model").unwrap();
    let failure = case.run(json!({}), None).unwrap_err();
    assert!(failure.to_string().contains("mine.onnx"), "{failure}");
}

#[test]
fn labels_beyond_the_models_classes_are_named() {
    let case = Case::new(&model());
    let folder = case.folder.path().join("set");
    data(&folder, &model());
    let set = DataSet::open(&Folder::open(&folder).unwrap()).unwrap();
    let mut split = set.split(SplitName::Test).unwrap();
    split.labels[7] = 2;
    let info = DataSetInfo { classes: vec!["a".into(), "b".into(), "c".into()], ..set.info };
    write_data_set(&folder, &info, &[(SplitName::Test, split)].into()).unwrap();
    let failure = case.run(json!({}), Some(&Folder::open(&folder).unwrap())).unwrap_err();
    assert!(failure.to_string().contains("image 7 of toy has label 2, but the model has 2 classes"), "{failure}");
}

#[test]
fn what_the_graph_tells_is_remarked() {
    let mut model = linear(&[Some(3), Some(2), Some(2)]);
    let nodes = &mut model.graph.as_mut().unwrap().node;
    let mut round = nodes[0].clone();
    round.op_type = Some("Round".into());
    round.name = Some("to levels".into());
    round.output = vec!["levels".into()];
    round.input.truncate(1);
    round.attribute.clear();
    nodes[0].input[0] = "levels".into();
    nodes.insert(0, round);
    let check = Case::new(&model).run(json!({}), None).unwrap();
    assert!(check.remarks.iter().any(|remark| remark.contains("every path") && remark.contains("Round (node `to levels`)")), "{check:?}");
}
