//! Evidence, trainings and measurements that are made up, and a stage that runs on them.

use std::collections::BTreeMap;
use std::path::Path;

use planish_contract::{Context, Coordinate, Coordinates, Failure, Folder, Fraction, Gathered, Input, NoExecution, SilentHost, Stage};
use planish_formats::measurement::Summary;
use planish_formats::{
    Adversarial, AttackSummary, BrokenBy, DataSetInfo, Event, EventKind, EvidenceHeader, HistoryRecord, ImageEvidence, MeasurementHeader,
    NamedTensor, Nearest, Norm, Probed, Split, SplitName, Threat, Values, write_data_set, write_evidence, write_measurement,
};

use crate::{ReportParameters, ReportStage};

pub(super) fn coordinates(labels: &[(&str, &str)]) -> Coordinates {
    let coordinate = |label: &str| Coordinate { label: label.to_owned(), value: serde_json::Value::Null };
    labels.iter().map(|(axis, label)| ((*axis).to_owned(), coordinate(label))).collect()
}

/// A folder below `root` for what stands at `labels`.
fn folder(root: &Path, kind: &str, labels: &[(&str, &str)]) -> std::path::PathBuf {
    let name = labels.iter().map(|(_, label)| *label).collect::<Vec<_>>().join("-");
    let directory = root.join(kind).join(name.replace('/', "_"));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

pub(super) fn gathered(directory: &Path, labels: &[(&str, &str)]) -> Gathered {
    Gathered { coordinates: coordinates(labels), folder: Some(Folder::open(directory).unwrap()) }
}

pub(super) fn absent(labels: &[(&str, &str)]) -> Gathered {
    Gathered { coordinates: coordinates(labels), folder: None }
}

pub(super) fn linf(eps: f64) -> Threat {
    Threat { norm: Norm::Linf, eps: Fraction(eps) }
}

pub(super) fn image(id: u32, robust: bool) -> ImageEvidence {
    ImageEvidence {
        id,
        label: id % 2,
        clean_prediction: id % 2,
        clean_margin: 1.0,
        attacked_prediction: if robust { id % 2 } else { 1 - id % 2 },
        attacked_margin: if robust { 0.5 } else { -0.5 },
        broken_by: (!robust).then(|| BrokenBy { attack: "pgd".into(), restart: 0, step: 3 }),
        distance: 0.05,
        robust,
        robust_u8: None,
        nearest: None,
        targeted: None,
        gradients: 0,
        queries: 0,
    }
}

/// Evidence for images 0, 1, 2, …: whether each stands.
pub(super) fn evidence(root: &Path, labels: &[(&str, &str)], clean: f64, robust: &[bool], eps: f64) -> Gathered {
    let images: Vec<ImageEvidence> = (0..).zip(robust).map(|(id, robust)| image(id, *robust)).collect();
    evidence_of(root, labels, clean, &images, linf(eps))
}

/// Evidence with these entries; adversarial images are grey.
pub(super) fn evidence_of(root: &Path, labels: &[(&str, &str)], clean: f64, images: &[ImageEvidence], threat: Threat) -> Gathered {
    let share = images.iter().filter(|image| image.robust).count() as f64 / images.len() as f64;
    let attack = AttackSummary {
        name: "pgd".into(),
        parameters: serde_json::json!({ "steps": 20 }),
        goal: "untargeted".into(),
        gradients_per_image: 20,
        queries_per_image: 1,
        gradients: 27,
        queries: 2,
        robust_accuracy: share,
        broken: images.iter().filter(|image| !image.robust).count(),
        targeted_success: None,
        median_distance: None,
    };
    let header = EvidenceHeader {
        schema: planish_formats::EVIDENCE_SCHEMA,
        dataset: "fashion-mnist".to_owned(),
        threat,
        bounds: Threat::BOX,
        split: SplitName::Test,
        images: images.len(),
        attacks: vec![attack],
        clean_accuracy: clean,
        robust_accuracy: share,
        robust_accuracy_u8: None,
    };
    let directory = folder(root, "attacks", labels);
    let adversarial = Adversarial {
        shape: [1, 2, 2],
        images: vec![0.5; 4 * images.len()],
        ids: images.iter().map(|image| image.id).collect(),
        labels: images.iter().map(|image| image.label).collect(),
    };
    write_evidence(&directory, &header, images, &adversarial).unwrap();
    gathered(&directory, labels)
}

/// Entries of a minimal-norm attack within 0.1: the distance of each image's nearest adversarial image, if it has one.
pub(super) fn nearest(distances: &[Option<f64>]) -> Vec<ImageEvidence> {
    let entry = |(id, distance): (u32, &Option<f64>)| {
        let within = distance.filter(|distance| *distance <= 0.1);
        let nearest = distance.map(|distance| Nearest { distance, attack: "deepfool".into() });
        ImageEvidence { nearest, distance: within.unwrap_or_default(), ..image(id, within.is_none()) }
    };
    (0..).zip(distances).map(entry).collect()
}

pub(super) fn training(root: &Path, labels: &[(&str, &str)], gradients: u64) -> Gathered {
    let directory = folder(root, "training", labels);
    let record = HistoryRecord { step: 10, gradients_per_image: gradients, ..HistoryRecord::new(2) };
    planish_formats::write_json_lines(&directory.join(planish_formats::HISTORY), [&record]).unwrap();
    gathered(&directory, labels)
}

/// A training with a probe: γ and accuracy under the search, in `[0, 1]`, every ten steps; the last probe is a sign of overfitting.
pub(super) fn probed_training(root: &Path, labels: &[(&str, &str)], probes: &[(f32, f64)]) -> Gathered {
    let directory = folder(root, "training", labels);
    let measured = |(index, (gamma, robust_accuracy)): (u64, &(f32, f64))| Probed {
        step: 10 * index,
        accuracy: 0.75,
        loss: 0.5,
        robust_accuracy: *robust_accuracy,
        robust_loss: 1.5,
        gamma: Summary::of(&[*gamma]).unwrap(),
    };
    let mut record = HistoryRecord { step: 20, gradients_per_image: 1, ..HistoryRecord::new(1) };
    record.probes = (0..).zip(probes).map(measured).collect();
    record.events = vec![Event { step: 20, kind: EventKind::CatastrophicOverfitting, detail: "fell".into() }];
    planish_formats::write_json_lines(&directory.join(planish_formats::HISTORY), [&record]).unwrap();
    gathered(&directory, labels)
}

/// γ of images 0, 1, 2, … within linf 0.1, and one surface with a slope.
pub(super) fn landscape(root: &Path, labels: &[(&str, &str)], gamma: &[f32]) -> Gathered {
    let directory = folder(root, "landscape", labels);
    let header = MeasurementHeader {
        schema: planish_formats::SCHEMA,
        dataset: "fashion-mnist".into(),
        split: SplitName::Test,
        images: gamma.len(),
        threats: vec![linf(0.1)],
        parameters: serde_json::json!({ "linearity": { "steps": 20, "restarts": 1 } }),
        arrays: BTreeMap::new(),
        summaries: BTreeMap::new(),
    };
    let tensor = |name: &str, shape: Vec<usize>, values| NamedTensor { name: name.into(), shape, values };
    let loss = (0..25).map(|point: u8| f32::from(point / 5) * 0.5).collect();
    let arrays = [
        tensor("gamma", vec![1, gamma.len()], Values::F32(gamma.to_vec())),
        tensor("ids", vec![gamma.len()], Values::I64((0..).take(gamma.len()).collect())),
        tensor("surfaces/loss", vec![1, 5, 5], Values::F32(loss)),
        tensor("surfaces/offsets", vec![5], Values::F32(vec![-1.0, -0.5, 0.0, 0.5, 1.0])),
    ];
    write_measurement(&directory, &header, &arrays).unwrap();
    gathered(&directory, labels)
}

/// `count` images of two classes.
pub(super) fn data(root: &Path, count: u32) -> Folder {
    let directory = root.join("data");
    std::fs::create_dir_all(&directory).unwrap();
    let split = Split {
        shape: [1, 2, 2],
        images: (0..4 * count).map(|value| u8::try_from(value % 256).unwrap()).collect::<Vec<u8>>().into(),
        labels: (0..count).map(|id| id % 2).collect(),
        ids: (0..count).collect(),
    };
    let info = DataSetInfo {
        schema: planish_formats::SCHEMA,
        name: "fashion-mnist".into(),
        classes: vec!["shoe".into(), "T-shirt <top> & more".into()],
        shape: [1, 2, 2],
        mean: vec![0.5],
        std: vec![0.5],
        splits: BTreeMap::from([("test".into(), count as usize)]),
        shards: BTreeMap::new(),
        sources: Vec::new(),
    };
    write_data_set(&directory, &info, &BTreeMap::from([(SplitName::Test, split)])).unwrap();
    Folder::open(&directory).unwrap()
}

/// The parameters of a report with one table.
pub(super) fn parameters() -> ReportParameters {
    changed(|_| {})
}

/// The same with changes to their JSON.
pub(super) fn changed(change: impl FnOnce(&mut serde_json::Value)) -> ReportParameters {
    let mut value = serde_json::json!({
        "title": "Small <b>& | tables",
        "tables": { "main": {
            "title": "Table",
            "rows": { "axis": "method", "order": ["nominal", "llr"], "names": { "llr": "LLR(S)" } },
            "columns": { "axis": "attack", "order": ["weak", "strong"] },
            "over": ["seed"],
            "references": ["paper"],
        } },
    });
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

/// The file of references that [`Run`] gives unless told otherwise.
pub(super) const REFERENCES: &str = r#"
[paper]
source = "Table 2"
certainty = "recalled"
dataset = "fashion-mnist"
threat = { norm = "linf", eps = 0.1 }
values.llr.weak = 54.24

[elsewhere]
source = "Table 2"
certainty = "recalled"
dataset = "cifar10"
threat = { norm = "linf", eps = "8/255" }
values.llr.nominal = 86.83
values.tradse.weak = 50.0
"#;

/// What a stage is given.
#[derive(Default)]
pub(super) struct Inputs {
    pub(super) attacks: Vec<Gathered>,
    pub(super) training: Vec<Gathered>,
    pub(super) landscape: Vec<Gathered>,
    pub(super) data: Option<Folder>,
}

pub(super) struct Run {
    pub(super) root: tempfile::TempDir,
    pub(super) references: String,
}

impl Run {
    pub(super) fn new() -> Self {
        Run { root: tempfile::tempdir().unwrap(), references: REFERENCES.to_owned() }
    }

    pub(super) fn with(&self, parameters: &ReportParameters, inputs: Inputs) -> Result<Folder, Failure> {
        let outputs = self.root.path().join("outputs");
        drop(std::fs::remove_dir_all(&outputs));
        std::fs::create_dir_all(outputs.join("tables")).unwrap();
        let references = self.root.path().join("references");
        std::fs::create_dir_all(&references).unwrap();
        std::fs::write(references.join("references.toml"), &self.references).unwrap();
        let lists = [("attacks", inputs.attacks), ("training", inputs.training), ("landscape", inputs.landscape)];
        let mut connected: BTreeMap<String, Input> = lists.into_iter().map(|(name, list)| (name.to_owned(), Input::Gather(list))).collect();
        connected.extend(inputs.data.map(|folder| ("data".to_owned(), Input::One(folder))));
        let context = Context {
            inputs: connected,
            files: BTreeMap::from([("references".to_owned(), Folder::open(&references).unwrap())]),
            checkpoints: self.root.path().to_path_buf(),
            outputs: outputs.clone(),
            threads: 1,
            host: &SilentHost,
        };
        ReportStage::run(parameters, &NoExecution {}, &context)?;
        Folder::open(&outputs.join("tables"))
    }

    pub(super) fn at(&self, (method, attack, seed): (&str, &str, &str), clean: f64, robust: &[bool]) -> Gathered {
        evidence(self.root.path(), &[("method", method), ("attack", attack), ("seed", seed)], clean, robust, 0.1)
    }

    /// Two methods, one of them with two seeds, under two attacks.
    pub(super) fn attacks(&self) -> Vec<Gathered> {
        vec![
            self.at(("llr", "weak", "0"), 0.75, &[true, true, false, true]),
            self.at(("llr", "strong", "0"), 0.75, &[true, false, true, true]),
            self.at(("llr", "weak", "1"), 1.0, &[true, true, true, true]),
            self.at(("llr", "strong", "1"), 1.0, &[true, true, false, false]),
            self.at(("nominal", "weak", "0"), 1.0, &[false, false, false, false]),
            self.at(("nominal", "strong", "0"), 1.0, &[true, false, false, false]),
        ]
    }

    pub(super) fn example(&self) -> Result<Folder, Failure> {
        let training = vec![training(self.root.path(), &[("method", "llr"), ("seed", "0")], 70)];
        self.with(&parameters(), Inputs { attacks: self.attacks(), training, ..Inputs::default() })
    }
}

pub(super) fn text(folder: &Folder, name: &str) -> String {
    std::fs::read_to_string(folder.file(name).unwrap()).unwrap()
}
