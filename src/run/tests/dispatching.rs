//! What a dispatcher does with a plan.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::mpsc;

use planish_cache::Store;
use serde_json::{Value, json};

use super::{open, test_plan};
use crate::exit::Exit;
use crate::plan::Plan;
use crate::run::budget::Total;
use crate::run::dispatcher::{Dispatcher, RunOptions, RunResult, Surroundings};
use crate::run::ending;
use crate::run::executor::{Executor, Report, Running, Tell};
use crate::run::history::History;
use crate::run::job::Job;
use crate::run::reason::Reason;
use crate::run::slot::Outcome;
use crate::run::testing::{Nobody, Thread, Threads};

/// A worker that dies of a signal at once.
struct Dying;

impl Executor for Dying {
    fn start(&self, _: &Job, tell: Tell) -> std::io::Result<Box<dyn Running>> {
        tell(Report::Exited(ExitStatus::from_raw(11)));
        Ok(Box::new(Thread::default()))
    }
}

fn run(plan: &Plan, store: &Store, executor: &dyn Executor, change: impl FnOnce(&mut RunOptions)) -> RunResult {
    let mut options =
        RunOptions { total: Total { cpus: 1, memory: 0, gpus: Vec::new() }, fail_fast: false, force: BTreeSet::new(), memo: true };
    change(&mut options);
    let mut history = History::load(store, Path::new("pipeline.toml"), None);
    let around = Surroundings { store, executor, observer: &mut Nobody, history: &mut history, root: None };
    let (sender, receiver) = mpsc::channel();
    Dispatcher::new(plan, around, options, sender).run(&receiver).unwrap()
}

fn words(result: &RunResult) -> Vec<&'static str> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Hit { .. } => "hit",
        Outcome::Done { .. } => "done",
        Outcome::Failed { .. } => "failed",
        Outcome::Blocked { .. } => "blocked",
        Outcome::Stopped => "stopped",
        Outcome::NotStarted => "not started",
    };
    result.outcomes.iter().map(word).collect()
}

fn text(text: &str) -> Value {
    json!({ "text": text })
}

#[test]
fn a_second_run_starts_nothing_and_leaves_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let plan = test_plan(&[("a", "write", text("a"), &[]), ("b", "write", text("b"), &["a"])]);
    let threads = Threads::default();
    assert_eq!(words(&run(&plan, &store, &threads, |_| ())), ["done", "done"]);
    let runs = || std::fs::read_dir(store.runs_dir()).unwrap().count();
    let before = runs();
    assert_eq!(words(&run(&plan, &store, &threads, |_| ())), ["hit", "hit"]);
    assert_eq!(*threads.started.lock().unwrap(), ["a", "b"]);
    assert_eq!(runs(), before);
}

#[test]
fn equal_bytes_cut_off_what_follows() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let plan =
        |a: &str, b: &str| test_plan(&[("a", "write", text(a), &[]), ("b", "write", text(b), &["a"]), ("c", "write", text("c"), &["b"])]);
    assert_eq!(words(&run(&plan("x", "yz"), &store, &Threads::default(), |_| ())), ["done", "done", "done"]);
    // Another road to the text "xyz": a and b run again, c does not.
    assert_eq!(words(&run(&plan("xy", "z"), &store, &Threads::default(), |_| ())), ["done", "done", "hit"]);
    // And back: everything is still known.
    assert_eq!(words(&run(&plan("x", "yz"), &store, &Threads::default(), |_| ())), ["hit", "hit", "hit"]);
}

#[test]
fn others_go_on_after_a_failure_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let plan = test_plan(&[
        ("bad", "misbehave", json!("Fail"), &[]),
        ("after", "write", text("after"), &["bad"]),
        ("other", "write", text("other"), &[]),
    ]);
    let result = run(&plan, &store, &Threads::default(), |options| options.fail_fast = true);
    assert_eq!(words(&result), ["failed", "not started", "not started"]);
    let result = run(&plan, &store, &Threads::default(), |_| ());
    assert_eq!(words(&result), ["failed", "blocked", "done"]);
    assert!(matches!(&result.outcomes[0], Outcome::Failed { reason: Reason::Retry, .. }));
    assert!(matches!(&result.outcomes[1], Outcome::Blocked { by } if *by == [0]));
    assert_eq!(ending::exit(&result), Exit::StageFailed);
}

#[test]
fn one_key_is_one_piece_of_work() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let plan = test_plan(&[("a", "write", text("same"), &[]), ("b", "write", text("same"), &[])]);
    let threads = Threads::default();
    let result = run(&plan, &store, &threads, |options| options.total.cpus = 4);
    assert_eq!(words(&result), ["done", "hit"]);
    assert_eq!(threads.started.lock().unwrap().len(), 1);
}

#[test]
fn the_longest_chain_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let plan =
        test_plan(&[("short", "write", text("1"), &[]), ("long", "write", text("2"), &[]), ("longer", "write", text("3"), &["long"])]);
    let threads = Threads::default();
    run(&plan, &store, &threads, |_| ());
    assert_eq!(threads.started.lock().unwrap().first().map(String::as_str), Some("long"));
}

#[test]
fn force_runs_what_is_there_and_nothing_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let plan = test_plan(&[("a", "write", text("a"), &[]), ("b", "write", text("b"), &["a"])]);
    run(&plan, &store, &Threads::default(), |_| ());
    let result = run(&plan, &store, &Threads::default(), |options| options.force = BTreeSet::from([0]));
    assert_eq!(words(&result), ["done", "hit"]);
}

#[test]
fn a_worker_that_dies_costs_its_instance() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let plan = test_plan(&[("a", "write", text("a"), &[])]);
    let result = run(&plan, &store, &Dying, |_| ());
    assert!(matches!(&result.outcomes[0], Outcome::Failed { failed, .. } if failed.message == "the worker was killed by SIGSEGV"));
    assert_eq!(words(&run(&plan, &store, &Threads::default(), |_| ())), ["done"]);
}

#[test]
fn an_optional_input_may_be_absent() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut plan = test_plan(&[("bad", "misbehave", json!("Fail"), &[]), ("after", "write", text("after"), &["bad"])]);
    for input in &mut plan.instances[1].inputs {
        input.optional = true;
    }
    assert_eq!(words(&run(&plan, &store, &Threads::default(), |_| ())), ["failed", "done"]);
}
