//! Faults at every disk access of every operation. Whatever happens: the store opens again, nothing wrong is served, nothing
//! finished is lost, leftovers are swept, and the same operation succeeds when it is repeated.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use tempfile::TempDir;

use super::{entry, files_below, make_folder};
use crate::fault::{Fault, Loss, inject};
use crate::{CollectOptions, Digest, Entry, Key, Published, Store, StoreError, VerifyOptions};

type Step = fn(&Path) -> Result<(), StoreError>;

/// An operation on the store in the folder `store` of the one it is given.
struct Operation {
    name: &'static str,
    /// What is there before, beside a finished result and its sub-results.
    prepare: fn(&Path),
    run: Step,
    /// What holds after it succeeded.
    done: fn(&Path),
    /// Whether the store is damaged beforehand, so that damage after a fault says nothing.
    damaged: bool,
}

fn root(folder: &Path) -> PathBuf {
    folder.join("store")
}

fn open(folder: &Path) -> Store {
    Store::open(&root(folder)).unwrap()
}

fn finished() -> Key {
    entry("finished", Digest::of(b"")).key
}

fn later() -> Key {
    entry("later", Digest::of(b"")).key
}

const LATER: [(&str, &[u8]); 3] = [("weights", b"the later weights"), ("deep/log", b"text"), ("shared", b"shared bytes")];

fn publish_later(folder: &Path) -> Result<(), StoreError> {
    let store = Store::open(&root(folder))?;
    let _lock = store.lock(&later())?;
    if store.get(&later())?.is_none() {
        std::fs::write(store.checkpoints(&later())?.join("slot-0"), "state").unwrap();
        let (digest, _) = store.ingest_folder(&folder.join("output"))?;
        store.publish(&entry("later", digest))?;
    }
    store.remove_checkpoints(&later())
}

fn later_is_right(folder: &Path) {
    let store = open(folder);
    let result = store.get(&later()).unwrap().expect("it was published");
    let files = store.folder(&result.outputs["last"]).unwrap().unwrap();
    for (name, bytes) in LATER {
        assert_eq!(std::fs::read(&files[name]).unwrap(), bytes);
    }
    assert!(!store.layout.checkpoints(&later()).exists());
}

fn reach(store: &Store, entries: &[(&str, Key)]) -> Result<(), StoreError> {
    let mut root = store.plan_root(Path::new("/pipeline.toml"), None)?;
    for (instance, key) in entries {
        root.reaches(store, instance, key)?;
    }
    root.end(store, Some(entries.iter().map(|(instance, _)| *instance)))
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

const OPERATIONS: [Operation; 12] = [
    Operation { name: "open", prepare: |_| {}, run: |folder| Store::open(&root(folder)).map(drop), done: |_| {}, damaged: false },
    Operation {
        name: "found",
        prepare: |folder| std::fs::remove_dir_all(folder.join("new")).unwrap_or(()),
        run: |folder| Store::open(&folder.join("new")).map(drop),
        done: |folder| assert!(folder.join("new/version").exists()),
        damaged: false,
    },
    Operation { name: "publish", prepare: |_| {}, run: publish_later, done: later_is_right, damaged: false },
    Operation {
        name: "publish files that are taken, flushed together",
        prepare: |_| {},
        run: |folder| {
            let store = Store::open(&root(folder))?;
            store.defer_syncs();
            let lock = store.try_lock(&later())?;
            assert!(lock.is_some());
            if store.get(&later())?.is_none() {
                let taken = folder.join("taken");
                drop(std::fs::remove_dir_all(&taken));
                make_folder(folder, "taken", &LATER);
                let (digest, _) = store.take_folder(&taken)?;
                store.publish(&entry("later", digest))?;
            }
            drop(lock);
            store.sync_all()
        },
        done: later_is_right,
        // What was not flushed yet may be torn, and is a miss then.
        damaged: true,
    },
    Operation {
        name: "publish in place of a damaged result",
        prepare: |folder| {
            publish_later(folder).unwrap();
            flip(&open(folder).layout.object(&Digest::of(b"the later weights")));
            flip(&open(folder).layout.entry(&later()));
        },
        run: publish_later,
        done: later_is_right,
        damaged: true,
    },
    Operation {
        name: "restore",
        prepare: |folder| publish_later(folder).unwrap(),
        run: |folder| {
            let store = Store::open(&root(folder))?;
            let missed = || StoreError::Invalid("a miss".to_owned());
            let result = store.get(&later())?.ok_or_else(missed)?;
            store.restore(&result.outputs["last"], &folder.join("restored"), crate::RestoreAs::Copy)?.map(drop).ok_or_else(missed)
        },
        done: |folder| {
            for (name, bytes) in LATER {
                assert_eq!(std::fs::read(folder.join("restored").join(name)).unwrap(), bytes);
            }
        },
        damaged: false,
    },
    Operation {
        name: "hash",
        prepare: |folder| drop(std::fs::remove_file(root(folder).join("memo"))),
        run: |folder| {
            let store = Store::open(&root(folder))?;
            for (name, bytes) in LATER {
                assert_eq!(store.hash_file(&folder.join("output").join(name))?, Digest::of(bytes));
            }
            store.outputs(&finished())?;
            store.save_memo()
        },
        done: |_| {},
        damaged: false,
    },
    Operation {
        name: "collect",
        prepare: |folder| {
            publish_later(folder).unwrap();
            let store = open(folder);
            store.ingest_bytes(b"an orphan").unwrap();
            store.checkpoints(&Key::new(Digest::of(b"stale"))).unwrap();
            reach(&store, &[("finished", finished())]).unwrap();
        },
        run: |folder| Store::open(&root(folder))?.collect(&CollectOptions::default()).map(drop),
        done: |folder| {
            let store = open(folder);
            assert!(store.get(&later()).unwrap().is_none());
            assert_eq!(store.objects().unwrap().len(), 3, "a manifest, its file, a pack");
        },
        damaged: false,
    },
    Operation {
        name: "verify",
        prepare: |folder| {
            publish_later(folder).unwrap();
            flip(&open(folder).layout.object(&Digest::of(b"text")));
            let store = open(folder);
            store.parts().put_many([(Digest::of(b"x"), vec![1]), (Digest::of(b"y"), vec![2])]).unwrap();
            let pack = store.packs().unwrap().into_iter().find(|pack| {
                let bytes = std::fs::read(store.layout.object(pack)).unwrap();
                bytes.ends_with(&[1, 2])
            });
            flip(&store.layout.object(&pack.unwrap()));
        },
        run: |folder| {
            let verified = Store::open(&root(folder))?.verify(VerifyOptions::default(), &mut |_| {})?;
            if verified.is_repaired() { Ok(()) } else { Err(StoreError::Invalid("not repaired".to_owned())) }
        },
        done: |folder| {
            let store = open(folder);
            assert!(store.get(&later()).unwrap().is_none());
            assert_eq!(store.parts().get(&Digest::of(b"x")), Some(vec![1]));
        },
        damaged: true,
    },
    Operation {
        name: "sub-results",
        prepare: |_| {},
        run: |folder| {
            let store = Store::open(&root(folder))?;
            store.parts().put_many((0..20_u8).map(|n| (Digest::of(&[n]), vec![n; 10])))
        },
        done: |folder| {
            let store = open(folder);
            assert!((0..20_u8).all(|n| store.parts().get(&Digest::of(&[n])) == Some(vec![n; 10])));
        },
        damaged: false,
    },
    Operation {
        name: "a plan and a pin",
        prepare: |folder| reach(&open(folder), &[("finished", finished()), ("gone", later())]).unwrap(),
        run: |folder| {
            let store = Store::open(&root(folder))?;
            store.get(&finished())?;
            store.settle()?;
            reach(&store, &[("finished", finished()), ("later", later())])?;
            store.pin("paper", &[("finished".to_owned(), finished())].into())
        },
        done: |folder| {
            let roots = open(folder).roots().unwrap();
            assert_eq!(roots.len(), 2);
            assert!(roots[0].keys.contains_key("later") && !roots[0].keys.contains_key("gone") && roots[1].pinned);
        },
        damaged: false,
    },
    Operation {
        name: "a file beside the store",
        prepare: |folder| std::fs::write(folder.join("report.html"), "old").unwrap(),
        run: |folder| Store::open(&root(folder))?.write_atomic(&folder.join("report.html"), b"a new report"),
        done: |folder| assert_eq!(std::fs::read(folder.join("report.html")).unwrap(), b"a new report"),
        damaged: false,
    },
];

/// A copy of a folder, where flushing costs nothing if there is such a place.
fn copy(from: &Path) -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let mut pending = vec![PathBuf::new()];
    while let Some(inner) = pending.pop() {
        std::fs::create_dir_all(folder.path().join(&inner)).unwrap();
        for entry in std::fs::read_dir(from.join(&inner)).unwrap() {
            let entry = entry.unwrap();
            let inner = inner.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                pending.push(inner);
            } else {
                std::fs::copy(entry.path(), folder.path().join(inner)).unwrap();
            }
        }
    }
    folder
}

/// A folder with a store that has a finished result and sub-results, ready for `operation`.
fn prepare(operation: &Operation) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&root(folder.path())).unwrap();
    let output = make_folder(folder.path(), "first", &[("weights", b"shared bytes")]);
    let (digest, _) = store.ingest_folder(&output).unwrap();
    assert_eq!(store.publish(&entry("finished", digest)).unwrap(), Published::New);
    store.parts().put_many([(Digest::of(b"k"), b"v".to_vec())]).unwrap();
    reach(&store, &[("finished", finished())]).unwrap();
    drop(store);
    make_folder(folder.path(), "output", &LATER);
    (operation.prepare)(folder.path());
    folder
}

/// What holds after any fault.
fn check(operation: &Operation, folder: &Path, case: &str) {
    let store = Store::open(&root(folder)).unwrap_or_else(|error| panic!("{case}: {error}"));
    let result: Option<Entry> = store.get(&finished()).unwrap();
    let result = result.unwrap_or_else(|| panic!("{case}: a finished result is lost"));
    let files = store.folder(&result.outputs["last"]).unwrap().unwrap();
    assert_eq!(std::fs::read(&files["weights"]).unwrap(), b"shared bytes", "{case}");
    assert_eq!(store.parts().get(&Digest::of(b"k")), Some(b"v".to_vec()), "{case}: a sub-result is lost");
    if let Some(result) = store.get(&later()).unwrap() {
        let files = store.folder(&result.outputs["last"]).unwrap().unwrap();
        for (name, bytes) in LATER {
            assert_eq!(std::fs::read(&files[name]).unwrap(), bytes, "{case}: {name}");
        }
    }
    for text in ["old", "a new report"] {
        if let Ok(report) = std::fs::read_to_string(folder.join("report.html")) {
            assert!(report == "old" || report == "a new report", "{case}: {text}: {report}");
        }
    }
    // What only saves time may be lost when the power fails.
    store.save_memo().unwrap();
    assert!(store.roots().unwrap().iter().all(|root| !root.damaged), "{case}: a root is damaged");
    if !operation.damaged {
        let verified = store.verify(VerifyOptions { dry_run: true }, &mut |_| {}).unwrap();
        // A pack whose mark was not made yet is found again.
        let fine = |finding: &crate::Finding| {
            use crate::Fault::{DamagedMemo, DamagedSnapshot, UnmarkedParts};
            matches!(finding.fault, DamagedMemo | DamagedSnapshot | UnmarkedParts(_))
        };
        assert!(verified.findings.iter().all(fine), "{case}: {verified:?}");
    }
    let left = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let ours = path.starts_with(store.temporaries().unwrap())
            || Path::new(name).extension().is_some_and(|extension| extension == "lock")
            || path.starts_with(store.layout.locks());
        !ours && (path.starts_with(store.layout.tmp()) || name.starts_with(crate::fs::TEMPORARY))
    };
    let leftovers = || files_below(store.root()).into_iter().filter(left).collect::<Vec<_>>();
    for attempt in 0.. {
        if leftovers().is_empty() {
            break;
        }
        // Other tests start processes, which hold copies of our locks until they run their program.
        assert!(attempt < 100, "{case}: {:?}", leftovers());
        std::thread::sleep(Duration::from_millis(20));
        drop(Store::open(store.root()).unwrap());
    }
}

/// Puts `fault` at each call of `operation` in turn.
fn exhaust(operation: &Operation, fault: Fault) -> u64 {
    let prepared = prepare(operation);
    for call in 0.. {
        let case = format!("{}, {fault:?} at call {call}", operation.name);
        let folder = copy(prepared.path());
        let (outcome, fired) = inject(fault, call, folder.path(), || (operation.run)(folder.path()));
        assert!(fired || outcome.is_ok(), "{case}: {outcome:?}");
        check(operation, folder.path(), &case);
        // What is called done is done, faults on the way or not. What was removed may come back when the power fails.
        if outcome.is_ok() && !(matches!(fault, Fault::PowerCut(_)) && operation.name == "collect") {
            (operation.done)(folder.path());
        }
        (operation.run)(folder.path()).unwrap_or_else(|error| panic!("{case}, repeated: {error}"));
        (operation.done)(folder.path());
        if !fired {
            return call;
        }
    }
    unreachable!("the operation ends")
}

fn exhaust_all(faults: &[Fault]) {
    for operation in &OPERATIONS {
        for fault in faults {
            let calls = exhaust(operation, *fault);
            assert!(calls >= 5, "{} makes {calls} calls only", operation.name);
        }
    }
}

#[test]
fn a_disk_that_fails_at_any_call() {
    exhaust_all(&[Fault::Fail(Errno::IO)]);
}

#[test]
fn a_disk_that_is_full_at_any_call() {
    exhaust_all(&[Fault::Torn(Errno::NOSPC)]);
}

#[test]
fn a_file_that_may_not_be_touched_at_any_call() {
    exhaust_all(&[Fault::Fail(Errno::ACCESS)]);
}

#[test]
fn a_process_that_stops_at_any_call() {
    exhaust_all(&[Fault::Stop]);
}

#[test]
fn power_that_fails_at_any_call() {
    exhaust_all(&[Fault::PowerCut(Loss::Data), Fault::PowerCut(Loss::Names)]);
}

/// What a child of the test below does: one operation, killed at one call.
pub(super) fn be_killed() {
    let text = |name: &str| std::env::var(name).unwrap();
    let (operation, call) = (text("PLANISH_CACHE_TEST_OPERATION"), text("PLANISH_CACHE_TEST_CALL"));
    let folder = PathBuf::from(text("PLANISH_CACHE_TEST_FOLDER"));
    let operation = OPERATIONS.iter().find(|other| other.name == operation).unwrap();
    let (outcome, fired) = inject(Fault::Kill, call.parse().unwrap(), &folder, || (operation.run)(&folder));
    outcome.unwrap();
    assert!(!fired);
    println!("done unharmed");
}

#[test]
fn a_process_that_is_killed_at_any_call() {
    for name in ["publish", "collect", "verify", "sub-results", "a plan and a pin"] {
        let operation = OPERATIONS.iter().find(|operation| operation.name == name).unwrap();
        let prepared = prepare(operation);
        for call in 0.. {
            let case = format!("{name}, killed at call {call}");
            let folder = copy(prepared.path());
            let mut child = super::processes::child("be killed", &open(folder.path()));
            child.env("PLANISH_CACHE_TEST_OPERATION", name).env("PLANISH_CACHE_TEST_CALL", call.to_string());
            let output = child.env("PLANISH_CACHE_TEST_FOLDER", folder.path()).output().unwrap();
            let unharmed = String::from_utf8_lossy(&output.stdout).contains("done unharmed");
            assert!(unharmed || !output.status.success(), "{case}");
            check(operation, folder.path(), &case);
            (operation.run)(folder.path()).unwrap_or_else(|error| panic!("{case}, repeated: {error}"));
            (operation.done)(folder.path());
            if unharmed {
                break;
            }
        }
    }
}
