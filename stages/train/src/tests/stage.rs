//! The whole stage on a small made-up data set: determinism, resume, divergence.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use planish_contract::{Context, Failure, Folder, Host, Input, Progress, Stage};
use planish_formats::{CheckpointFiles, DataSetInfo, EventKind, Split, SplitName, write_data_set};
use planish_nn::{Device, Stream};

use crate::devices::Devices;
use crate::stage::run_on;
use crate::{Execution, Parameters, TrainStage};

/// A host that asks for a stop after so many questions, and keeps the log.
pub(super) struct TestHost {
    questions_left: AtomicI64,
    log: Mutex<Vec<String>>,
}

impl TestHost {
    pub(super) fn stopping_after(steps: i64) -> Self {
        TestHost { questions_left: AtomicI64::new(steps), log: Mutex::default() }
    }

    pub(super) fn patient() -> Self {
        TestHost::stopping_after(i64::MAX)
    }

    pub(super) fn logged(&self, part: &str) -> bool {
        self.log.lock().unwrap().iter().any(|line| line.contains(part))
    }
}

impl Host for TestHost {
    fn progress(&self, _: Progress) {}
    fn stopped(&self) -> bool {
        self.questions_left.fetch_sub(1, Ordering::SeqCst) <= 0
    }
    fn provenance(&self, _: &str, _: serde_json::Value) {}
    fn log(&self, line: &str) {
        self.log.lock().unwrap().push(line.to_owned());
    }
}

/// Images of 8 x 8 grey pixels of three classes that differ in which third is bright.
fn split(images: u32, first_id: u32) -> Split {
    let mut split = Split { shape: [1, 8, 8], ..Split::default() };
    for id in first_id..first_id + images {
        let mut stream = Stream::new(4, "test data", &[u64::from(id)]);
        let label = id % 3;
        for pixel in 0..64_u32 {
            let bright = if pixel / 22 == label { 120 } else { 40 };
            split.images.extend_from_slice(&[(bright + stream.below(60)) as u8]);
        }
        split.labels.push(label);
        split.ids.push(id);
    }
    split
}

/// A data set without a test split: training must not miss it.
fn data(folder: &Path, train: u32) -> Folder {
    let splits = BTreeMap::from([(SplitName::Train, split(train, 0)), (SplitName::Validation, split(15, 1000))]);
    let info = DataSetInfo {
        schema: 1,
        name: "thirds".into(),
        classes: ["top", "middle", "bottom"].map(str::to_owned).to_vec(),
        shape: [1, 8, 8],
        mean: vec![0.35],
        std: vec![0.2],
        splits: splits.iter().map(|(name, split)| (name.as_str().to_owned(), split.len())).collect(),
        shards: BTreeMap::new(),
        sources: Vec::new(),
    };
    std::fs::create_dir_all(folder).unwrap();
    write_data_set(folder, &info, &splits).unwrap();
    Folder::open(folder).unwrap()
}

fn parameters(objective: &serde_json::Value) -> Parameters {
    serde_json::from_value(written(objective)).unwrap()
}

/// A small training under `objective`, as JSON to add to.
pub(super) fn written(objective: &serde_json::Value) -> serde_json::Value {
    serde_json::json!({
        "network": { "small-cnn": { "width": 3 } },
        "objective": objective,
        "epochs": 3,
        "batch_size": 10,
        "threat": { "norm": "linf", "eps": 0.1 },
        "warmup": { "epochs": 1.0 },
        "augmentation": { "flip": true, "crop": 1 },
        "selection": { "images": 10, "steps": 2 },
    })
}

fn llr() -> Parameters {
    parameters(&serde_json::json!({ "llr": { "steps": 2 } }))
}

/// What the stage writes, by file.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// What a training may begin with.
#[derive(Clone, Default)]
pub(super) struct Begin {
    pub(super) checkpoint: Option<Folder>,
    pub(super) files: BTreeMap<String, Folder>,
}

/// Runs the stage in `folder` (data, checkpoints and outputs live there).
pub(super) fn run(folder: &Path, parameters: &Parameters, host: &dyn Host) -> Result<Files, Failure> {
    run_from(&Begin::default(), folder, parameters, host)
}

/// The same from trained weights.
pub(super) fn run_from(begin: &Begin, folder: &Path, parameters: &Parameters, host: &dyn Host) -> Result<Files, Failure> {
    let train = |context: &Context| TrainStage::run(parameters, &Execution::default(), context);
    run_with(begin, folder, (parameters, host), &train)
}

/// The same without a start, with the processor as so many devices.
pub(super) fn run_spread(devices: usize, folder: &Path, parameters: &Parameters, host: &dyn Host) -> Result<Files, Failure> {
    let devices = Devices::new(vec![Device::flex(); devices]).unwrap();
    let train = |context: &Context| run_on(&devices, (parameters, &Execution::default()), context);
    run_with(&Begin::default(), folder, (parameters, host), &train)
}

fn run_with(
    begin: &Begin,
    folder: &Path,
    (parameters, host): (&Parameters, &dyn Host),
    train: &dyn Fn(&Context) -> Result<(), Failure>,
) -> Result<Files, Failure> {
    let outputs = folder.join("outputs");
    let _ = std::fs::remove_dir_all(&outputs);
    for output in TrainStage::interface(parameters).outputs {
        std::fs::create_dir_all(outputs.join(output.name)).unwrap();
    }
    let of_data = ("data".to_owned(), Input::One(data(&folder.join("data"), 41)));
    let context = Context {
        inputs: begin.checkpoint.iter().map(|start| ("start".to_owned(), Input::One(start.clone()))).chain([of_data]).collect(),
        files: begin.files.clone(),
        outputs: outputs.clone(),
        checkpoints: folder.join("checkpoints"),
        threads: 2,
        host,
    };
    train(&context)?;
    let files = Folder::open(&outputs).unwrap();
    Ok(files.files().map(|(name, path)| (name.to_owned(), std::fs::read(path).unwrap())).collect())
}

pub(super) fn fresh(parameters: &Parameters) -> Files {
    run(tempfile::tempdir().unwrap().path(), parameters, &TestHost::patient()).unwrap()
}

#[test]
fn every_objective_trains_and_two_runs_give_the_same_bytes() {
    for objective in [
        serde_json::json!({ "nominal": {} }),
        serde_json::json!({ "adv": { "steps": 2 } }),
        serde_json::json!({ "adv": { "steps": 1, "loss": "margin", "optimizer": "adam", "step_size": 0.1, "start": { "gaussian": 0.01 } } }),
        serde_json::json!({ "trades": { "steps": 2 } }),
        serde_json::json!({ "llr": { "steps": 2 } }),
        serde_json::json!({ "llr": { "steps": 1, "gradient": "released", "optimizer": "sign", "step_size": "eps/2" } }),
    ] {
        let parameters = parameters(&objective);
        parameters.validate().unwrap();
        let files = fresh(&parameters);
        assert_eq!(files.len(), 8, "{:?}", files.keys());
        assert_eq!(files, fresh(&parameters), "{objective}");
    }
}

#[test]
fn training_learns_and_its_history_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let mut parameters = parameters(&serde_json::json!({ "nominal": {} }));
    parameters.epochs = 12;
    run(folder.path(), &parameters, &TestHost::patient()).unwrap();
    let files = CheckpointFiles::open(&Folder::open(&folder.path().join("outputs/last")).unwrap()).unwrap();
    let history = files.history().unwrap();
    assert_eq!(history.iter().map(|record| record.epoch).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    assert_eq!(history.last().unwrap().step, 48);
    let (first, last) = (history.first().unwrap(), history.last().unwrap());
    assert!(last.terms["loss"] < 0.5 * first.terms["loss"], "{} {}", first.terms["loss"], last.terms["loss"]);
    assert!(last.validation.as_ref().unwrap().accuracy > 0.9);
    let selected = CheckpointFiles::open(&Folder::open(&folder.path().join("outputs/selected")).unwrap()).unwrap();
    let epoch = selected.history().unwrap().last().unwrap().epoch;
    let best = history.iter().map(|r| r.validation.as_ref().unwrap().accuracy).fold(0.0, f64::max);
    let earliest = history.iter().find(|r| r.validation.as_ref().unwrap().accuracy >= best).unwrap();
    assert_eq!(epoch, earliest.epoch);
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fresh(&llr()))
    };
    assert_eq!(with(1), with(2));
}

#[test]
fn a_stopped_training_goes_on_and_ends_in_the_same_bytes() {
    let unbroken = fresh(&llr());
    let folder = tempfile::tempdir().unwrap();
    // Four steps an epoch: the stop falls into the third epoch.
    assert!(matches!(run(folder.path(), &llr(), &TestHost::stopping_after(10)), Err(Failure::Stopped)));
    let host = TestHost::patient();
    assert_eq!(run(folder.path(), &llr(), &host).unwrap(), unbroken);
    assert!(host.logged("going on after epoch 2"));
}

#[test]
fn a_damaged_slot_is_not_used_and_the_other_one_is() {
    let unbroken = fresh(&llr());
    for extension in ["safetensors", "json"] {
        let folder = tempfile::tempdir().unwrap();
        assert!(run(folder.path(), &llr(), &TestHost::stopping_after(10)).is_err());
        let path = folder.path().join(format!("checkpoints/slot-1.{extension}"));
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() * 3 / 4;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let host = TestHost::patient();
        assert_eq!(run(folder.path(), &llr(), &host).unwrap(), unbroken, "{extension}");
        assert!(host.logged("kept state 1 is not used"));
        assert!(host.logged("going on after epoch 1"));
    }
}

#[test]
fn a_state_of_other_parameters_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    assert!(run(folder.path(), &llr(), &TestHost::stopping_after(10)).is_err());
    let mut other = llr();
    other.seed = 1;
    let host = TestHost::patient();
    assert_eq!(run(folder.path(), &other, &host).unwrap(), fresh(&other));
    assert!(host.logged("belongs to other parameters"));
}

#[test]
fn a_loss_that_is_not_finite_stops_the_training_and_names_the_place() {
    let mut parameters = parameters(&serde_json::json!({ "nominal": {} }));
    parameters.optimizer.learning_rate = 1e38;
    let folder = tempfile::tempdir().unwrap();
    let failure = run(folder.path(), &parameters, &TestHost::patient()).unwrap_err();
    assert!(
        matches!(&failure, Failure::Diverged(message) if message.contains("epoch 1, step ") && message.contains("images ")),
        "{failure}"
    );
    let kept = folder.path().join("checkpoints/diverged");
    assert!(failure.to_string().contains(&kept.display().to_string()), "{failure}");
    let step: serde_json::Value = serde_json::from_slice(&std::fs::read(kept.join("step.json")).unwrap()).unwrap();
    assert_eq!((step["epoch"].as_u64(), step["ids"].as_array().unwrap().len()), (Some(1), 10));
    let history = CheckpointFiles::open(&Folder::open(&kept).unwrap()).unwrap().history().unwrap();
    let event = &history.last().unwrap().events[0];
    assert_eq!((event.kind, event.step + 1), (EventKind::Divergence, step["step"].as_u64().unwrap()));
    assert!(std::fs::read_dir(folder.path().join("outputs/last")).unwrap().next().is_none());
}

#[test]
fn a_data_set_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut parameters = llr();
    parameters.augmentation.crop = 8;
    let failure = run(folder.path(), &parameters, &TestHost::patient()).unwrap_err();
    assert!(failure.to_string().contains("8 x 8"), "{failure}");
}
