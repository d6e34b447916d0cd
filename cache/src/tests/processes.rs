//! Several processes on one store. The children are this very test binary, running one ignored test.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::{entry, publish, store};
use crate::{Digest, Published, Store};

/// A child that does `task` on the store in `root` and says so with a line that begins with `done `.
pub(super) fn child(task: &str, store: &Store) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "tests::processes::child_task", "--ignored", "--nocapture"]);
    command.env("PLANISH_CACHE_TEST_TASK", task).env("PLANISH_CACHE_TEST_STORE", store.root());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// What follows `done ` in the child's output, when it comes to that.
fn done(child: &mut Child) -> String {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let found = lines.map_while(Result::ok).find_map(|line| line.split_once("done ").map(|(_, rest)| rest.to_owned()));
    found.expect("the child finishes its task")
}

#[test]
#[ignore = "runs as a child of the other tests"]
fn child_task() {
    if std::env::var("PLANISH_CACHE_TEST_TASK").unwrap() == "be killed" {
        return super::faults::be_killed();
    }
    let store = Store::open(std::env::var_os("PLANISH_CACHE_TEST_STORE").unwrap().as_ref()).unwrap();
    let key = entry("train", Digest::of(b"")).key;
    match std::env::var("PLANISH_CACHE_TEST_TASK").unwrap().as_str() {
        "hold" => {
            let _lock = store.lock(&key).unwrap();
            let scratch = store.scratch().unwrap();
            std::fs::write(scratch.path().join("half-written"), "x").unwrap();
            println!("done {}", scratch.path().display());
            // Until killed, or until the parent dies.
            std::io::stdin().lines().next();
        }
        "publish" => {
            let (_, published) = publish(&store, "train", &format!("by {}", std::process::id()));
            println!("done {}", if published == Published::New { "new" } else { "existing" });
        }
        "read-only" => {
            super::limits::use_read_only_store(&store);
            println!("done reading");
        }
        other => panic!("unknown task {other}"),
    }
}

#[test]
fn a_killed_process_frees_its_lock_and_its_scratch_is_swept() {
    let (_root, store) = store();
    let key = entry("train", Digest::of(b"")).key;
    let mut holder = child("hold", &store).spawn().unwrap();
    let scratch = std::path::PathBuf::from(done(&mut holder));
    assert!(store.try_lock(&key).unwrap().is_none());
    drop(Store::open(store.root()).unwrap());
    assert!(scratch.join("half-written").exists(), "a living process keeps its scratch");

    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(store.try_lock(&key).unwrap().is_some());
    drop(store.lock(&key).unwrap());
    drop(Store::open(store.root()).unwrap());
    assert!(!scratch.exists());
}

#[test]
fn a_waiting_process_gets_the_lock_when_its_holder_lets_go() {
    let (_root, store) = store();
    let key = entry("train", Digest::of(b"")).key;
    let mut holder = child("hold", &store).spawn().unwrap();
    done(&mut holder);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| store.lock(&key).map(drop));
        holder.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        waiter.join().unwrap().unwrap();
    });
    assert!(holder.wait().unwrap().success());
}

#[test]
fn of_many_processes_that_publish_one_key_exactly_one_wins() {
    let (_root, store) = store();
    let mut children: Vec<Child> = (0..4).map(|_| child("publish", &store).spawn().unwrap()).collect();
    let outcomes: Vec<String> = children.iter_mut().map(done).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "new").count(), 1, "{outcomes:?}");
    let key = entry("train", Digest::of(b"")).key;
    assert!(store.get(&key).unwrap().is_some());
}

/// Runs `task` as a user without rights over root's files; `None` where that can't be done.
pub(super) fn run_unprivileged(task: &str, store: &Store) -> Option<std::process::Output> {
    const NOBODY: u32 = 65_534;
    let mut command = child(task, store);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    // The test binary may lie where that user can't go.
    command.output().ok()
}
