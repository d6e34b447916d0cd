//! Writes honest files for every target into `corpus/`, for the fuzzer to start from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use planish_contract::Fraction;
use planish_formats::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = |target: &str| -> std::io::Result<PathBuf> {
        let folder = root.join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    };
    let work = tempfile::tempdir()?;
    let read = |name: &str| fs::read(work.path().join(name));
    let tensor = |name: &str, shape: &[usize], values| NamedTensor { name: name.into(), shape: shape.to_vec(), values };
    let tensors = [
        tensor("a", &[2, 2], Values::F32(vec![0.0, 1.0, -1.0, 0.5])),
        tensor("b", &[3], Values::I64(vec![1, 2, 3])),
        tensor("c", &[1], Values::U8(vec![9])),
    ];
    fs::write(corpus("tensors")?.join("three"), tensor_bytes(&tensors, &BTreeMap::new())?)?;

    // As they are, and as PyTorch names them in a wrapper, with what no pass reads.
    let network = |prefix: &str| -> Vec<NamedTensor> {
        let of = |(name, shape): (&String, &Vec<usize>)| {
            tensor(&format!("{prefix}{name}"), shape, Values::F32(vec![0.5; shape.iter().product()]))
        };
        planish_fuzz::small_network().iter().map(of).collect()
    };
    let mut wrapped = network("module.");
    wrapped.push(tensor("module.bn1.num_batches_tracked", &[1], Values::I64(vec![7])));
    wrapped.push(tensor("module.sub_block1.layer.0.bn1.weight", &[2], Values::F32(vec![1.0, 1.0])));
    fs::write(corpus("start")?.join("plain"), tensor_bytes(&network(""), &BTreeMap::new())?)?;
    fs::write(corpus("start")?.join("wrapped"), tensor_bytes(&wrapped, &BTreeMap::new())?)?;

    let split = Split { shape: [1, 2, 2], images: vec![7; 8].into(), labels: vec![0, 1], ids: vec![3, 4] };
    let info = DataSetInfo {
        schema: SCHEMA,
        name: "toy".into(),
        classes: vec!["a".into(), "b".into()],
        shape: [1, 2, 2],
        mean: vec![0.5],
        std: vec![0.25],
        splits: BTreeMap::from([("test".to_owned(), 2)]),
        shards: BTreeMap::new(),
        sources: vec![],
    };
    write_data_set(work.path(), &info, &BTreeMap::from([(SplitName::Test, split)]))?;
    fs::write(corpus("data_set")?.join("toy"), planish_fuzz::join(&[read("dataset.json")?, read("test.safetensors")?]))?;
    let json = corpus("json")?;
    fs::copy(work.path().join("dataset.json"), json.join("data set"))?;

    images(&corpus("images")?)?;

    CheckpointFiles::write(work.path(), &serde_json::json!({ "network": { "small-cnn": {} } }), &tensors, &[HistoryRecord::new(0)])?;
    fs::write(corpus("checkpoint")?.join("small"), planish_fuzz::join(&[read(NETWORK)?, read(HISTORY)?, read(WEIGHTS)?]))?;

    let model = ModelInfo {
        schema: SCHEMA,
        shape: [1, 2, 2],
        classes: vec!["a".into()],
        input: "images".into(),
        output: "logits".into(),
        opset: 17,
        parameters: 3,
    };
    write_json(&json.join("model"), &model)?;
    evidence(work.path())?;
    let files = [evidence::HEADER, evidence::IMAGES, evidence::ADVERSARIAL];
    let parts = files.iter().map(|name| read(name)).collect::<Result<Vec<_>, _>>()?;
    fs::write(corpus("evidence")?.join("one"), planish_fuzz::join(&parts))?;
    Ok(())
}

/// Evidence on one image.
fn evidence(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let header = EvidenceHeader {
        schema: EVIDENCE_SCHEMA,
        dataset: "toy".into(),
        threat: Threat { norm: Norm::Linf, eps: Fraction(0.1) },
        bounds: Threat::BOX,
        split: SplitName::Test,
        images: 1,
        attacks: vec![],
        clean_accuracy: 1.0,
        robust_accuracy: 0.0,
        robust_accuracy_u8: Some(0.0),
    };
    let image = ImageEvidence {
        id: 7,
        label: 0,
        clean_prediction: 0,
        clean_margin: 0.25,
        attacked_prediction: 1,
        attacked_margin: -0.5,
        broken_by: Some(BrokenBy { attack: "pgd".into(), restart: 0, step: 20 }),
        distance: 0.1,
        robust: false,
        robust_u8: Some(false),
        nearest: Some(Nearest { distance: 0.05, attack: "fab".into() }),
        targeted: Some(Targeted { target: 1, reached: true, shortfall: -0.5 }),
        gradients: 20,
        queries: 1,
    };
    write_evidence(folder, &header, &[image], &Adversarial { shape: [1, 1, 2], images: vec![0.0, 1.0], ids: vec![7], labels: vec![0] })?;
    Ok(())
}

/// Image files, and arrays of images; the first byte says what is which.
fn images(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let tensor = |name: &str, shape: &[usize], values| NamedTensor { name: name.into(), shape: shape.to_vec(), values };
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/images"))? {
        let path = entry?.path();
        let kind = u8::from(path.extension().is_some_and(|suffix| suffix == "png"));
        fs::write(folder.join(path.file_name().ok_or("a name")?), [vec![kind], fs::read(&path)?].concat())?;
    }
    let arrays = [tensor("images", &[2, 1, 2, 2], Values::U8(vec![7; 8])), tensor("labels", &[2], Values::I64(vec![0, 1]))];
    fs::write(folder.join("arrays"), [vec![3], tensor_bytes(&arrays, &BTreeMap::new())?].concat())?;
    Ok(())
}
