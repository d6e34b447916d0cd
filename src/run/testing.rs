//! Helpers of the unit tests in this folder.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use planish_contract::{Arity, Interface, Kind};
use serde_json::json;

use super::event::Event;
use super::executor::{Executor, Report, Running, Tell};
use super::host::WorkerHost;
use super::job::Job;
use super::observer::{Notice, Observer};
use super::perform::perform;
use super::tests::TestKinds;
use crate::plan::{Instance, Limits, Plan, PlannedInput, PlannedSource, Resources};

/// A writer whose text can be read elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    pub(crate) fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Workers that are threads, with the test stages and programs; keeps the order in which they were started.
#[derive(Default)]
pub(crate) struct Threads {
    pub(crate) started: Mutex<Vec<String>>,
}

#[derive(Default)]
pub(crate) struct Thread(Arc<AtomicBool>);

impl Executor for Threads {
    fn start(&self, job: &Job, tell: Tell) -> std::io::Result<Box<dyn Running>> {
        self.started.lock().unwrap().push(job.instance.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let host = WorkerHost::new(Arc::clone(&stop), Box::new(Shared::default()), Box::new(Shared::default()));
        let job = job.clone();
        std::thread::spawn(move || {
            let event = match perform(&job, &TestKinds, &host) {
                Ok(finished) => Event::Finished(finished),
                Err(failed) => Event::Failed(failed),
            };
            tell(Report::Event(event));
            tell(Report::Exited(ExitStatus::from_raw(0)));
        });
        Ok(Box::new(Thread(stop)))
    }
}

impl Running for Thread {
    fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn kill(&self) {
        self.stop();
    }
}

/// Watches nothing.
pub(crate) struct Nobody;

impl Observer for Nobody {
    fn notice(&mut self, _: Notice<'_>) {}
}

/// A plan of `command` stages that each take the output `out` of those named.
pub(crate) fn plan_of(stages: &[(&str, &[&str])]) -> Plan {
    let position = |name: &str| stages.iter().position(|(stage, _)| *stage == name).unwrap();
    let instances = stages.iter().map(|(name, needs)| instance(name, needs, &position)).collect::<Vec<_>>();
    let mut graph = petgraph::graph::DiGraph::new();
    let nodes: Vec<_> = (0..instances.len()).map(|index| graph.add_node(index)).collect();
    for (index, (_, needs)) in stages.iter().enumerate() {
        for need in *needs {
            graph.add_edge(nodes[position(need)], nodes[index], ());
        }
    }
    Plan { name: "test".to_owned(), instances, graph }
}

fn instance(name: &str, needs: &[&str], position: &dyn Fn(&str) -> usize) -> Instance {
    let input = |need: &&str| PlannedInput {
        name: (*need).to_owned(),
        sources: vec![PlannedSource { instance: position(need), output: "out".to_owned(), coordinates: BTreeMap::new() }],
        gather: false,
        optional: false,
    };
    Instance {
        id: name.to_owned(),
        stage: name.to_owned(),
        kind: "command".to_owned(),
        package: "planish",
        coordinates: BTreeMap::new(),
        parameters: json!({ "command": ["true"], "outputs": ["out"], "environment": {} }),
        execution: json!({}),
        key_also: Vec::new(),
        members: Vec::new(),
        interface: Interface::of(&[("*", Kind::ANY, Arity::Any)], &[("out", Kind::ANY)]),
        inputs: needs.iter().map(input).collect(),
        files: Vec::new(),
        resources: Resources { cpus: 1, memory: None, gpus: 0 },
        limits: Limits::default(),
    }
}

/// The test stages.
pub(crate) fn kinds() -> &'static dyn crate::spec::Kinds {
    &TestKinds
}
