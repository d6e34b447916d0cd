//! The memo of sub-results, from a stage to the store and back.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use planish_cache::{Digest, Store};
use serde_json::json;

use super::{do_job_and_read, job, open};
use crate::key::key;
use crate::run::provenance::Provenance;

/// Squares the numbers up to `count`: the digest of the output, the numbers that had to be worked out, and the log.
fn squares(store: &Store, count: u64, change: impl FnOnce(&mut super::Job)) -> (Digest, Vec<u64>, String) {
    let numbers: Vec<u64> = (0..count).collect();
    let mut job = job(store.root(), "squares", json!({ "numbers": numbers }));
    job.force = true;
    change(&mut job);
    job.key = key(&job.parts);
    let (finished, _, log) = do_job_and_read(&job, false);
    let worked_out = log.lines().filter_map(|line| line.strip_prefix("worked out ")?.parse().ok()).collect();
    (finished.unwrap().outputs["out"], worked_out, log)
}

fn all(count: u64) -> Vec<u64> {
    (0..count).collect()
}

/// The objects of the packs: where the store keeps sub-results.
fn packs(store: &Store) -> Vec<(PathBuf, PathBuf)> {
    let marks = std::fs::read_dir(store.root().join("parts")).unwrap().map(|entry| entry.unwrap().path());
    let digest = |mark: &PathBuf| mark.file_name().unwrap().to_str().unwrap().parse::<Digest>().unwrap();
    marks.map(|mark| (store.blob(&digest(&mark)).unwrap().unwrap(), mark)).collect()
}

#[test]
fn more_work_costs_only_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert_eq!(squares(&store, 10, |_| ()).1, all(10));
    assert_eq!(squares(&store, 12, |_| ()).1, [10, 11]);
    let (_, worked_out, _) = squares(&store, 12, |_| ());
    assert_eq!(worked_out, Vec::<u64>::new());
}

#[test]
fn the_bytes_are_the_same_whatever_the_memo_holds() {
    let folder = tempfile::tempdir().unwrap();
    let empty = squares(&open(folder.path()), 100, |job| job.memo = false);
    assert_eq!(empty.1, all(100));
    let store = open(folder.path());
    assert_eq!(squares(&store, 40, |_| ()).1, all(40), "a run without the memo leaves nothing in it");
    let filled = squares(&store, 100, |_| ());
    let full = squares(&store, 100, |_| ());
    let unasked = squares(&store, 100, |job| job.memo = false);
    assert_eq!((filled.1.len(), full.1.len(), unasked.1.len()), (60, 0, 100));

    // Half evicted: one of the two objects is gone.
    let (object, mark) = packs(&store).into_iter().next().unwrap();
    std::fs::remove_file(object).unwrap();
    std::fs::remove_file(mark).unwrap();
    let half = squares(&store, 100, |_| ());
    assert!([40, 60].contains(&half.1.len()), "{:?}", half.1);

    // Damaged: a flipped bit every 50 bytes, in values and in headers.
    for (object, _) in packs(&store) {
        let mut bytes = std::fs::read(&object).unwrap();
        bytes.iter_mut().step_by(50).for_each(|byte| *byte ^= 4);
        std::fs::set_permissions(&object, PermissionsExt::from_mode(0o644)).unwrap();
        std::fs::write(&object, bytes).unwrap();
    }
    let damaged = squares(&store, 100, |_| ());
    assert!(!damaged.1.is_empty());
    for other in [filled, full, unasked, half, damaged] {
        assert_eq!(other.0, empty.0);
    }
    assert_eq!(squares(&store, 100, |_| ()).1, Vec::<u64>::new(), "what was damaged was put anew");
}

#[test]
fn a_memo_that_cannot_be_written_costs_speed_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    std::fs::write(store.root().join("parts"), "in the way").unwrap();
    let (first, _, log) = squares(&store, 10, |_| ());
    assert_eq!(log.matches("the memo keeps nothing more").count(), 1, "{log}");
    let (second, worked_out, _) = squares(&store, 10, |_| ());
    assert_eq!((second, worked_out), (first, all(10)));
}

#[test]
fn code_counts_and_a_member_that_is_not_there_switches_the_memo_off() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let of = |member: &'static str| {
        squares(&store, 5, move |job| job.parts.parameters = json!({ "numbers": [0, 1, 2, 3, 4], "members": [member] }))
    };
    let (known, other) = ("planish_attack::attacks::pgd", "planish_attack::attacks::multi_targeted");
    assert_eq!((of(known).1.len(), of(known).1.len(), of(other).1.len()), (5, 0, 5));
    let unknown = "planish_attack::attacks::no_such";
    assert_eq!((of(unknown).1.len(), of(unknown).1.len()), (5, 5));
    assert!(of(unknown).2.contains("there is no such family member"));
}

#[test]
fn provenance_says_how_much_was_reused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    squares(&store, 10, |_| ());
    let job = job(store.root(), "squares", json!({ "numbers": [3, 4, 5, 100] }));
    do_job_and_read(&job, false).0.unwrap();
    let entry = store.get(&job.key).unwrap().unwrap();
    let facts = Provenance::read(&entry.provenance).facts;
    assert_eq!(facts.get("memo"), Some(&json!({ "reused": 3, "made": 1 })));
}
