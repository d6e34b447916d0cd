use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::{files_below, make_folder, settle, store};
use crate::{Digest, RestoreAs, Store, StoreError, fs};

fn stored(root: &Path, store: &Store) -> Digest {
    let folder = make_folder(root, "output", &[("a/weights", b"w"), ("b", b"w"), ("empty", b""), ("run.sh", b"#!/bin/sh")]);
    std::fs::set_permissions(folder.join("run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    store.ingest_folder(&folder).unwrap().0
}

fn is_known(store: &Store, digest: &Digest) -> bool {
    let stat = fs::stat(&store.layout.object(digest)).unwrap().unwrap();
    store.memo().find(&stat) == Some(*digest)
}

#[test]
fn a_restore_makes_the_store_hash_nothing_again() {
    for how in [RestoreAs::Copy, RestoreAs::HardLink] {
        let (root, store) = store();
        let digest = stored(root.path(), &store);
        settle();
        let tree = store.tree(&digest).unwrap().unwrap();
        for _ in 0..2 {
            store.restore(&digest, &root.path().join("to"), how).unwrap().unwrap();
            assert!(tree.files.values().all(|file| is_known(&store, &file.digest)), "{how:?}");
        }
        let names: Vec<_> = files_below(&root.path().join("to")).into_iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["weights", "b", "empty", "run.sh"], "{how:?}: nothing else is left");
    }
}

#[test]
fn a_write_to_a_copy_does_not_reach_the_store() {
    let (root, store) = store();
    let digest = stored(root.path(), &store);
    let to = root.path().join("to");
    store.restore(&digest, &to, RestoreAs::Copy).unwrap().unwrap();
    for path in files_below(&to) {
        std::fs::write(&path, "changed by the user").unwrap();
    }
    let again = root.path().join("again");
    store.restore(&digest, &again, RestoreAs::Copy).unwrap().unwrap();
    assert_eq!(std::fs::read(again.join("b")).unwrap(), b"w");
    assert!(store.take_notices().is_empty());
}

#[test]
fn hard_links_are_read_only_and_a_forced_write_is_noticed() {
    let (root, store) = store();
    let digest = stored(root.path(), &store);
    let to = root.path().join("to");
    store.restore(&digest, &to, RestoreAs::HardLink).unwrap().unwrap();
    let blob = std::fs::metadata(store.layout.object(&Digest::of(b"w"))).unwrap();
    for name in ["a/weights", "b"] {
        let file = std::fs::metadata(to.join(name)).unwrap();
        assert_eq!((file.ino(), file.permissions().mode() & 0o777), (blob.ino(), 0o444));
    }
    let script = std::fs::metadata(to.join("run.sh")).unwrap().permissions().mode();
    assert_eq!(script & 0o300, 0o300, "what has to be executable is a copy, and so the user's to change");

    std::fs::set_permissions(to.join("b"), PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(to.join("b"), "x").unwrap();
    assert_eq!(store.tree(&digest).unwrap(), None, "damaged, so a miss");
    assert_eq!(store.ingest_bytes(b"w").unwrap(), Digest::of(b"w"));
    assert!(store.tree(&digest).unwrap().is_some());
}

#[test]
fn a_link_in_the_way_is_replaced_and_not_followed() {
    for how in [RestoreAs::Copy, RestoreAs::HardLink] {
        let (root, store) = store();
        let digest = stored(root.path(), &store);
        let to = make_folder(root.path(), "to", &[]);
        std::fs::write(root.path().join("outside"), "kept").unwrap();
        std::os::unix::fs::symlink(root.path().join("outside"), to.join("b")).unwrap();
        store.restore(&digest, &to, how).unwrap().unwrap();
        assert_eq!(std::fs::read(root.path().join("outside")).unwrap(), b"kept");
        assert_eq!(std::fs::read(to.join("b")).unwrap(), b"w");
    }
}

#[test]
fn a_restore_to_another_file_system_copies_and_refuses_to_link() {
    let memory = Path::new("/dev/shm");
    let (root, store) = store();
    let digest = stored(root.path(), &store);
    let device = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev()).ok();
    if device(memory).is_none() || device(memory) == device(root.path()) {
        println!("skipped: no second file system at /dev/shm");
        return;
    }
    let to = tempfile::tempdir_in(memory).unwrap();
    let error = store.restore(&digest, &to.path().join("links"), RestoreAs::HardLink).unwrap_err();
    assert!(matches!(&error, StoreError::Refused { reason, .. } if reason.contains("another file system")), "{error}");
    store.restore(&digest, &to.path().join("copies"), RestoreAs::Copy).unwrap().unwrap();
    assert_eq!(files_below(&to.path().join("copies")).len(), 4);
    // A store there works like any other, and takes files from here.
    let other = Store::open(&to.path().join("store")).unwrap();
    assert_eq!(other.ingest_folder(&root.path().join("output")).unwrap().0, digest);
    assert!(other.write_atomic(&root.path().join("beside"), b"x").is_ok());
}
