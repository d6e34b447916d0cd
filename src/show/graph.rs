//! The graph of instances as text, for Graphviz, or for Mermaid.

use std::fmt::Write;

use crate::plan::Plan;
use crate::run::Standing;

/// In which form a graph is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum GraphFormat {
    /// A line an instance, with what it takes.
    Text,
    /// For Graphviz (`dot -Tsvg`).
    Dot,
    /// For Mermaid, as Markdown pages show it.
    Mermaid,
}

/// The graph of a plan whose instances stand as `standings` says, in the same order.
#[must_use]
pub fn graph(plan: &Plan, standings: &[Standing], format: GraphFormat) -> String {
    match format {
        GraphFormat::Text => text(plan, standings),
        GraphFormat::Dot => dot(plan, standings),
        GraphFormat::Mermaid => mermaid(plan, standings),
    }
}

/// Pairs of an instance and one that takes from it, by index; each pair once, sorted.
fn edges(plan: &Plan) -> Vec<(usize, usize)> {
    let indices = plan.graph.raw_edges().iter().map(|edge| (edge.source().index(), edge.target().index()));
    let mut edges: Vec<_> = indices.collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

fn text(plan: &Plan, standings: &[Standing]) -> String {
    let edges = edges(plan);
    let mut text = String::new();
    for (index, (instance, standing)) in plan.instances.iter().zip(standings).enumerate() {
        let needs: Vec<&str> = edges
            .iter()
            .filter(|(_, to)| *to == index)
            .filter_map(|(from, _)| plan.instances.get(*from))
            .map(|other| other.id.as_str())
            .collect();
        let arrow = if needs.is_empty() { String::new() } else { format!(" ← {}", needs.join(", ")) };
        let _ = writeln!(text, "{} ({}){arrow}", instance.id, standing.as_str());
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

fn dot(plan: &Plan, standings: &[Standing]) -> String {
    let mut text = String::from("digraph pipeline {\n  rankdir = LR;\n  node [shape = box, style = filled];\n");
    for (index, (instance, standing)) in plan.instances.iter().zip(standings).enumerate() {
        let label = instance.id.replace('\\', "\\\\").replace('"', "\\\"");
        let _ = writeln!(text, "  n{index} [label = \"{label}\", fillcolor = \"{}\"];", colour(*standing));
    }
    for (from, to) in edges(plan) {
        let _ = writeln!(text, "  n{from} -> n{to};");
    }
    text.push_str("}\n");
    text
}

fn mermaid(plan: &Plan, standings: &[Standing]) -> String {
    let mut text = String::from("flowchart LR\n");
    for (index, instance) in plan.instances.iter().enumerate() {
        let label = instance.id.replace('"', "#quot;");
        let _ = writeln!(text, "  n{index}[\"{label}\"]");
    }
    for (from, to) in edges(plan) {
        let _ = writeln!(text, "  n{from} --> n{to}");
    }
    for (index, standing) in standings.iter().enumerate() {
        let _ = writeln!(text, "  style n{index} fill:{}", colour(*standing));
    }
    text
}
