//! Data sets in several files.

use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use planish_contract::Progress;

use super::*;

/// Bytes of two images of 3 × 4 × 6.
const TWO: usize = 2 * 72;

/// Stops the stage when it asks for the `after`th time.
struct Stopping {
    after: usize,
    asked: AtomicUsize,
}

impl Host for Stopping {
    fn progress(&self, _: Progress) {}
    fn stopped(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) >= self.after
    }
    fn provenance(&self, _: &str, _: serde_json::Value) {}
    fn log(&self, _: &str) {}
}

/// Names and inodes of the files that a killed run leaves.
fn left(case: &Case) -> BTreeMap<String, u64> {
    let folder = Folder::open(&case.folder.path().join("checkpoints")).unwrap();
    folder.files().map(|(name, path)| (name.to_owned(), std::fs::metadata(path).unwrap().ino())).collect()
}

#[test]
fn many_files_hold_the_same_images_as_one() {
    let case = Case::new();
    case.colours("mine/train/", 4);
    case.colours("mine/val/", 1);
    let files = [("source", "mine")];
    let splits = |set: &DataSet| SplitName::ALL.map(|name| set.split(name).unwrap());
    let whole = case.run(&files, json!({ "validation": 2 })).unwrap();
    let expected = splits(&whole);
    let divided = case.packed(&files, json!({ "validation": 2 }), (TWO, &SilentHost)).unwrap();
    assert_eq!(splits(&divided), expected);
    assert_eq!(divided.info.shards, [("test", 2), ("train", 5)].map(|(name, files)| (name.to_owned(), files)).into());
    assert_eq!((divided.info.mean, divided.info.std), (whole.info.mean, whole.info.std));
    assert!(left(&case).is_empty());
}

#[test]
fn a_killed_run_goes_on_after_its_last_whole_file() {
    let case = Case::new();
    case.colours("mine/", 3);
    let files = [("source", "mine")];
    let expected = case.run(&files, json!({})).unwrap();
    // Every image is asked for once: the second file is begun.
    let stopped = case.packed(&files, json!({}), (TWO, &Stopping { after: 3, asked: AtomicUsize::new(0) }));
    assert!(matches!(stopped, Err(Failure::Stopped)));
    let kept = left(&case);
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["test-00000-of-00005.safetensors"]);
    let unfinished = case.path("checkpoints/.test-00002-of-00005.safetensors.1.tmp");
    std::fs::write(&unfinished, b"half").unwrap();
    // A file that is not what it should be is made again.
    std::fs::write(case.path("checkpoints/test-00001-of-00005.safetensors"), b"half").unwrap();
    let set = case.packed(&files, json!({}), (TWO, &SilentHost)).unwrap();
    assert!(!unfinished.exists());
    let made = Folder::open(&case.folder.path().join("data")).unwrap();
    let first = std::fs::metadata(made.file("test-00000-of-00005.safetensors").unwrap()).unwrap();
    assert_eq!(Some(&first.ino()), kept.values().next());
    assert_eq!(set.split(SplitName::Test).unwrap(), expected.split(SplitName::Test).unwrap());
    assert_eq!((set.info.mean, set.info.std), (expected.info.mean, expected.info.std));
}

#[test]
fn colours_anywhere_make_all_images_coloured() {
    let case = Case::new();
    std::fs::write(case.path("mine/train/a/grey.jpg"), include_bytes!("../grey.jpg")).unwrap();
    std::fs::write(case.path("mine/val/a/red.jpg"), include_bytes!("../red.jpg")).unwrap();
    let set = case.run(&[("source", "mine")], json!({})).unwrap();
    assert_eq!(set.info.shape, [3, 8, 8]);
    let grey = set.split(SplitName::Train).unwrap();
    assert_eq!(grey.image(0)[..64], grey.image(0)[64..128]);
}
