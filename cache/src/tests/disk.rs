use std::fs::OpenOptions;
use std::path::Path;

use crate::fs::{CHUNK, Links, PARALLEL, hash, hash_blob, list, open, write_all, write_atomic};
use crate::{Action, Digest, StoreError};

#[test]
fn a_full_disk_is_told_as_such() {
    // The kernel's own full device: every write to it fails with ENOSPC.
    let path = Path::new("/dev/full");
    let full = OpenOptions::new().write(true).open(path).unwrap();
    let error = write_all(&full, b"x", path).unwrap_err();
    assert!(matches!(error, StoreError::DiskFull { action: Action::Write, .. }), "{error:?}");
}

#[test]
fn only_regular_files_open() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("/etc/hostname", &link).unwrap();
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for path in [folder.path(), Path::new("/dev/null"), &link, &socket] {
        assert!(matches!(open(path, Links::Refuse), Err(StoreError::Refused { .. })), "{}", path.display());
    }
}

#[test]
fn both_ways_of_hashing_agree_with_blake3_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for size in [0, 1, 20_000, PARALLEL, (CHUNK as usize) * 2 + 17] {
        let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let (mut file, stat) = open(&path, Links::Refuse).unwrap();
        assert_eq!(hash(&mut file, &path, stat.size).unwrap(), Digest::of(&bytes), "{size}");
        assert_eq!(hash_blob(&path).unwrap(), Some(Digest::of(&bytes)), "{size}");
    }
}

#[test]
fn an_atomic_write_replaces_a_link_and_leaves_its_target() {
    let folder = tempfile::tempdir().unwrap();
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    std::fs::write(&target, "kept").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    write_atomic(&link, b"new", folder.path()).unwrap();
    assert_eq!(std::fs::read(&link).unwrap(), b"new");
    assert_eq!(std::fs::read(&target).unwrap(), b"kept");
    assert_eq!(list(folder.path()).unwrap().len(), 2);
}
