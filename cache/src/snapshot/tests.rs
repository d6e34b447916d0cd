use super::*;

fn known(text: &str) -> Known {
    Known { entry: Digest::of(text.as_bytes()), outputs: vec![("out".to_owned(), Digest::of(b"tree"))] }
}

fn key(text: &str) -> Key {
    Key::new(Digest::of(text.as_bytes()))
}

fn full() -> Snapshot {
    let mut snapshot = Snapshot::default();
    snapshot.note_result(key("a"), known("a"));
    snapshot.note_result(key("b"), Known { entry: Digest::of(b"b"), outputs: Vec::new() });
    snapshot.note_tree(Digest::of(b"tree"), vec![("é".to_owned(), Digest::of(b"1")), ("x/y".to_owned(), Digest::of(b"2"))]);
    snapshot
}

#[test]
fn what_is_saved_loads_and_merges() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let (mut first, mut second) = (full(), Snapshot::default());
    second.note_result(key("c"), known("c"));
    first.save(&path, folder.path()).unwrap();
    assert!(!first.has_news());
    second.save(&path, folder.path()).unwrap();
    let loaded = Snapshot::load(&path);
    for text in ["a", "c"] {
        assert_eq!(loaded.result(&key(text)), Some(known(text)), "{text}");
    }
    assert_eq!(loaded.result(&key("b")).map(|known| known.outputs), Some(Vec::new()));
    assert_eq!(loaded.tree(&Digest::of(b"tree")), full().tree(&Digest::of(b"tree")));
    assert_eq!((loaded.result(&key("d")), loaded.tree(&Digest::of(b"d"))), (None, None));
}

#[test]
fn the_latest_of_two_results_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let mut snapshot = full();
    snapshot.save(&path, folder.path()).unwrap();
    snapshot.note_result(key("a"), known("another"));
    assert_eq!(snapshot.result(&key("a")), Some(known("another")));
    snapshot.save(&path, folder.path()).unwrap();
    assert_eq!(Snapshot::load(&path).result(&key("a")), Some(known("another")));
    snapshot.note_result(key("a"), known("another"));
    assert!(!snapshot.has_news());
}

#[test]
fn a_manifest_that_no_result_names_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let mut snapshot = full();
    snapshot.note_tree(Digest::of(b"stray"), Vec::new());
    snapshot.save(&path, folder.path()).unwrap();
    assert_eq!(Snapshot::load(&path).tree(&Digest::of(b"stray")), None);
}

#[test]
fn a_damaged_snapshot_is_an_empty_one() {
    let full = full();
    let good = encode(&full.results, &full.trees);
    assert!(Base::of(good.clone()).is_some());
    for cut in 0..good.len() {
        assert!(Base::of(good[..cut].to_vec()).is_none(), "cut at {cut}");
    }
    for place in 0..good.len() {
        let mut bad = good.clone();
        bad[place] ^= 0x10;
        assert!(Base::of(bad).is_none(), "flipped at {place}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(Snapshot::load(folder.path()).result(&key("a")).is_none());
}

#[test]
fn lines_that_share_what_they_say_are_refused() {
    let lines = 1000;
    let mut bytes = MAGIC.to_vec();
    let count = u32::try_from(lines).unwrap();
    bytes.extend([count.to_le_bytes(), 0_u32.to_le_bytes()].concat());
    let start = u32::try_from(Base::TABLES + lines * LINE).unwrap();
    for n in 0..lines {
        bytes.extend(Digest::of(&n.to_le_bytes()).as_bytes());
        bytes.extend(start.to_le_bytes());
    }
    // One long list, for all of them.
    bytes.extend(Digest::of(b"entry").as_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend([0; NUMBER + DIGEST].repeat(lines));
    let checksum = Digest::of(&bytes);
    bytes.extend(checksum.as_bytes());
    assert!(Base::of(bytes).is_none());
}

#[test]
fn dishonest_numbers_with_a_right_checksum_say_nothing() {
    let full = full();
    let good = encode(&full.results, &full.trees);
    for place in MAGIC.len()..good.len() - DIGEST {
        let mut bad = good[..good.len() - DIGEST].to_vec();
        bad[place] = 0xff;
        let checksum = Digest::of(&bad);
        bad.extend(checksum.as_bytes());
        if let Some(base) = Base::of(bad) {
            let _ = (base.results(), base.trees(), base.result(&key("a")), base.tree(&Digest::of(b"tree")));
        }
    }
}
