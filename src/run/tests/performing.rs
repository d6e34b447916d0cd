//! What a worker does with its job.

use std::collections::BTreeMap;
use std::path::PathBuf;

use planish_cache::Store;
use serde_json::{Value, json};

use super::{do_job, job, open};
use crate::key::{Files, key};
use crate::plan::files_of;
use crate::run::event::{Event, FailureClass};
use crate::run::job::{Job, JobFiles};
use crate::run::provenance::Provenance;

fn setup(kind: &str, parameters: Value) -> (tempfile::TempDir, Store, Job) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let job = job(store.root(), kind, parameters);
    (folder, store, job)
}

#[test]
fn a_job_is_done_once() {
    let (_folder, store, job) = setup("write", json!({ "text": "hello" }));
    let (first, events) = do_job(&job, false);
    let first = first.unwrap();
    assert!(first.ran);
    assert!(matches!(events.as_slice(), [Event::Progress(progress)] if progress.text == "written"));
    let (second, events) = do_job(&job, false);
    let second = second.unwrap();
    assert!(!second.ran);
    assert!(events.is_empty());
    assert_eq!(first.outputs, second.outputs);
    let entry = store.get(&job.key).unwrap().unwrap();
    let provenance = Provenance::read(&entry.provenance);
    assert_eq!(provenance.facts.get("device"), Some(&Value::from("cpu")));
    assert_eq!((provenance.threads, provenance.log), (1, PathBuf::from("log")));
    assert!(provenance.started <= provenance.ended && !provenance.host.is_empty());
}

#[test]
fn force_does_it_again_and_the_first_result_stands() {
    let (_folder, _store, mut job) = setup("write", json!({ "text": "hello" }));
    let first = do_job(&job, false).0.unwrap();
    job.force = true;
    let second = do_job(&job, false).0.unwrap();
    assert!(second.ran && second.note.is_none());
    assert_eq!(first.outputs, second.outputs);
}

#[test]
fn nothing_is_published_when_a_stage_misbehaves() {
    let cases = [
        (json!("Panic"), "the stage panicked: something impossible"),
        (json!("Fail"), "it does not work"),
        (json!("Nothing"), "the stage wrote nothing to its output `out`"),
        (json!("Remove"), "the stage left no folder for its output `out`"),
    ];
    for (manner, message) in cases {
        let (_folder, store, job) = setup("misbehave", manner);
        let failed = do_job(&job, false).0.unwrap_err();
        assert_eq!((failed.class, failed.message.as_str()), (FailureClass::Stage, message));
        assert!(failed.hint.is_some());
        assert_eq!(store.get(&job.key).unwrap(), None);
    }
}

#[test]
fn another_build_is_refused() {
    let (_folder, store, mut job) = setup("write", json!({ "text": "hello" }));
    job.build_id = "another".to_owned();
    let failed = do_job(&job, false).0.unwrap_err();
    assert!(failed.message.contains("rebuilt"), "{}", failed.message);
    assert_eq!(store.get(&job.key).unwrap(), None);
}

#[test]
fn a_kind_that_this_build_does_not_know_is_an_internal_error() {
    let (_folder, _store, job) = setup("unheard-of", json!({}));
    assert_eq!(do_job(&job, false).0.unwrap_err().class, FailureClass::Internal);
}

#[test]
fn a_file_that_is_edited_meanwhile_spoils_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    std::fs::write(&source, "before").unwrap();
    let store = open(folder.path());
    let mut job = job(store.root(), "misbehave", json!({ "Edit": source }));
    let digest = store.hash_file(&source).unwrap();
    job.parts.files.insert("source".to_owned(), Files::Each(BTreeMap::from([("source".to_owned(), digest)])));
    let paths = BTreeMap::from([("source".to_owned(), source)]);
    let files = JobFiles { single: true, pattern: "source".to_owned(), folder: folder.path().to_path_buf(), paths };
    job.files.insert("source".to_owned(), files);
    job.key = key(&job.parts);
    let failed = do_job(&job, false).0.unwrap_err();
    assert!(failed.message.contains("was edited while the stage ran"), "{}", failed.message);
    assert_eq!(store.get(&job.key).unwrap(), None);
}

#[test]
fn of_many_files_one_that_is_edited_before_or_meanwhile_spoils_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    for number in 0..300 {
        std::fs::write(data.join(format!("{number:04}")), number.to_string()).unwrap();
    }
    let store = open(folder.path());
    let found = files_of(folder.path(), "data").unwrap();
    let content: Vec<_> = found.iter().map(|(name, path)| (name.as_str(), store.hash_file(path).unwrap())).collect();
    let mut job = job(store.root(), "misbehave", json!({ "Edit": data.join("0123") }));
    job.parts.files.insert("data".to_owned(), Files::of(content.into_iter(), 200));
    // A list is not in the job: the worker looks for the files again.
    let files = JobFiles { single: false, pattern: "data".to_owned(), folder: folder.path().to_path_buf(), paths: BTreeMap::new() };
    job.files.insert("data".to_owned(), files);
    job.key = key(&job.parts);
    let failed = do_job(&job, false).0.unwrap_err();
    assert!(failed.message.contains("0123 (in `files.data`) was edited while the stage ran"), "{}", failed.message);
    let failed = do_job(&job, false).0.unwrap_err();
    assert!(failed.message.contains("was edited after the run began"), "{}", failed.message);
    assert_eq!(do_job(&job, true).0.unwrap_err().class, FailureClass::Stopped);
    assert_eq!(store.get(&job.key).unwrap(), None);
}

#[test]
fn checkpoints_outlive_a_failure_and_not_the_result() {
    let (_folder, store, job) = setup("misbehave", json!("Resume"));
    assert_eq!(do_job(&job, false).0.unwrap_err().message, "only half way");
    let checkpoints = store.checkpoints(&job.key).unwrap();
    assert!(checkpoints.join("kept").exists());
    assert!(do_job(&job, false).0.unwrap().ran);
    assert!(!checkpoints.exists());
}

#[test]
fn a_stopped_stage_says_so() {
    let (_folder, store, job) = setup("misbehave", json!("Fail"));
    assert_eq!(do_job(&job, true).0.unwrap_err().class, FailureClass::Stopped);
    // While it waits for another run, too.
    let _lock = store.lock(&job.key).unwrap();
    assert_eq!(do_job(&job, true).0.unwrap_err().class, FailureClass::Stopped);
}

#[test]
fn a_worker_waits_for_another_run_and_takes_its_result() {
    let (_folder, store, job) = setup("write", json!({ "text": "hello" }));
    let lock = store.lock(&job.key).unwrap();
    let waiting = std::thread::spawn({
        let job = job.clone();
        move || do_job(&job, false)
    });
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(!waiting.is_finished());
    drop(lock);
    let (finished, events) = waiting.join().unwrap();
    assert!(finished.unwrap().ran);
    assert_eq!(events.first(), Some(&Event::Waiting));
}
