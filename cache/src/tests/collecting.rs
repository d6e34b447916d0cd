use std::fs::{File, FileTimes};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{files_below, make_folder, publish, store};
use crate::{CollectOptions, Collected, Digest, Entry, Garbage, Key, Store, StoreError};

const DAY: Duration = Duration::from_hours(24);

fn reach(store: &Store, entries: &[&Entry]) {
    let mut root = store.plan_root(Path::new("pipeline.toml"), None).unwrap();
    for entry in entries {
        root.reaches(store, &entry.instance, &entry.key).unwrap();
    }
    root.end(store, Some(entries.iter().map(|entry| entry.instance.as_str()))).unwrap();
}

/// What another process collects that relies on nothing.
fn collect(store: &Store, options: &CollectOptions) -> Collected {
    Store::open(store.root()).unwrap().collect(options).unwrap()
}

/// The same store as a process sees it that begins now.
fn reopened(store: Store) -> Store {
    let root = store.root().to_path_buf();
    drop(store);
    Store::open(&root).unwrap()
}

fn results(collected: &Collected) -> Vec<&str> {
    let name = |what: &'static str| what;
    let names = collected.removed.iter().map(|removed| match &removed.what {
        Garbage::Result { instance, .. } => instance.as_deref().unwrap_or("?"),
        Garbage::Checkpoints { .. } => name("checkpoints"),
        Garbage::Parts { .. } => name("parts"),
        Garbage::SetAside { .. } => name("set aside"),
        Garbage::Orphans { .. } => name("orphans"),
    });
    names.collect()
}

fn age(path: &Path, age: Duration) {
    File::open(path).unwrap().set_times(FileTimes::new().set_modified(SystemTime::now() - age)).unwrap();
}

fn size(store: &Store) -> u64 {
    let folders = ["objects", "index", "checkpoints"].map(|folder| files_below(&store.root().join(folder)));
    folders.concat().iter().map(|path| std::fs::symlink_metadata(path).unwrap().len()).sum()
}

#[test]
fn what_no_plan_reaches_goes_and_the_rest_stays_intact() {
    let (_root, store) = store();
    let (kept, _) = publish(&store, "kept", "shared");
    publish(&store, "gone", "only here");
    publish(&store, "gone too", "shared");
    store.ingest_bytes(b"left by a killed process").unwrap();
    reach(&store, &[&kept]);
    let store = reopened(store);

    let dry = collect(&store, &CollectOptions { dry_run: true, ..CollectOptions::default() });
    let before = size(&store);
    assert_eq!(store.entries().unwrap().count(), 3);
    let done = collect(&store, &CollectOptions::default());
    assert_eq!(done, dry, "a dry run says what is done");
    let mut names = results(&done);
    names.sort_unstable();
    assert_eq!(names, ["gone", "gone too", "orphans"]);
    assert_eq!(done.freed, before - size(&store), "what it says it freed is what is gone");
    assert_eq!((done.size, done.results, done.within_budget), (size(&store), 1, true));
    assert_eq!(store.get(&kept.key).unwrap(), Some(kept));
    assert_eq!(store.entries().unwrap().count(), 1);
    assert_eq!(files_below(&store.root().join("objects")).len(), 2);
    assert!(results(&collect(&reopened(store), &CollectOptions::default())).is_empty());
}

#[test]
fn pins_keep_what_no_plan_reaches() {
    let (_root, store) = store();
    let (pinned, _) = publish(&store, "pinned", "x");
    reach(&store, &[]);
    store.pin("paper", &[(pinned.instance.clone(), pinned.key)].into()).unwrap();
    let store = reopened(store);
    let done = collect(&store, &CollectOptions::default());
    assert!(done.removed.is_empty());
    assert_eq!(done.roots[0].title, "paper");
    store.unpin("paper").unwrap();
    assert_eq!(results(&collect(&store, &CollectOptions::default())), ["pinned"]);
}

#[test]
fn by_age_only_what_was_not_used_lately_goes() {
    let (_root, store) = store();
    for (instance, days) in [("old", 40), ("young", 20)] {
        let (entry, _) = publish(&store, instance, instance);
        age(&store.layout.entry(&entry.key), DAY * days);
    }
    let store = reopened(store);
    let options = CollectOptions { older_than: Some(DAY * 30), ..CollectOptions::default() };
    let done = collect(&store, &options);
    assert_eq!(results(&done), ["old"]);
    assert_eq!((done.results, done.unreached), (1, 1));
}

#[test]
fn by_size_the_longest_unused_go_first_and_no_more_than_needed() {
    let (_root, store) = store();
    let text = "x".repeat(10_000);
    for (instance, days) in [("third", 1), ("first", 3), ("second", 2)] {
        let (entry, _) = publish(&store, instance, &format!("{instance}{text}"));
        age(&store.layout.entry(&entry.key), DAY * days);
    }
    let (kept, _) = publish(&store, "kept", &text);
    reach(&store, &[&kept]);
    let store = reopened(store);
    let budget = |max_size| CollectOptions { max_size: Some(max_size), ..CollectOptions::default() };
    assert!(collect(&store, &budget(size(&store))).removed.is_empty());
    let done = collect(&store, &budget(size(&store) - 1));
    assert_eq!((results(&done), done.within_budget), (vec!["first"], true));
    let done = collect(&store, &budget(0));
    assert_eq!((results(&done), done.within_budget), (vec!["second", "third"], false), "what a plan reaches stays");
    assert_eq!(done.size, size(&store));
    assert!(store.get(&kept.key).unwrap().is_some());
}

#[test]
fn checkpoints_stay_for_work_that_may_go_on() {
    let (_root, store) = store();
    let keys = ["reached", "abandoned", "finished", "running"].map(|text| Key::new(Digest::of(text.as_bytes())));
    for key in &keys {
        std::fs::write(store.checkpoints(key).unwrap().join("slot-0"), "state").unwrap();
    }
    let mut root = store.plan_root(Path::new("pipeline.toml"), None).unwrap();
    root.reaches(&store, "reached", &keys[0]).unwrap();
    root.reaches(&store, "finished", &keys[2]).unwrap();
    root.end(&store, Some(["reached", "finished"].into_iter())).unwrap();
    publish(&store, "finished", "x");
    let store = reopened(store);
    let lock = store.try_lock(&keys[3]).unwrap().unwrap();
    let done = collect(&store, &CollectOptions::default());
    let mut removed: Vec<_> = done.removed.iter().map(|removed| removed.what.clone()).collect();
    removed.sort_unstable();
    let mut expected = [Garbage::Checkpoints { key: keys[1] }, Garbage::Checkpoints { key: keys[2] }];
    expected.sort_unstable();
    assert_eq!(removed, expected);
    drop(lock);
    assert_eq!(results(&collect(&store, &CollectOptions::default())), ["checkpoints"]);
    assert!(store.layout.checkpoints(&keys[0]).join("slot-0").exists());
}

#[test]
fn parts_go_by_use_and_by_size() {
    let (_root, store) = store();
    let parts = |number: u8| [(Digest::of(&[number]), vec![number; 100])];
    store.parts().put_many(parts(1)).unwrap();
    let mark = files_below(&store.layout.parts())[0].clone();
    store.parts().put_many(parts(2)).unwrap();
    let store = reopened(store);
    assert!(collect(&store, &CollectOptions::default()).removed.is_empty());
    age(&mark, DAY * 31);
    assert_eq!(store.parts().get(&Digest::of(&[1])), Some(vec![1; 100]));
    assert!(collect(&store, &CollectOptions::default()).removed.is_empty(), "it was used just now");
    age(&mark, DAY * 31);
    assert_eq!(results(&collect(&store, &CollectOptions::default())), ["parts"]);
    assert_eq!(store.parts().get(&Digest::of(&[1])), None);
    assert_eq!(store.parts().get(&Digest::of(&[2])), Some(vec![2; 100]));
    assert_eq!(results(&collect(&store, &CollectOptions { max_size: Some(0), ..CollectOptions::default() })), ["parts"]);
    assert_eq!(store.parts().get(&Digest::of(&[2])), None);
    assert_eq!(size(&store), 0);
}

#[test]
fn what_was_set_aside_goes() {
    let (_root, store) = store();
    let digest = store.ingest_bytes(b"bytes").unwrap();
    let blob = store.blob(&digest).unwrap().unwrap();
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, "BYTES").unwrap();
    assert_eq!(store.blob(&digest).unwrap(), None);
    let store = reopened(store);
    assert_eq!(results(&collect(&store, &CollectOptions::default())), ["set aside"]);
    assert_eq!(files_below(&store.layout.objects()).len(), 0);
}

#[test]
fn what_a_living_process_relies_on_stays() {
    let (root, store) = store();
    let (looked_up, _) = publish(&store, "looked up", "1");
    let (made, _) = publish(&store, "made", "2");
    let file = store.ingest_bytes(b"3").unwrap();
    let store = reopened(store);

    // One process looks up, another makes a result and has not published it yet.
    let engine = Store::open(store.root()).unwrap();
    assert!(engine.get(&looked_up.key).unwrap().is_some());
    let later = Key::new(Digest::of(b"later"));
    assert!(engine.get(&later).unwrap().is_none());
    engine.settle().unwrap();
    let worker = Store::open(store.root()).unwrap();
    let folder = make_folder(root.path(), "output", &[("weights", b"2"), ("more", b"4")]);
    let (digest, tree) = worker.ingest_folder(&folder).unwrap();
    assert_eq!(worker.ingest_bytes(b"3").unwrap(), file);

    let done = collect(&store, &CollectOptions::default());
    assert_eq!(results(&done), ["made"], "only its record: its blob is the worker's");
    assert_eq!((done.results, done.in_use), (1, 1));
    assert!(store.get(&made.key).unwrap().is_none());
    assert_eq!(worker.tree(&digest).unwrap(), Some(tree));
    assert!(worker.blob(&file).unwrap().is_some());
    let result = Entry { key: later, ..super::entry("later", digest) };
    worker.publish(&result).unwrap();
    drop(worker);

    // The engine asked for that key before it was made.
    let store = reopened(store);
    engine.settle().unwrap();
    assert_eq!(results(&collect(&store, &CollectOptions::default())), ["orphans"]);
    assert_eq!(engine.get(&later).unwrap(), Some(result));
    drop(engine);
    assert_eq!(results(&collect(&store, &CollectOptions::default())).len(), 2);
    assert_eq!(size(&store), 0);
}

#[test]
fn a_collection_waits_for_lookups_and_lookups_for_it() {
    let (_root, store) = store();
    let (entry, _) = publish(&store, "a", "1");
    let store = reopened(store);
    let found = store.get(&entry.key).unwrap();
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| collect(&store, &CollectOptions::default()));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!collector.is_finished(), "the lookup is not settled");
        assert!(store.tree(&found.unwrap().outputs["last"]).unwrap().is_some());
        store.settle().unwrap();
        assert!(collector.join().unwrap().removed.is_empty());
    });
}

#[test]
fn results_of_a_later_planish_are_not_touched() {
    let (_root, store) = store();
    let (entry, _) = publish(&store, "a", "1");
    std::fs::write(store.layout.entry(&entry.key), "{\"planish-entry\":9}\n").unwrap();
    let store = reopened(store);
    let error = store.collect(&CollectOptions::default()).unwrap_err();
    assert!(matches!(&error, StoreError::Invalid(message) if message.contains("later planish")), "{error}");
    std::fs::write(store.layout.entry(&entry.key), "{\"planish-entry\":0}\n").unwrap();
    assert_eq!(results(&collect(&store, &CollectOptions::default())).len(), 2, "those of an earlier one are of no use");
}

#[test]
fn a_clock_that_was_set_back_removes_nothing_by_age() {
    let (_root, store) = store();
    let (entry, _) = publish(&store, "a", "1");
    File::open(store.layout.entry(&entry.key)).unwrap().set_times(FileTimes::new().set_modified(SystemTime::now() + DAY * 365)).unwrap();
    let store = reopened(store);
    assert!(collect(&store, &CollectOptions { older_than: Some(DAY), ..CollectOptions::default() }).removed.is_empty());
}
