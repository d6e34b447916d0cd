//! The store as a whole.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::{Digest, ENTRY_VERSION, Entry, Key, Store, fs};

mod collecting;
mod corruption;
mod disk;
mod faults;
mod limits;
mod memo;
mod opening;
mod parts;
mod processes;
mod publishing;
mod refusals;
mod restoring;
mod roots;
mod round_trip;
mod verifying;

/// An entry of a made-up instance with one output.
pub(crate) fn entry(instance: &str, output: Digest) -> Entry {
    Entry {
        version: ENTRY_VERSION,
        key: Key::new(Digest::of(instance.as_bytes())),
        kind: "train".to_owned(),
        instance: instance.to_owned(),
        parts: serde_json::json!({ "parameters": { "epochs": 3 } }),
        outputs: [("last".to_owned(), output)].into(),
        provenance: serde_json::json!({ "device": "cpu" }),
        superseded: None,
    }
}

/// A new store in a temporary folder.
pub(crate) fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    (folder, store)
}

/// Writes `files` (name, bytes) below a new folder `name` of `parent`.
fn make_folder(parent: &Path, name: &str, files: &[(&str, &[u8])]) -> PathBuf {
    let folder = parent.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

/// Publishes an entry of `instance` whose output is one file that holds `text`.
fn publish(store: &Store, instance: &str, text: &str) -> (Entry, crate::Published) {
    let scratch = store.scratch().unwrap();
    let folder = make_folder(scratch.path(), "last", &[("weights", text.as_bytes())]);
    let (digest, _) = store.ingest_folder(&folder).unwrap();
    let entry = entry(instance, digest);
    let published = store.publish(&entry).unwrap();
    (entry, published)
}

/// Waits until the stat memo takes the files written so far for settled.
fn settle() {
    std::thread::sleep(Duration::from_millis(40));
}

/// All regular files below `folder`, links unfollowed.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for name in fs::list(folder).unwrap() {
        let path = folder.join(name);
        if path.is_dir() && !path.is_symlink() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}
