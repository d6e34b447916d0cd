//! `list`: instances with what they take and make, and artifacts in the store.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::Plan;

use super::listing::{few, table};
use super::words;

/// An instance of the plan.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InstanceView<'a> {
    instance: &'a str,
    stage: &'a str,
    kind: &'a str,
    /// Where it stands: axis → label.
    coordinates: BTreeMap<&'a str, &'a str>,
    /// Input → the instances and outputs that it takes, `instance:output`.
    inputs: BTreeMap<&'a str, Vec<String>>,
    /// What it makes, the default output first.
    outputs: Vec<OutputView<'a>>,
}

/// An output that an instance makes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OutputView<'a> {
    name: &'a str,
    /// The kind of artifact.
    kind: &'a str,
}

impl<'a> InstanceView<'a> {
    /// The instance with this index.
    #[must_use]
    pub fn new(plan: &'a Plan, index: usize) -> Option<Self> {
        let instance = plan.instances.get(index)?;
        let source = |source: &crate::plan::PlannedSource| {
            plan.instances.get(source.instance).map(|other| format!("{}:{}", other.id, source.output)).unwrap_or_default()
        };
        Some(InstanceView {
            instance: &instance.id,
            stage: &instance.stage,
            kind: &instance.kind,
            coordinates: instance.coordinates.iter().map(|(axis, place)| (axis.as_str(), place.label.as_str())).collect(),
            inputs: instance.inputs.iter().map(|input| (input.name.as_str(), input.sources.iter().map(source).collect())).collect(),
            outputs: instance
                .interface
                .outputs
                .iter()
                .map(|output| OutputView { name: &output.name, kind: output.kind.as_str() })
                .collect(),
        })
    }
}

/// An artifact in the store.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StoredView<'a> {
    /// The instance that has it.
    pub instance: &'a str,
    /// The output.
    pub output: &'a str,
    /// The kind of artifact.
    pub kind: &'a str,
    /// The digest of its manifest.
    pub digest: String,
    /// How many files it has.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Instances as text, a line each.
#[must_use]
pub fn instances(views: &[InstanceView<'_>]) -> String {
    let row = |view: &InstanceView<'_>| {
        let outputs: Vec<&str> = view.outputs.iter().map(|output| output.name).collect();
        let inputs = view.inputs.iter().map(|(name, sources)| {
            let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
            format!("{name} ← {}", few(&sources))
        });
        [view.instance.to_owned(), view.kind.to_owned(), outputs.join(", "), inputs.collect::<Vec<_>>().join("; ")]
    };
    table(&views.iter().map(row).collect::<Vec<_>>())
}

/// Artifacts as text, a line each.
#[must_use]
pub fn artifacts(views: &[StoredView<'_>]) -> String {
    let row = |view: &StoredView<'_>| {
        let digest = view.digest.get(..16).unwrap_or(&view.digest);
        let name = format!("{}:{}", view.instance, view.output);
        [name, view.kind.to_owned(), words::count(view.files, "file"), words::size(view.bytes), digest.to_owned()]
    };
    let bytes: u64 = views.iter().map(|view| view.bytes).sum();
    format!("{}\n{}, {}\n", table(&views.iter().map(row).collect::<Vec<_>>()), words::count(views.len(), "artifact"), words::size(bytes))
}
