//! The plan: every instance of every stage, what it takes from which other, in the order they can run. Pure.

mod configure;
mod connect;
mod expand;
mod files;
mod join;
mod order;
mod select;
mod target;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use petgraph::graph::DiGraph;
use planish_contract::{Coordinates, Interface};

use crate::spec::{Pipeline, Problems, SpecErrors};

pub use files::files_of;
pub use target::Target;

/// The most instances that a plan may have.
pub const MAX_INSTANCES: usize = 100_000;
/// The most connections between instances that a plan may have. One of a gathered list takes about a kilobyte.
pub const MAX_CONNECTIONS: usize = 200_000;

/// Every instance that the targets need.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The pipeline's name.
    pub name: String,
    /// The instances, each after everything it needs. The order follows the document and is the same each time.
    pub instances: Vec<Instance>,
    /// What needs what: node `i` stands for `instances[i]`, an edge runs from an instance to one that takes from it.
    pub graph: DiGraph<usize, ()>,
}

/// One stage at one place of its matrix.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The name people see: `train[method=llr,seed=0]`, or the stage's name when it has no axes.
    pub id: String,
    /// The stage's name.
    pub stage: String,
    /// The stage kind.
    pub kind: String,
    /// The package that holds the stage kind.
    pub package: &'static str,
    /// Where the instance stands: axis → label and value. Never shown to the stage itself.
    pub coordinates: Coordinates,
    /// The parameters, typed and with defaults filled in: part of the key.
    pub parameters: serde_json::Value,
    /// The `execution` values, typed and with defaults filled in: not part of the key.
    pub execution: serde_json::Value,
    /// What joins the key although it is not a parameter: keys of `execution`, or `runtime`.
    pub key_also: Vec<String>,
    /// The family members that the parameters name.
    pub members: Vec<&'static str>,
    /// What the stage takes and makes with these parameters.
    pub interface: Interface,
    /// What is connected to its inputs, sorted by name; inputs that are left out are not here.
    pub inputs: Vec<PlannedInput>,
    /// The files that it brings from outside, sorted by name.
    pub files: Vec<PlannedFile>,
    /// What it keeps busy while it runs.
    pub resources: Resources,
    /// What ends it before its time, and how often it is tried again.
    pub limits: Limits,
}

impl Instance {
    /// Of what is known of each output, what is known of the default one.
    #[must_use]
    pub fn default_output<'a, T>(&self, outputs: &'a BTreeMap<String, T>) -> Option<&'a T> {
        outputs.get(&self.interface.outputs.first()?.name)
    }
}

/// What is connected to one input of an instance.
#[derive(Clone, Debug)]
pub struct PlannedInput {
    /// The input's name.
    pub name: String,
    /// Where it comes from: one source, or with `gather` any number, sorted by coordinates.
    pub sources: Vec<PlannedSource>,
    /// Whether the stage is given a list with coordinates.
    pub gather: bool,
    /// Whether a source without a result enters as absent, instead of keeping the instance from running.
    pub optional: bool,
}

/// An output of another instance.
#[derive(Clone, Debug)]
pub struct PlannedSource {
    /// The index of the instance in [`Plan::instances`].
    pub instance: usize,
    /// The output's name.
    pub output: String,
    /// What a gathering stage is told of where the source stands: every axis, or those it gathers along.
    pub coordinates: Coordinates,
}

/// Files from outside under one name of `files`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFile {
    /// The name in `files`.
    pub name: String,
    /// The path or glob as written.
    pub pattern: String,
    /// The folder that it is relative to: that of the pipeline file.
    pub folder: PathBuf,
    /// The regular files it stands for, sorted: name inside the folder that the stage is given, and where the file is.
    /// Shared by all instances of the stage.
    pub paths: Arc<[(String, PathBuf)]>,
}

/// What an instance keeps busy while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Processor cores; more than the machine has means all of them.
    pub cpus: usize,
    /// Memory in bytes, if declared: what is set aside for it, and more than which ends it.
    pub memory: Option<u64>,
    /// Accelerators.
    pub gpus: usize,
}

/// What ends an instance before its time, and how often it is tried again. Its limit of memory is [`Resources::memory`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How long it may run, without the time that it waits for others.
    pub timeout: Option<Duration>,
    /// How often it is tried again after a failure that may not be one the next time.
    pub retries: u32,
    /// How long to wait before it is tried again; doubled each time, up to [`Limits::LONGEST_WAIT`].
    pub wait: Duration,
}

impl Limits {
    /// The longest time between two tries.
    pub const LONGEST_WAIT: Duration = Duration::from_hours(1);

    /// How long to wait after the `failures`-th failure (from 1); `None` when it is not to be tried again.
    #[must_use]
    pub fn pause(&self, failures: u32) -> Option<Duration> {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        (failures <= self.retries).then(|| self.wait.saturating_mul(doubled).min(Self::LONGEST_WAIT.max(self.wait)))
    }
}

/// Makes every instance of `pipeline`, checks what they say and how they connect, and keeps what `targets` need: everything when there are none.
///
/// # Errors
/// Everything that is wrong, with the places: parameters that a stage refuses, unknown stages, inputs, outputs, axes and labels,
/// artifacts of the wrong kind, cycles, axes that disagree, files that are missing, more than [`MAX_INSTANCES`] instances.
pub fn plan(pipeline: &Pipeline, targets: &[Target]) -> Result<Plan, SpecErrors> {
    let mut problems = Problems::default();
    let order = order::stages(pipeline, &mut problems);
    let expanded = expand::expand(pipeline, &order, &mut problems);
    let mut sources = pipeline.sources.clone();
    let wanted = select::wanted(&expanded, targets, &mut sources, &mut problems);
    problems.finish(&sources)?;
    let instances = select::keep(expanded.instances, &wanted);
    Ok(Plan { name: pipeline.name.clone(), graph: graph(&instances), instances })
}

fn graph(instances: &[Instance]) -> DiGraph<usize, ()> {
    let mut graph = DiGraph::with_capacity(instances.len(), instances.len());
    let nodes: Vec<_> = (0..instances.len()).map(|index| graph.add_node(index)).collect();
    for (instance, node) in instances.iter().zip(&nodes) {
        let sources = instance.inputs.iter().flat_map(|input| &input.sources).map(|source| source.instance);
        for source in sources.collect::<std::collections::BTreeSet<_>>() {
            if let Some(source) = nodes.get(source) {
                graph.add_edge(*source, *node, ());
            }
        }
    }
    graph
}

#[cfg(test)]
mod tests;
