use std::fs::{File, FileTimes};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{files_below, publish, settle, store};
use crate::{Digest, Notice, Published, Store};

/// Changes the file at `path` and gives it back its old modification time, as a careless tool would.
fn overwrite(path: &Path, bytes: &[u8]) {
    let modified = std::fs::metadata(path).unwrap().modified().unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(path, bytes).unwrap();
    File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(modified)).unwrap();
}

type Damage = fn(&Path, &Path);

const DAMAGES: [(&str, Damage); 8] = [
    ("truncated", |blob, _| {
        let bytes = std::fs::read(blob).unwrap();
        overwrite(blob, &bytes[..bytes.len() / 2]);
    }),
    ("emptied", |blob, _| overwrite(blob, b"")),
    ("zero-filled", |blob, _| {
        let size = std::fs::metadata(blob).unwrap().len() as usize;
        overwrite(blob, &vec![0; size]);
    }),
    ("a flipped bit", |blob, _| {
        let mut bytes = std::fs::read(blob).unwrap();
        bytes[3] ^= 1;
        overwrite(blob, &bytes);
    }),
    ("longer", |blob, _| {
        let mut bytes = std::fs::read(blob).unwrap();
        bytes.push(0);
        overwrite(blob, &bytes);
    }),
    ("swapped with a valid blob", |blob, other| {
        std::fs::copy(other, blob.with_extension("copy")).unwrap();
        std::fs::rename(blob.with_extension("copy"), blob).unwrap();
    }),
    ("a link to the right bytes", |blob, _| {
        let away = blob.with_extension("away");
        std::fs::rename(blob, &away).unwrap();
        std::os::unix::fs::symlink(&away, blob).unwrap();
    }),
    ("a folder", |blob, _| {
        std::fs::remove_file(blob).unwrap();
        std::fs::create_dir(blob).unwrap();
    }),
];

#[test]
fn a_damaged_blob_is_set_aside_and_rebuilt_whatever_the_damage() {
    for size in [100, 1_000_000] {
        for (what, damage) in DAMAGES {
            let (_root, store) = store();
            let bytes: Vec<u8> = (0..size).map(|i| (i % 127) as u8 + 1).collect();
            let digest = store.ingest_bytes(&bytes).unwrap();
            let other = store.ingest_bytes(b"another valid blob").unwrap();
            settle();
            // The memo knows both blobs now.
            let blob = store.blob(&digest).unwrap().unwrap();
            let other = store.blob(&other).unwrap().unwrap();

            damage(&blob, &other);
            assert_eq!(store.blob(&digest).unwrap(), None, "{what}");
            assert!(!blob.exists(), "{what}");
            let notices = store.take_notices();
            let [Notice::DamagedBlob { digest: named, moved }] = notices.as_slice() else { panic!("{what}: {notices:?}") };
            assert_eq!(*named, digest);
            assert!(moved.starts_with(store.root().join("objects/damaged")) && moved.symlink_metadata().is_ok(), "{what}");

            assert_eq!(store.ingest_bytes(&bytes).unwrap(), digest);
            assert_eq!(std::fs::read(store.blob(&digest).unwrap().unwrap()).unwrap(), bytes, "{what}");
        }
    }
}

#[test]
fn damage_is_noticed_by_a_later_process_too() {
    let (root, store) = store();
    let digest = store.ingest_bytes(b"some bytes").unwrap();
    settle();
    let blob = store.blob(&digest).unwrap().unwrap();
    drop(store);
    overwrite(&blob, b"sOme bytes");
    let store = Store::open(&root.path().join("store")).unwrap();
    assert_eq!(store.blob(&digest).unwrap(), None);
}

#[test]
fn an_entry_whose_file_or_manifest_is_damaged_is_a_miss() {
    for victim in ["file", "manifest"] {
        let (_root, store) = store();
        let (entry, _) = publish(&store, "train", "weights");
        assert_eq!(store.get(&entry.key).unwrap().as_ref(), Some(&entry));
        let tree = store.tree(&entry.outputs["last"]).unwrap().unwrap();
        let digest = if victim == "file" { tree.files["weights"].digest } else { tree.digest() };
        overwrite(&store.blob(&digest).unwrap().unwrap(), b"garbage");
        assert_eq!(store.get(&entry.key).unwrap(), None, "{victim}");
        assert_eq!(store.peek(&entry.key).unwrap().as_ref(), Some(&entry), "{victim}");

        // The same bytes made again repair it: nothing is superseded.
        let (again, published) = publish(&store, "train", "weights");
        assert_eq!(published, Published::Existing(Box::new(entry)), "{victim}");
        assert_eq!(store.get(&again.key).unwrap(), Some(again), "{victim}");
    }
}

#[test]
fn a_blob_that_is_no_manifest_is_a_miss_and_stays() {
    let (_root, store) = store();
    let digest = store.ingest_bytes(b"no manifest").unwrap();
    assert_eq!(store.tree(&digest).unwrap(), None);
    assert!(matches!(store.take_notices().as_slice(), [Notice::NotAManifest { .. }]));
    assert!(store.blob(&digest).unwrap().is_some());
}

#[test]
fn a_damaged_entry_is_set_aside_and_replaced() {
    let damages: [(&str, Damage); 4] = [
        ("emptied", |path, _| std::fs::write(path, "").unwrap()),
        ("a flipped bit", |path, _| {
            let mut bytes = std::fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 4;
            std::fs::write(path, bytes).unwrap();
        }),
        ("another key's", |path, other| {
            std::fs::copy(other, path).unwrap();
        }),
        ("a link", |path, other| {
            std::fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink(other, path).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let (_root, store) = store();
        let (entry, _) = publish(&store, "train", "weights");
        let (other, _) = publish(&store, "other", "weights");
        damage(&store.layout.entry(&entry.key), &store.layout.entry(&other.key));
        assert_eq!(store.get(&entry.key).unwrap(), None, "{what}");
        let notices = store.take_notices();
        assert!(matches!(notices.as_slice(), [Notice::DamagedEntry { key, .. }] if *key == entry.key), "{what}: {notices:?}");
        assert_eq!(store.entries().unwrap().collect::<Result<Vec<_>, _>>().unwrap(), [other]);
        assert_eq!(publish(&store, "train", "weights").1, Published::New, "{what}");
        assert_eq!(store.get(&entry.key).unwrap(), Some(entry), "{what}");
    }
}

#[test]
fn an_entry_of_another_version_is_a_miss_with_a_notice_and_stays_until_replaced() {
    let (_root, store) = store();
    let (entry, _) = publish(&store, "train", "weights");
    let path = store.layout.entry(&entry.key);
    for version in [0, 2, 4_000_000_000_u32] {
        let text = format!("{{\"planish-entry\":{version}}}\nwhatever");
        std::fs::write(&path, &text).unwrap();
        assert_eq!(store.get(&entry.key).unwrap(), None);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        let notices = store.take_notices();
        assert_eq!(notices, [Notice::OtherVersion { key: entry.key, found: version, supported: 1 }]);
        assert!(notices[0].to_string().contains(&format!("format version {version}")));
    }
    assert_eq!(publish(&store, "train", "weights").1, Published::New);
    assert_eq!(store.get(&entry.key).unwrap(), Some(entry));
}

#[test]
fn strange_files_in_the_store_are_left_alone() {
    let (_root, store) = store();
    let (entry, _) = publish(&store, "train", "weights");
    for stray in ["index/README", "index/ab", "objects/note", "notes.txt"] {
        std::fs::write(store.root().join(stray), "mine").unwrap();
    }
    std::fs::write(store.layout.entry(&entry.key).with_extension("bak"), "mine").unwrap();
    assert_eq!(store.entries().unwrap().map(Result::unwrap).count(), 1);
    let strays = files_below(store.root()).into_iter().filter(|path| std::fs::read(path).unwrap() == b"mine").count();
    assert_eq!(strays, 5);
    assert_eq!(store.blob(&Digest::of(b"nothing")).unwrap(), None);
}
