use std::collections::BTreeMap;
use std::path::Path;

use super::{publish, store};
use crate::{Digest, Key, Root, Store, StoreError};

fn key(text: &str) -> Key {
    Key::new(Digest::of(text.as_bytes()))
}

fn plan(store: &Store, reached: &[(&str, &str)], whole: bool) {
    let mut root = store.plan_root(Path::new("/elsewhere/pipeline.toml"), Some("small")).unwrap();
    for (instance, text) in reached {
        root.reaches(store, instance, &key(text)).unwrap();
    }
    root.end(store, whole.then(|| reached.iter().map(|(instance, _)| *instance))).unwrap();
}

fn only(store: &Store) -> Root {
    let roots = store.roots().unwrap();
    let [root] = roots.as_slice() else { panic!("{roots:?}") };
    root.clone()
}

fn keys(reached: &[(&str, &str)]) -> BTreeMap<String, Key> {
    reached.iter().map(|(instance, text)| ((*instance).to_owned(), key(text))).collect()
}

#[test]
fn the_latest_plan_of_a_profile_is_remembered() {
    let (_root, store) = store();
    assert_eq!(store.roots().unwrap(), []);
    plan(&store, &[("a", "1"), ("b[x=\"ü\\n\"]", "2"), ("b\nc", "3")], true);
    let root = only(&store);
    assert_eq!((root.title.as_str(), root.pinned, root.damaged), ("/elsewhere/pipeline.toml, profile small", false, false));
    assert_eq!(root.keys, keys(&[("a", "1"), ("b[x=\"ü\\n\"]", "2"), ("b\\u{a}c", "3")]));
    plan(&store, &[("a", "1"), ("b", "4")], true);
    assert_eq!(only(&store).keys, keys(&[("a", "1"), ("b", "4")]), "a whole plan replaces what was");
    plan(&store, &[("b", "5")], false);
    assert_eq!(only(&store).keys, keys(&[("a", "1"), ("b", "5")]), "a part of a plan leaves the others");
}

#[test]
fn a_plan_that_reaches_the_same_writes_nothing() {
    let (_root, store) = store();
    let reached = [("a", "1"), ("b\n", "2")];
    plan(&store, &reached, true);
    let path = std::fs::read_dir(store.layout.roots()).unwrap().next().unwrap().unwrap().path();
    let before = std::fs::metadata(&path).unwrap().modified().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    plan(&store, &reached, true);
    plan(&store, &reached, false);
    assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), before);
}

#[test]
fn a_run_that_was_killed_has_said_what_it_reached() {
    let (_root, store) = store();
    plan(&store, &[("a", "1"), ("b", "1")], true);
    let mut root = store.plan_root(Path::new("/elsewhere/pipeline.toml"), Some("small")).unwrap();
    root.reaches(&store, "a", &key("2")).unwrap();
    root.reaches(&store, "a", &key("3")).unwrap();
    std::mem::forget(root);
    assert_eq!(only(&store).keys, keys(&[("a", "3"), ("b", "1")]));
    plan(&store, &[("a", "3"), ("b", "1")], true);
    let text = std::fs::read_to_string(std::fs::read_dir(store.layout.roots()).unwrap().next().unwrap().unwrap().path()).unwrap();
    assert_eq!(text.lines().count(), 4, "the next run tidies up:\n{text}");
}

#[test]
fn any_damage_to_a_root_is_noticed_and_the_next_run_repairs_it() {
    let (_root, store) = store();
    let reached = [("a", "1"), ("b", "2")];
    plan(&store, &reached, true);
    let path = std::fs::read_dir(store.layout.roots()).unwrap().next().unwrap().unwrap().path();
    let good = std::fs::read(&path).unwrap();
    let title_ends = good.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(1).unwrap().0;
    for place in (0..15).chain(title_ends..good.len() - 1) {
        let mut bad = good.clone();
        bad[place] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        assert!(only(&store).damaged, "flipped at {place}");
        assert!(matches!(store.collect(&crate::CollectOptions::default()), Err(StoreError::Invalid(_))));
        plan(&store, &reached, true);
        assert_eq!((only(&store).keys, only(&store).damaged), (keys(&reached), false), "flipped at {place}");
    }
    // A line that a killed run left open was not begun.
    std::fs::write(&path, &good[..good.len() - 5]).unwrap();
    assert_eq!((only(&store).keys, only(&store).damaged), (keys(&[("a", "1")]), false));
    plan(&store, &reached, true);
    assert_eq!(std::fs::read(&path).unwrap(), good);
    for bad in [vec![], vec![0; good.len()], vec![0xff; 10]] {
        std::fs::write(&path, &bad).unwrap();
        assert!(only(&store).damaged);
    }
}

#[test]
fn a_folder_that_moves_with_its_store_keeps_its_root() {
    let root = tempfile::tempdir().unwrap();
    let (here, there) = (root.path().join("here"), root.path().join("there"));
    let reach = |folder: &Path| {
        let store = Store::open(&folder.join(".planish")).unwrap();
        let mut root = store.plan_root(&folder.join("pipeline.toml"), None).unwrap();
        root.reaches(&store, "a", &key("1")).unwrap();
        root.end(&store, Some(["a"].into_iter())).unwrap();
        store.roots().unwrap()
    };
    std::fs::create_dir(&here).unwrap();
    assert_eq!(reach(&here)[0].title, "pipeline.toml");
    std::fs::rename(&here, &there).unwrap();
    assert_eq!(reach(&there).len(), 1);
}

#[test]
fn what_falls_out_of_a_plan_is_as_old_as_that_moment() {
    let (_root, store) = store();
    let (entry, _) = publish(&store, "a", "one");
    let path = store.layout.entry(&entry.key);
    let old = std::time::SystemTime::UNIX_EPOCH;
    std::fs::File::open(&path).unwrap().set_times(std::fs::FileTimes::new().set_modified(old)).unwrap();
    plan(&store, &[("x", "a")], true);
    assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), old);
    plan(&store, &[("x", "b")], true);
    assert!(std::fs::metadata(&path).unwrap().modified().unwrap() > old);
}

#[test]
fn pins_have_names() {
    let (_root, store) = store();
    store.pin("camera-ready", &keys(&[("a", "1")])).unwrap();
    let root = only(&store);
    assert_eq!((root.title.as_str(), root.pinned, root.keys), ("camera-ready", true, keys(&[("a", "1")])));
    for bad in ["", "../x", "a/b", "a\nb", "ü", &"x".repeat(101)] {
        assert!(matches!(store.pin(bad, &BTreeMap::new()), Err(StoreError::Invalid(_))), "{bad:?}");
        assert!(store.unpin(bad).is_err());
    }
    assert!(store.unpin("camera-ready").unwrap());
    assert!(!store.unpin("camera-ready").unwrap());
    assert_eq!(store.roots().unwrap(), []);
}
