use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{files_below, make_folder, store};
use crate::{Store, StoreError};

fn refused(store: &Store, folder: &Path) -> String {
    match store.ingest_folder(folder) {
        Err(error @ StoreError::Refused { .. }) => error.to_string(),
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn links_and_special_files_are_no_part_of_an_artifact() {
    let (root, store) = store();
    let target = make_folder(root.path(), "target", &[("secret", b"s")]);

    let folder = make_folder(root.path(), "file link", &[("a", b"1")]);
    symlink(target.join("secret"), folder.join("b")).unwrap();
    assert!(refused(&store, &folder).ends_with("b: it is a symbolic link"));

    let folder = make_folder(root.path(), "folder link", &[("deep/a", b"1")]);
    symlink(&target, folder.join("deep/b")).unwrap();
    assert!(refused(&store, &folder).ends_with("b: it is a symbolic link"));

    let folder = make_folder(root.path(), "socket", &[]);
    let _listener = std::os::unix::net::UnixListener::bind(folder.join("s")).unwrap();
    assert!(refused(&store, &folder).ends_with("s: it is not a regular file"));

    assert!(matches!(store.ingest_file(&root.path().join("file link/b")), Err(StoreError::Refused { .. })));
    assert!(matches!(store.ingest_file(&target), Err(StoreError::Refused { .. })));
    assert!(store.ingest_folder(&root.path().join("missing")).is_err());
}

#[test]
fn names_that_other_machines_could_not_hold_are_refused() {
    let (root, store) = store();
    for (place, name) in [&b"new\nline"[..], b"back\\slash", b"\xff\xfe"].into_iter().enumerate() {
        let folder = make_folder(root.path(), &format!("folder {place}"), &[]);
        std::fs::write(folder.join(OsStr::from_bytes(name)), "x").unwrap();
        refused(&store, &folder);
    }
    assert!(files_below(&store.root().join("objects")).is_empty());
}

#[test]
fn a_restore_does_not_leave_its_folder_through_a_link() {
    let (root, store) = store();
    let folder = make_folder(root.path(), "output", &[("figures/a.svg", b"new"), ("table", b"new")]);
    let (digest, _) = store.ingest_folder(&folder).unwrap();
    let outside = make_folder(root.path(), "outside", &[("a.svg", b"kept"), ("table", b"kept")]);

    let to = make_folder(root.path(), "to", &[]);
    symlink(outside.join("table"), to.join("table")).unwrap();
    symlink(&outside, to.join("figures")).unwrap();
    let error = store.restore(&digest, &to, crate::RestoreAs::Copy).unwrap_err();
    assert!(matches!(&error, StoreError::Refused { path, .. } if path.ends_with("to/figures")), "{error}");

    std::fs::remove_file(to.join("figures")).unwrap();
    store.restore(&digest, &to, crate::RestoreAs::Copy).unwrap().unwrap();
    assert_eq!(std::fs::read(to.join("table")).unwrap(), b"new");
    assert!(!to.join("table").is_symlink());
    for kept in ["a.svg", "table"] {
        assert_eq!(std::fs::read(outside.join(kept)).unwrap(), b"kept");
    }
}
