use std::os::unix::fs::PermissionsExt;

use super::{files_below, store};
use crate::{Digest, Notice, Store};

fn key(number: u32) -> Digest {
    Digest::of(&number.to_le_bytes())
}

fn value(number: u32) -> Vec<u8> {
    format!("value of {number} ").repeat(number as usize % 50).into_bytes()
}

fn parts(numbers: std::ops::Range<u32>) -> impl Iterator<Item = (Digest, Vec<u8>)> {
    numbers.map(|number| (key(number), value(number)))
}

/// Which of the first `count` sub-results are there; each of them must be right.
fn present(store: &Store, count: u32) -> Vec<u32> {
    let memo = store.parts();
    (0..count).filter(|number| memo.get(&key(*number)).inspect(|found| assert_eq!(*found, value(*number))).is_some()).collect()
}

fn packs(store: &Store) -> Vec<std::path::PathBuf> {
    let parts = store.root().join("parts");
    if parts.exists() { files_below(&parts) } else { Vec::new() }
}

#[test]
fn sub_results_are_found_by_their_keys_here_and_by_others() {
    let (root, store) = store();
    assert_eq!(store.parts().get(&key(0)), None);
    assert!(packs(&store).is_empty(), "asking makes nothing");
    let memo = store.parts();
    memo.put_many(parts(0..1000)).unwrap();
    assert_eq!(packs(&store).len(), 1, "a thousand share one object");
    assert_eq!(memo.get(&key(999)), Some(value(999)));
    assert_eq!(memo.get(&key(1000)), None);

    let other = Store::open(&root.path().join("store")).unwrap();
    let theirs = other.parts();
    assert_eq!(theirs.get(&key(50)), Some(Vec::new()), "an empty value is a value");
    memo.put_many(parts(1000..1001)).unwrap();
    assert_eq!(theirs.get(&key(1000)), Some(value(1000)), "what came later is found too");
    memo.put_many(std::iter::empty()).unwrap();
    memo.put_many(parts(0..1001)).unwrap();
    assert_eq!(packs(&store).len(), 2, "what is there is not stored again");
}

#[test]
fn the_first_of_equal_keys_stands() {
    let (_root, store) = store();
    let memo = store.parts();
    memo.put_many([(key(1), b"first".to_vec()), (key(1), b"second".to_vec())]).unwrap();
    memo.put_many([(key(1), b"third".to_vec())]).unwrap();
    assert_eq!(memo.get(&key(1)).unwrap(), b"first");
}

#[test]
fn large_values_get_packs_of_their_own() {
    let (_root, store) = store();
    let large = |byte: u8| vec![byte; 40 << 20];
    store.parts().put_many([(key(1), large(1)), (key(2), large(2)), (key(3), vec![3])]).unwrap();
    assert_eq!(packs(&store).len(), 2);
    for (number, expected) in [(1, large(1)), (2, large(2)), (3, vec![3])] {
        assert!(store.parts().get(&key(number)).unwrap() == expected);
    }
}

/// Overwrites part of the only pack's object.
fn damage(store: &Store, change: impl FnOnce(&mut Vec<u8>)) {
    let digest = packs(store)[0].file_name().unwrap().to_str().unwrap().parse().unwrap();
    let path = store.layout.object(&digest);
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(&path, bytes).unwrap();
}

#[test]
fn a_damaged_value_is_a_miss_and_the_others_are_saved() {
    let (root, store) = store();
    store.parts().put_many(parts(0..100)).unwrap();
    damage(&store, |bytes| *bytes.last_mut().unwrap() ^= 1);
    let memo = store.parts();
    assert_eq!(memo.get(&key(99)), None);
    assert!(matches!(store.take_notices().as_slice(), [Notice::DamagedBlob { moved, .. }] if moved.exists()));
    assert_eq!(memo.get(&key(98)), Some(value(98)));
    assert_eq!(present(&store, 100), (0..99).collect::<Vec<_>>());

    memo.put_many(parts(99..100)).unwrap();
    assert_eq!(memo.get(&key(99)), Some(value(99)));
    assert_eq!(present(&Store::open(&root.path().join("store")).unwrap(), 100), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_memo_with_any_damage_is_a_smaller_memo() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 6] = [
        ("a header bit flipped", |bytes| bytes[30] ^= 4),
        ("a count that can't be", |bytes| bytes[16..24].fill(0xff)),
        ("truncated", |bytes| bytes.truncate(bytes.len() / 2)),
        ("emptied", Vec::clear),
        ("zero-filled", |bytes| bytes.fill(0)),
        ("longer", |bytes| bytes.push(0)),
    ];
    for (what, change) in damages {
        let (root, store) = store();
        store.parts().put_many(parts(0..20)).unwrap();
        damage(&store, change);
        assert!(present(&store, 20).is_empty(), "{what}");
        store.parts().put_many(parts(0..20)).unwrap();
        assert_eq!(present(&Store::open(&root.path().join("store")).unwrap(), 20).len(), 20, "{what}");
    }
}

#[test]
fn a_memo_that_lost_packs_marks_or_everything_is_a_smaller_memo() {
    let (root, store) = store();
    let memo = store.parts();
    for start in [0, 10, 20] {
        memo.put_many(parts(start..start + 10)).unwrap();
    }
    let digest: Digest = packs(&store)[0].file_name().unwrap().to_str().unwrap().parse().unwrap();
    std::fs::remove_file(store.layout.object(&digest)).unwrap();
    assert_eq!(present(&store, 30).len(), 20, "an object is gone");
    assert_eq!((0..30).filter(|number| memo.get(&key(*number)).is_some()).count(), 20, "also for one who knew it");
    std::fs::remove_file(&packs(&store)[1]).unwrap();
    assert!(present(&store, 30).len() >= 10, "a mark is gone");
    std::fs::write(root.path().join("store/parts/README"), "mine").unwrap();
    std::fs::create_dir(store.layout.part(&key(77))).unwrap();
    assert!(present(&store, 30).len() >= 10, "strange files");
    std::fs::remove_dir_all(root.path().join("store/parts")).unwrap();
    assert!(present(&store, 30).is_empty());
    store.parts().put_many(parts(0..30)).unwrap();
    assert_eq!(present(&store, 30).len(), 30);
}

#[test]
fn threads_share_a_memo() {
    let (_root, store) = store();
    let memo = store.parts();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let memo = &memo;
            scope.spawn(move || {
                for round in 0..10 {
                    memo.put_many(parts(round * 10..round * 10 + 10)).unwrap();
                    let number = (round * 7 + thread) % (round * 10 + 10);
                    assert!(memo.get(&key(number)).is_none_or(|found| found == value(number)));
                }
            });
        }
    });
    assert_eq!(present(&store, 100).len(), 100);
}
