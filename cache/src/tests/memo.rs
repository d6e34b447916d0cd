use std::fs::{File, FileTimes};

use super::{settle, store};
use crate::{Digest, Store, StoreError, fs};

#[test]
fn an_unchanged_file_is_not_read_again_even_by_a_later_process() {
    let (root, store) = store();
    let path = root.path().join("input");
    std::fs::write(&path, "content").unwrap();
    settle();
    assert_eq!(store.hash_file(&path).unwrap(), Digest::of(b"content"));
    // A false record shows that the memo is what answers.
    let stat = fs::stat(&path).unwrap().unwrap();
    assert_eq!(store.memo().find(&stat), Some(Digest::of(b"content")));
    store.memo().note(&stat, Digest::of(b"false"), fs::now());
    assert_eq!(store.hash_file(&path).unwrap(), Digest::of(b"false"));
    drop(store);
    let store = Store::open(&root.path().join("store")).unwrap();
    assert_eq!(store.hash_file(&path).unwrap(), Digest::of(b"false"));

    std::fs::write(&path, "CONTENT").unwrap();
    assert_eq!(store.hash_file(&path).unwrap(), Digest::of(b"CONTENT"));
}

#[test]
fn a_damaged_memo_only_costs_time() {
    let (root, store) = store();
    let digest = store.ingest_bytes(b"bytes").unwrap();
    settle();
    store.blob(&digest).unwrap();
    drop(store);
    let memo = root.path().join("store/memo");
    let mut bytes = std::fs::read(&memo).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&memo, &bytes).unwrap();
    let store = Store::open(&root.path().join("store")).unwrap();
    assert!(store.blob(&digest).unwrap().is_some());
    store.save_memo().unwrap();
    assert_ne!(std::fs::read(&memo).unwrap(), bytes);
}

#[test]
fn a_change_within_the_same_tick_with_size_and_time_kept_is_seen() {
    let (root, store) = store();
    let path = root.path().join("input");
    for round in 0..300_u32 {
        let (old, new) = (format!("old {round:4}"), format!("new {round:4}"));
        std::fs::write(&path, &old).unwrap();
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(store.hash_file(&path).unwrap(), Digest::of(old.as_bytes()));
        // No delay: on most kernels this gets the very stamp of the first write.
        std::fs::write(&path, &new).unwrap();
        File::options().write(true).open(&path).unwrap().set_times(FileTimes::new().set_modified(modified)).unwrap();
        assert_eq!(store.hash_file(&path).unwrap(), Digest::of(new.as_bytes()), "round {round}");
    }
}

#[test]
fn links_are_followed_for_the_users_files_and_other_things_refused() {
    let (root, store) = store();
    let path = root.path().join("input");
    std::fs::write(&path, "content").unwrap();
    let link = root.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(store.hash_file(&link).unwrap(), Digest::of(b"content"));
    assert!(matches!(store.hash_file(root.path()), Err(StoreError::Refused { .. })));
    let missing = store.hash_file(&root.path().join("missing")).unwrap_err();
    assert!(missing.to_string().starts_with("can't read ") && missing.hint() == Some("check the path"), "{missing}");
}
