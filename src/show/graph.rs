//! The graph of instances, or of stages, as text, for Graphviz, for Mermaid, as a picture, or as JSON.

mod svg;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::Plan;
use crate::run::Standing;

use super::words;

/// In which form a graph is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum GraphFormat {
    /// A line an instance, with what it takes.
    Text,
    /// For Graphviz (`dot -Tsvg`).
    Dot,
    /// For Mermaid, as Markdown pages show it.
    Mermaid,
    /// A picture.
    Svg,
    /// For programs.
    Json,
}

/// A box of the graph: an instance, or a stage with all its instances.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Node {
    /// The instance, or the stage.
    pub name: String,
    /// The stage.
    pub stage: String,
    /// The stage kind.
    pub kind: String,
    /// How it stands; of a stage, how the worst of its instances does.
    pub standing: Standing,
    /// How many instances it stands for.
    pub instances: usize,
}

impl Node {
    /// What stands in the box: the name, and below it the coordinates or the number of instances.
    fn lines(&self) -> Vec<String> {
        let inside = self.name.strip_prefix(&self.stage).and_then(|rest| rest.strip_prefix('[')).and_then(|rest| rest.strip_suffix(']'));
        let mut lines = vec![self.stage.clone()];
        lines.extend(inside.into_iter().flat_map(|labels| labels.split(',').map(str::to_owned)));
        lines.extend((self.instances > 1).then(|| words::count(self.instances, "instance")));
        lines
    }
}

/// The graph: what takes from what.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct GraphView {
    /// The instances, or the stages, each after everything it needs.
    pub nodes: Vec<Node>,
    /// Pairs of nodes, by index: the second takes from the first.
    pub edges: Vec<(usize, usize)>,
}

impl GraphView {
    /// The graph of a plan whose instances stand as `standings` says, in the same order.
    #[must_use]
    pub fn of_instances(plan: &Plan, standings: &[Standing]) -> Self {
        let nodes = plan.instances.iter().zip(standings).map(|(instance, standing)| Node {
            name: instance.id.clone(),
            stage: instance.stage.clone(),
            kind: instance.kind.clone(),
            standing: *standing,
            instances: 1,
        });
        let edges = plan.graph.raw_edges().iter().map(|edge| (edge.source().index(), edge.target().index()));
        GraphView { nodes: nodes.collect(), edges: edges.collect::<BTreeSet<_>>().into_iter().collect() }
    }

    /// The same graph with one node a stage.
    #[must_use]
    pub fn of_stages(plan: &Plan, standings: &[Standing]) -> Self {
        let instances = Self::of_instances(plan, standings);
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        let mut nodes: Vec<Node> = Vec::new();
        for node in &instances.nodes {
            let number = *numbers.entry(node.stage.clone()).or_insert(nodes.len());
            match nodes.get_mut(number) {
                Some(stage) => {
                    stage.instances += 1;
                    stage.standing = worst(stage.standing, node.standing);
                }
                None => nodes.push(Node { name: node.stage.clone(), ..node.clone() }),
            }
        }
        let stage_of = |index: &usize| instances.nodes.get(*index).and_then(|node| numbers.get(&node.stage)).copied();
        let edges = instances.edges.iter().filter_map(|(from, to)| stage_of(from).zip(stage_of(to)));
        GraphView { nodes, edges: edges.collect::<BTreeSet<_>>().into_iter().collect() }
    }
}

fn worst(a: Standing, b: Standing) -> Standing {
    let rank = |standing| match standing {
        Standing::Fresh => 0,
        Standing::Stale => 1,
        Standing::Missing => 2,
        Standing::Failed => 3,
    };
    if rank(a) >= rank(b) { a } else { b }
}

/// The graph in one of its forms.
#[must_use]
pub fn graph(view: &GraphView, format: GraphFormat) -> String {
    match format {
        GraphFormat::Text => text(view),
        GraphFormat::Dot => dot(view),
        GraphFormat::Mermaid => mermaid(view),
        GraphFormat::Svg => svg::draw(&view.nodes, &view.edges),
        GraphFormat::Json => super::json_answer("graph", view),
    }
}

fn text(view: &GraphView) -> String {
    let mut needs: Vec<Vec<&str>> = vec![Vec::new(); view.nodes.len()];
    for (from, to) in &view.edges {
        if let (Some(list), Some(node)) = (needs.get_mut(*to), view.nodes.get(*from)) {
            list.push(&node.name);
        }
    }
    let mut text = String::new();
    for (node, needs) in view.nodes.iter().zip(needs) {
        let arrow = if needs.is_empty() { String::new() } else { format!(" ← {}", needs.join(", ")) };
        let many = if node.instances > 1 { format!("{}, ", words::count(node.instances, "instance")) } else { String::new() };
        let _ = writeln!(text, "{} ({many}{}){arrow}", node.name, node.standing.as_str());
    }
    text
}

fn colour(standing: Standing) -> &'static str {
    match standing {
        Standing::Fresh => "#cdeccd",
        Standing::Stale => "#fbe8b0",
        Standing::Missing => "#eeeeee",
        Standing::Failed => "#f6c6c6",
    }
}

fn dot(view: &GraphView) -> String {
    let mut text = String::from("digraph pipeline {\n  rankdir = LR;\n  node [shape = box, style = filled];\n");
    for (index, node) in view.nodes.iter().enumerate() {
        let label = node.name.replace('\\', "\\\\").replace('"', "\\\"");
        let _ = writeln!(text, "  n{index} [label = \"{label}\", fillcolor = \"{}\"];", colour(node.standing));
    }
    for (from, to) in &view.edges {
        let _ = writeln!(text, "  n{from} -> n{to};");
    }
    text.push_str("}\n");
    text
}

fn mermaid(view: &GraphView) -> String {
    let mut text = String::from("flowchart LR\n");
    for (index, node) in view.nodes.iter().enumerate() {
        let label = node.name.replace('"', "#quot;");
        let _ = writeln!(text, "  n{index}[\"{label}\"]");
    }
    for (from, to) in &view.edges {
        let _ = writeln!(text, "  n{from} --> n{to}");
    }
    for (index, node) in view.nodes.iter().enumerate() {
        let _ = writeln!(text, "  style n{index} fill:{}", colour(node.standing));
    }
    text
}
