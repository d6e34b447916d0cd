//! Tests of workers and the dispatcher together, in one process: stages run in threads.

mod dispatching;
mod edits;
mod keys;
mod lists;
mod memo;
mod performing;
mod readers;
mod scheduling;
mod stages;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use planish_cache::Store;
use planish_contract::Interface;
use serde_json::{Value, json};

use crate::fingerprint::BUILD_ID;
use crate::key::{FORMAT_VERSION, KeyParts, key};
use crate::plan::Plan;

use super::event::{Event, Failed, Finished};
use super::host::WorkerHost;
use super::job::{Job, JobLimits};
use super::perform::perform;
use super::testing::{Shared, plan_of};
pub(crate) use stages::TestKinds;

/// A job for the stage kind `kind` with one output `out`, without inputs.
pub(super) fn job(store: &Path, kind: &str, parameters: Value) -> Job {
    let parts = KeyParts {
        version: FORMAT_VERSION,
        kind: kind.to_owned(),
        code: BTreeMap::new(),
        parameters,
        inputs: BTreeMap::new(),
        files: BTreeMap::new(),
        also: Value::Null,
    };
    Job {
        build_id: BUILD_ID.to_owned(),
        store: store.to_path_buf(),
        run: "run".to_owned(),
        instance: "stage".to_owned(),
        kind: kind.to_owned(),
        key: key(&parts),
        parts,
        execution: json!({}),
        inputs: BTreeMap::new(),
        files: BTreeMap::new(),
        outputs: vec!["out".to_owned()],
        threads: 1,
        gpus: None,
        attempt: 1,
        limits: JobLimits::default(),
        force: false,
        memo: true,
        log: store.join("log"),
        rests_on: BTreeMap::new(),
    }
}

/// Does a job in this process.
fn do_job(job: &Job, stop: bool) -> (Result<Finished, Failed>, Vec<Event>) {
    let (result, events, _) = do_job_and_read(job, stop);
    (result, events)
}

/// Does a job in this process, and reads what it wrote to its log.
fn do_job_and_read(job: &Job, stop: bool) -> (Result<Finished, Failed>, Vec<Event>, String) {
    let (events, log) = (Shared::default(), Shared::default());
    let stop = Arc::new(AtomicBool::new(stop));
    let host = WorkerHost::new(stop, Box::new(events.clone()), Box::new(log.clone()));
    let result = perform(job, &TestKinds, &host);
    (result, events.text().lines().filter_map(Event::from_line).collect(), log.text())
}

/// A plan of test stages: (name, kind, parameters, what it needs).
fn test_plan(stages: &[(&str, &str, Value, &[&str])]) -> Plan {
    let shape: Vec<(&str, &[&str])> = stages.iter().map(|(name, _, _, needs)| (*name, *needs)).collect();
    let mut plan = plan_of(&shape);
    for (instance, (_, kind, parameters, _)) in plan.instances.iter_mut().zip(stages) {
        instance.kind = (*kind).to_owned();
        instance.parameters = parameters.clone();
        instance.interface = Interface { inputs: Vec::new(), ..instance.interface.clone() };
    }
    plan
}

pub(crate) fn open(folder: &Path) -> Store {
    Store::open(&folder.join("store")).unwrap()
}
