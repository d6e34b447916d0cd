use std::path::Path;

use super::{publish, store};
use crate::{Digest, Key, Store, StoreError};

#[test]
fn a_store_opens_again_with_what_it_holds() {
    let (root, store) = store();
    let (entry, _) = publish(&store, "train", "weights");
    assert!(store.root().is_absolute());
    drop(store);
    let store = Store::open(&root.path().join("store")).unwrap();
    assert_eq!(store.get(&entry.key).unwrap(), Some(entry));
    assert_eq!(std::fs::read_to_string(root.path().join("store/version")).unwrap(), "planish store 1\n");
    assert_eq!(std::fs::read_to_string(root.path().join("store/.gitignore")).unwrap(), "*\n");
}

#[test]
fn many_may_found_a_store_at_once() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("deep/store");
    std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8).map(|_| scope.spawn(|| Store::open(&path).map(drop))).collect();
        for racer in racers {
            racer.join().unwrap().unwrap();
        }
    });
}

fn refusal(path: &Path) -> StoreError {
    Store::open(path).unwrap_err()
}

#[test]
fn other_folders_are_not_made_a_store() {
    let root = tempfile::tempdir().unwrap();
    let thesis = root.path().join("thesis.tex");
    std::fs::write(&thesis, "text").unwrap();
    let error = refusal(root.path());
    assert!(matches!(&error, StoreError::NotAStore { reason, .. } if reason.contains("thesis.tex")), "{error}");
    assert!(error.hint().is_some());
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    assert!(matches!(refusal(&thesis), StoreError::NotAStore { .. }));
    assert!(Store::open(&thesis.join("below")).is_err());
}

#[test]
fn a_store_of_a_later_version_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("version"), "planish store 2\n").unwrap();
    let error = refusal(root.path());
    assert!(matches!(error, StoreError::VersionTooNew { found: 2, supported: 1, .. }), "{error}");
    for damaged in ["", "planish store", "planish store 0\n", "planish store -1", "\u{0}\u{0}", "something else"] {
        std::fs::write(root.path().join("version"), damaged).unwrap();
        assert!(matches!(refusal(root.path()), StoreError::NotAStore { .. }), "{damaged:?}");
    }
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn an_interrupted_founding_is_completed() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join(".gitignore"), "*\n").unwrap();
    std::fs::write(root.path().join(".planish-x1y2z3"), "planish st").unwrap();
    assert!(Store::open(root.path()).is_ok());
}

#[test]
fn checkpoints_are_kept_by_key_until_removed() {
    let (_root, store) = store();
    let (one, two) = (Key::new(Digest::of(b"1")), Key::new(Digest::of(b"2")));
    let folder = store.checkpoints(&one).unwrap();
    assert_ne!(folder, store.checkpoints(&two).unwrap());
    std::fs::write(folder.join("slot-0"), "x").unwrap();
    assert_eq!(store.checkpoints(&one).unwrap(), folder);
    assert!(folder.join("slot-0").exists());
    store.remove_checkpoints(&one).unwrap();
    assert!(!folder.exists());
    store.remove_checkpoints(&one).unwrap();
    assert!(store.checkpoints(&two).unwrap().exists());
}

#[test]
fn an_atomic_write_leaves_one_file_and_no_trace() {
    let (_root, store) = store();
    let path = store.runs_dir().join("run.json");
    store.write_atomic(&path, b"one").unwrap();
    store.write_atomic(&path, b"two").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"two");
    assert_eq!(std::fs::read_dir(store.runs_dir()).unwrap().count(), 1);
    assert!(store.write_atomic(&store.runs_dir().join("missing/run.json"), b"x").is_err());
}
