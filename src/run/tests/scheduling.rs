//! What is started when: never more than there is, everything in the end, the longest chain first.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use planish_cache::Digest;
use proptest::prelude::*;
use serde_json::json;

use super::open;
use crate::plan::{Limits, Plan, Resources};
use crate::run::budget::Total;
use crate::run::dispatcher::{Dispatcher, RunOptions, Surroundings};
use crate::run::event::{Event, Failed, Finished};
use crate::run::executor::{Executor, Report, Running, Tell};
use crate::run::history::{History, Work};
use crate::run::job::Job;
use crate::run::reason::Reason;
use crate::run::slot::Outcome;
use crate::run::testing::{Nobody, Thread, plan_of};

/// An executor whose work a second thread ends, in an order that depends on `seed`.
#[derive(Clone)]
struct Fake(Arc<(Mutex<State>, Condvar)>);

struct State {
    total: Total,
    running: Vec<(Job, Tell)>,
    /// What was started, and with a `-` what was ended, in that order.
    log: Vec<String>,
    seed: u64,
    closed: bool,
}

impl Fake {
    fn new(total: Total, seed: u64) -> Self {
        let state = State { total, running: Vec::new(), log: Vec::new(), seed, closed: false };
        let fake = Fake(Arc::new((Mutex::new(state), Condvar::new())));
        let worker = fake.clone();
        std::thread::spawn(move || while worker.end_one() {});
        fake
    }

    /// Ends one of what runs, whichever; false when the run is over.
    fn end_one(&self) -> bool {
        let (state, changed) = &*self.0;
        let mut state = changed.wait_while(state.lock().unwrap(), |state| state.running.is_empty() && !state.closed).unwrap();
        if state.closed {
            return false;
        }
        state.seed = state.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (seed, running) = (state.seed >> 33, state.running.len() as u64);
        let (job, tell) = state.running.swap_remove(usize::try_from(seed % running).unwrap());
        state.log.push(format!("-{}", job.instance));
        drop(state);
        let event = if job.attempt <= job.limits.retries && seed % 3 == 0 {
            Event::Failed(Failed::stage("bad luck").transient())
        } else {
            let outputs = BTreeMap::from([("out".to_owned(), Digest::of(job.instance.as_bytes()))]);
            Event::Finished(Finished { outputs, ran: true, seconds: 0.0, note: None })
        };
        tell(Report::Event(event));
        tell(Report::Exited(ExitStatus::from_raw(0)));
        true
    }

    fn close(&self) -> Vec<String> {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.closed = true;
        changed.notify_all();
        state.log.clone()
    }
}

impl Executor for Fake {
    fn start(&self, job: &Job, tell: Tell) -> std::io::Result<Box<dyn Running>> {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.running.push((job.clone(), tell));
        state.log.push(job.instance.clone());
        let running = || state.running.iter().map(|(job, _)| job);
        assert!(running().map(|job| job.threads).sum::<usize>() <= state.total.cpus, "too many processors");
        let memory: u64 = running().filter_map(|job| job.limits.memory).map(|bytes| bytes.min(state.total.memory)).sum();
        assert!(memory <= state.total.memory, "too much memory");
        let gpus: Vec<&str> =
            running().filter_map(|job| job.gpus.as_deref()).flat_map(|gpus| gpus.split(',')).filter(|gpu| !gpu.is_empty()).collect();
        assert_eq!(gpus.iter().collect::<BTreeSet<_>>().len(), gpus.len(), "a GPU was given twice: {gpus:?}");
        assert!(gpus.iter().all(|gpu| state.total.gpus.iter().any(|known| known == gpu)), "{gpus:?}");
        changed.notify_all();
        Ok(Box::new(Thread::default()))
    }
}

/// Runs the plan with these durations known; what was started and ended, in order, and how everything ended.
fn run(plan: &Plan, total: &Total, seconds: &[Option<f64>], seed: u64) -> (Vec<String>, Vec<Outcome>) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut history = History::load(&store, Path::new("pipeline.toml"), None);
    for (instance, seconds) in plan.instances.iter().zip(seconds) {
        if let Some(seconds) = *seconds {
            let work = Work { instance: &instance.id, run: "before", log: Path::new("log"), reason: &Reason::First };
            let finished = Finished { outputs: BTreeMap::new(), ran: true, seconds, note: None };
            history.succeeded(work, planish_cache::Key::new(Digest::of(b"before")), &finished);
        }
    }
    let executor = Fake::new(total.clone(), seed);
    let options = RunOptions { total: total.clone(), fail_fast: false, force: BTreeSet::new(), memo: false };
    let around = Surroundings { store: &store, executor: &executor, observer: &mut Nobody, history: &mut history, root: None };
    let (sender, receiver) = mpsc::channel();
    let result = Dispatcher::new(plan, around, options, sender).run(&receiver).unwrap();
    (executor.close(), result.outcomes)
}

/// A plan where `needs[i]` are earlier instances, each with work of its own.
fn plan(needs: &[Vec<usize>]) -> Plan {
    let names: Vec<String> = (0..needs.len()).map(|index| format!("i{index}")).collect();
    let needs: Vec<Vec<&str>> = needs.iter().map(|needs| needs.iter().map(|need| names[*need].as_str()).collect()).collect();
    let stages: Vec<(&str, &[&str])> = names.iter().zip(&needs).map(|(name, needs)| (name.as_str(), needs.as_slice())).collect();
    let mut plan = plan_of(&stages);
    for instance in &mut plan.instances {
        instance.parameters = json!({ "command": [instance.id], "outputs": ["out"], "environment": {} });
    }
    plan
}

/// A plan with instances, and for each its resources, its retries and how long it took.
type Drawn = (Vec<Vec<usize>>, Vec<(Resources, u32, Option<f64>)>);

fn drawn() -> impl Strategy<Value = Drawn> {
    (1..14_usize).prop_flat_map(|count| {
        let needs: Vec<_> = (0..count).map(|index| prop::collection::btree_set(0..index.max(1), 0..=index.min(2))).collect();
        let needs = needs.prop_map(|needs| {
            needs.into_iter().enumerate().map(|(index, needs)| needs.into_iter().filter(|need| *need < index).collect()).collect()
        });
        let one = (1..6_usize, prop::option::of(0..150_u64), 0..3_usize, 0..3_u32, prop::option::of(0.0..10.0_f64))
            .prop_map(|(cpus, memory, gpus, retries, seconds)| (Resources { cpus, memory, gpus }, retries, seconds));
        (needs, prop::collection::vec(one, count))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn nothing_is_oversubscribed_and_everything_runs(
        (needs, instances) in drawn(), cpus in 1..5_usize, gpus in 0..3_usize, memory in 50..200_u64, seed in any::<u64>(),
    ) {
        let mut plan = plan(&needs);
        for (instance, (resources, retries, _)) in plan.instances.iter_mut().zip(&instances) {
            instance.resources = *resources;
            instance.limits = Limits { timeout: None, retries: *retries, wait: Duration::from_micros(100) };
        }
        let seconds: Vec<_> = instances.iter().map(|(_, _, seconds)| *seconds).collect();
        let total = Total { cpus, memory, gpus: (0..gpus).map(|gpu| gpu.to_string()).collect() };
        let (log, outcomes) = run(&plan, &total, &seconds, seed);
        prop_assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done { .. })), "{outcomes:?}");
        // Each after everything that it needs.
        let first = |index: usize| log.iter().position(|id| *id == format!("i{index}")).unwrap();
        let last = |index: usize| log.iter().rposition(|id| *id == format!("i{index}")).unwrap();
        for (index, needs) in needs.iter().enumerate() {
            prop_assert!(needs.iter().all(|need| last(*need) < first(index)));
        }
    }

    #[test]
    fn of_what_can_start_the_longest_chain_starts((needs, instances) in drawn(), seed in any::<u64>()) {
        let plan = plan(&needs);
        let seconds: Vec<_> = instances.iter().map(|(_, _, seconds)| *seconds).collect();
        let (log, _) = run(&plan, &Total { cpus: 1, memory: 0, gpus: Vec::new() }, &seconds, seed);
        let remaining = crate::run::priority::remaining(&plan, &seconds);
        let mut done = BTreeSet::new();
        for id in log.iter().filter(|entry| entry.starts_with('i')) {
            let index: usize = id[1..].parse().unwrap();
            let ready = (0..needs.len()).filter(|i| !done.contains(i) && needs[*i].iter().all(|need| done.contains(need)));
            let best = ready.map(|i| remaining[i]).fold(f64::MIN, f64::max);
            prop_assert!((remaining[index] - best).abs() < 1e-9, "{id} of {log:?}");
            done.insert(index);
        }
        prop_assert_eq!(done.len(), needs.len());
    }
}

#[test]
fn a_large_instance_is_not_kept_waiting_by_small_ones() {
    // `i1` has the longest chain and needs all processors as soon as `i0` has ended. None of the others, which take long, may start then
    // until it did; without a reservation nearly all of them would.
    let mut plan = plan(&[vec![vec![], vec![0]], vec![vec![]; 20]].concat());
    plan.instances[1].resources.cpus = 2;
    let mut seconds = vec![Some(700.0); 22];
    (seconds[0], seconds[1]) = (Some(200.0), Some(1000.0));
    for seed in 0..8 {
        let (log, _) = run(&plan, &Total { cpus: 2, memory: 0, gpus: Vec::new() }, &seconds, seed);
        let ended = log.iter().position(|entry| entry == "-i0").unwrap();
        let started = log.iter().position(|entry| entry == "i1").unwrap();
        let between = log[ended..started].iter().filter(|entry| entry.starts_with('i')).count();
        // One may have been on its way.
        assert!(between <= 1, "{log:?}");
    }
}

#[test]
fn gpus_are_numbered_once_and_hidden_from_others() {
    let mut plan = plan(&vec![vec![]; 3]);
    plan.instances[0].resources.gpus = 2;
    plan.instances[1].resources.gpus = 1;
    let total = Total { cpus: 3, memory: 0, gpus: vec!["3".to_owned(), "GPU-x".to_owned(), "7".to_owned()] };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut history = History::load(&store, Path::new("pipeline.toml"), None);
    let executor = Seeing(Arc::clone(&seen));
    let options = RunOptions { total, fail_fast: false, force: BTreeSet::new(), memo: false };
    let around = Surroundings { store: &store, executor: &executor, observer: &mut Nobody, history: &mut history, root: None };
    let (sender, receiver) = mpsc::channel();
    Dispatcher::new(&plan, around, options, sender).run(&receiver).unwrap();
    let seen: Vec<Option<String>> = seen.lock().unwrap().clone();
    assert_eq!(seen, [Some("3,GPU-x".to_owned()), Some("7".to_owned()), Some(String::new())]);
}

/// Notes which GPUs each instance may see; all of them fail.
struct Seeing(Arc<Mutex<Vec<Option<String>>>>);

impl Executor for Seeing {
    fn start(&self, job: &Job, tell: Tell) -> std::io::Result<Box<dyn Running>> {
        self.0.lock().unwrap().push(job.gpus.clone());
        tell(Report::Exited(ExitStatus::from_raw(9)));
        Ok(Box::new(Thread::default()))
    }
}
