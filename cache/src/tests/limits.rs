//! Full disks and stores that may only be read.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::{entry, files_below, processes, publish, store};
use crate::{Digest, Notice, Store, StoreError};

/// What a process without the right to write asserts of the store that the test below made.
pub(super) fn use_read_only_store(store: &Store) {
    let key = entry("train", Digest::of(b"")).key;
    assert!(store.get(&key).unwrap().is_some());
    for error in [
        store.ingest_bytes(b"new").unwrap_err(),
        store.lock(&key).unwrap_err(),
        store.scratch().unwrap_err(),
        store.write_atomic(&store.root().join("x"), b"").unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::NotWritable { .. }), "{error:?}");
        assert!(error.hint().unwrap().contains("right to write") && error.to_string().contains("store"), "{error}");
    }
    let damaged = entry("damaged", Digest::of(b"")).key;
    assert_eq!(store.get(&damaged).unwrap(), None);
    assert!(matches!(store.take_notices().as_slice(), [Notice::DamagedBlob { moved, .. }] if moved.exists()));
}

#[test]
fn a_store_that_may_not_be_written_can_be_read() {
    let (root, store) = store();
    publish(&store, "train", "weights");
    let (damaged, _) = publish(&store, "damaged", "other");
    let blob = store.tree(&damaged.outputs["last"]).unwrap().unwrap().files["weights"].digest;
    let blob = store.blob(&blob).unwrap().unwrap();
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, "OTHER").unwrap();

    set_modes(root.path(), 0o555);
    let output = processes::run_unprivileged("read-only", &store);
    set_modes(root.path(), 0o755);
    match output {
        Some(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("done reading"), "{text}");
        }
        None => println!("skipped: this test binary can't run as another user"),
    }
}

fn set_modes(folder: &Path, mode: u32) {
    let set = |path: &Path| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    set(folder);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            set_modes(&path, mode);
        }
    }
}

/// A mounted file system of one megabyte.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` without the right to mount.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path()).output();
        mount.is_ok_and(|output| output.status.success()).then_some(SmallDisk(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_an_error_with_a_hint_and_leaves_nothing_half_written() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: no right to mount a small file system");
        return;
    };
    let store = Store::open(&disk.0.path().join("store")).unwrap();
    let (entry, _) = publish(&store, "train", "weights");
    let before = files_below(&store.root().join("objects"));

    let outside = tempfile::tempdir().unwrap();
    let large = outside.path().join("large");
    std::fs::write(&large, vec![7; 3 << 20]).unwrap();
    for error in [
        store.ingest_file(&large).unwrap_err(),
        store.ingest_folder(outside.path()).unwrap_err(),
        store.ingest_bytes(&vec![8; 3 << 20]).unwrap_err(),
        store.write_atomic(&store.runs_dir().join("log"), &vec![9; 3 << 20]).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error:?}");
        assert!(error.hint().unwrap().contains("free some space"));
    }
    assert_eq!(files_below(&store.root().join("objects")), before);
    assert!(files_below(&store.runs_dir()).is_empty());
    assert_eq!(store.get(&entry.key).unwrap(), Some(entry));
    assert!(store.ingest_bytes(b"small").is_ok(), "it goes on where there is room");
}
