use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::{files_below, make_folder, store};
use crate::{Digest, Key, Store};

#[test]
fn a_folder_comes_back_as_it_was() {
    let (root, store) = store();
    let large: Vec<u8> = (0..9_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let files: [(&str, &[u8]); 5] = [("a", b"1"), ("empty", b""), ("deep/er/b", b"22"), ("deep/c d.é", b"1"), ("large", &large)];
    let folder = make_folder(root.path(), "output", &files);
    std::fs::create_dir(folder.join("nothing in it")).unwrap();
    std::fs::set_permissions(folder.join("deep/er/b"), PermissionsExt::from_mode(0o755)).unwrap();

    let (digest, tree) = store.ingest_folder(&folder).unwrap();
    assert_eq!(tree.digest(), digest);
    assert_eq!(tree.size(), 9_000_004);
    assert_eq!(store.tree(&digest).unwrap(), Some(tree.clone()));
    let executable: Vec<bool> = tree.files.values().map(|file| file.executable).collect();
    assert_eq!(executable, [false, false, true, false, false]);
    assert_eq!(tree.files["a"].digest, tree.files["deep/c d.é"].digest);

    let restored = root.path().join("restored");
    assert_eq!(store.restore(&digest, &restored, crate::RestoreAs::Copy).unwrap(), Some(tree));
    assert_eq!(files_below(&restored).len(), files.len());
    for (name, bytes) in files {
        assert_eq!(std::fs::read(restored.join(name)).unwrap(), bytes, "{name}");
        let mode = std::fs::metadata(restored.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o100 != 0, name == "deep/er/b", "{name}");
        assert_eq!(mode & 0o200, 0o200, "{name} is the user's to change");
    }
}

#[test]
fn equal_content_has_one_blob_and_one_digest_everywhere() {
    let (root, first) = store();
    let second = Store::open(&root.path().join("second")).unwrap();
    let folder = make_folder(root.path(), "output", &[("x/1", b"same"), ("x/2", b"same"), ("y", b"other")]);
    let (digest, _) = first.ingest_folder(&folder).unwrap();
    assert_eq!(first.ingest_folder(&folder).unwrap().0, digest);
    assert_eq!(second.ingest_folder(&folder).unwrap().0, digest);
    assert_eq!(files_below(&first.root().join("objects")).len(), 3);

    let paths = first.folder(&digest).unwrap().unwrap();
    assert_eq!(paths.keys().collect::<Vec<_>>(), ["x/1", "x/2", "y"]);
    assert_eq!(paths["x/1"], paths["x/2"]);
    assert!(paths["y"].is_absolute());
    assert_eq!(std::fs::read(&paths["y"]).unwrap(), b"other");
}

#[test]
fn blobs_are_read_only_and_the_original_stays() {
    let (root, store) = store();
    let path = root.path().join("file");
    std::fs::write(&path, "text").unwrap();
    let digest = store.ingest_file(&path).unwrap();
    let blob = store.blob(&digest).unwrap().unwrap();
    assert_eq!(std::fs::metadata(&blob).unwrap().permissions().mode() & 0o777, 0o444);
    std::fs::write(&path, "changed").unwrap();
    assert_eq!(std::fs::read(&blob).unwrap(), b"text");
    assert_eq!(store.ingest_bytes(b"text").unwrap(), digest);
}

#[test]
fn what_is_not_there_is_a_miss() {
    let (root, store) = store();
    let digest = Digest::of(b"nowhere");
    assert_eq!(store.blob(&digest).unwrap(), None);
    assert_eq!(store.tree(&digest).unwrap(), None);
    assert_eq!(store.folder(&digest).unwrap(), None);
    assert_eq!(store.restore(&digest, &root.path().join("to"), crate::RestoreAs::Copy).unwrap(), None);
    assert!(!root.path().join("to").exists());
    assert!(store.take_notices().is_empty());
}

#[test]
fn an_empty_folder_is_an_artifact_too() {
    let (root, store) = store();
    let (digest, tree) = store.ingest_folder(&make_folder(root.path(), "output", &[])).unwrap();
    assert!(tree.files.is_empty());
    assert_eq!(store.tree(&digest).unwrap(), Some(tree));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..50_000)) {
        let (_root, store) = store();
        let digest = store.ingest_bytes(&bytes).unwrap();
        prop_assert_eq!(digest, Digest::of(&bytes));
        let path = store.blob(&digest).unwrap().unwrap();
        prop_assert_eq!(std::fs::read(path).unwrap(), bytes);
    }
}

#[test]
fn a_folder_that_is_taken_is_the_same_and_its_files_are_gone() {
    let (root, store) = store();
    let files: [(&str, &[u8]); 3] = [("a", b"1"), ("deep/b", b"22"), ("same", b"1")];
    let copied = store.ingest_folder(&make_folder(root.path(), "copied", &files)).unwrap();
    let other = Store::open(&root.path().join("other")).unwrap();
    let folder = make_folder(root.path(), "taken", &files);
    // Under another name it could still be written to, so the store has a copy of it.
    std::fs::hard_link(folder.join("deep/b"), root.path().join("link")).unwrap();
    assert_eq!(other.take_folder(&folder).unwrap(), copied);
    std::fs::write(root.path().join("link"), "spoiled").unwrap();
    assert!(!folder.join("a").exists());
    let blobs = other.folder(&copied.0).unwrap().unwrap();
    for (name, bytes) in files {
        assert_eq!(std::fs::read(&blobs[name]).unwrap(), bytes, "{name}");
        assert_eq!(std::fs::metadata(&blobs[name]).unwrap().permissions().mode() & 0o777, 0o444, "{name}");
    }
    std::os::unix::fs::symlink("a", folder.join("link")).unwrap();
    assert!(other.take_folder(&folder).is_err());
}

#[test]
fn a_key_is_locked_and_free_again_however_often() {
    let (root, store) = store();
    let other = Store::open(&root.path().join("store")).unwrap();
    let keys = ["a", "b", "a"].map(|text| Key::new(Digest::of(text.as_bytes())));
    for key in keys {
        let held = store.try_lock(&key).unwrap().unwrap();
        assert!(other.try_lock(&key).unwrap().is_none());
        drop(held);
        let held = other.try_lock(&key).unwrap().unwrap();
        assert!(store.try_lock(&key).unwrap().is_none());
        drop(held);
    }
    let (first, second) = (store.try_lock(&keys[0]).unwrap().unwrap(), store.try_lock(&keys[1]).unwrap().unwrap());
    assert!(other.try_lock(&keys[0]).unwrap().is_none() && other.try_lock(&keys[1]).unwrap().is_none());
    drop((second, first));
    assert!(other.try_lock(&keys[0]).unwrap().is_some() && other.try_lock(&keys[1]).unwrap().is_some());
}
