//! Which stage takes from which, and the order in which they can be expanded.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::spec::reference::Reference;
use crate::spec::suggest::suggest;
use crate::spec::{Pipeline, Problem, Problems, Span};

/// Producer → consumer, with the place of the reference.
type StageGraph = DiGraph<usize, Span>;

/// The indices of the stages, each after those it takes from, else as written. Stages that can't be put in order are left out.
pub(super) fn stages(pipeline: &Pipeline, problems: &mut Problems) -> Vec<usize> {
    let graph = graph(pipeline, problems);
    for component in tarjan_scc(&graph) {
        if let Some(cycle) = cycle(&graph, &component) {
            problems.push(circle(pipeline, &cycle));
        }
    }
    let mut missing: Vec<usize> = graph.node_indices().map(|node| graph.edges_directed(node, Direction::Incoming).count()).collect();
    let mut ready: BinaryHeap<Reverse<usize>> =
        missing.iter().enumerate().filter(|(_, count)| **count == 0).map(|(index, _)| Reverse(index)).collect();
    let mut order = Vec::with_capacity(missing.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for next in graph.neighbors(NodeIndex::new(index)) {
            if let Some(count) = missing.get_mut(next.index()) {
                *count -= 1;
                if *count == 0 {
                    ready.push(Reverse(next.index()));
                }
            }
        }
    }
    order
}

fn graph(pipeline: &Pipeline, problems: &mut Problems) -> StageGraph {
    let names: BTreeMap<&str, usize> = pipeline.stage_names().enumerate().map(|(index, name)| (name, index)).collect();
    let mut graph = StageGraph::new();
    let nodes: Vec<NodeIndex> = (0..pipeline.stages.len()).map(|index| graph.add_node(index)).collect();
    for (stage, node) in pipeline.stages.iter().zip(&nodes) {
        for reference in stage.inputs.iter().flat_map(|input| &input.from) {
            match names.get(reference.stage.as_str()).and_then(|index| nodes.get(*index)) {
                Some(source) => drop(graph.add_edge(*source, *node, reference.span)),
                None if problems.is_full() => return graph,
                None => problems.push(unknown(reference, names.keys().copied())),
            }
        }
    }
    graph
}

/// The problem that a reference names no stage.
pub(super) fn unknown<'a>(reference: &Reference, names: impl Iterator<Item = &'a str>) -> Problem {
    Problem::new(format!("there is no stage `{}`", reference.stage)).at(reference.span, "here").help(suggest(
        &reference.stage,
        "stage",
        names,
    ))
}

/// A shortest cycle in a strongly connected component: (consumer, producer, place).
fn cycle(graph: &StageGraph, component: &[NodeIndex]) -> Option<Vec<(usize, usize, Span)>> {
    let start = component.iter().min().copied()?;
    let members: std::collections::BTreeSet<NodeIndex> = component.iter().copied().collect();
    let mut from: BTreeMap<NodeIndex, (NodeIndex, Span)> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for edge in graph.edges(node).filter(|edge| members.contains(&edge.target())) {
            if let Entry::Vacant(entry) = from.entry(edge.target()) {
                entry.insert((node, *edge.weight()));
                queue.push_back(edge.target());
            }
        }
        if from.contains_key(&start) {
            break;
        }
    }
    let mut path = Vec::new();
    let mut node = start;
    loop {
        let (producer, span) = *from.get(&node)?;
        path.push((node.index(), producer.index(), span));
        node = producer;
        if node == start {
            break;
        }
    }
    Some(path)
}

fn circle(pipeline: &Pipeline, cycle: &[(usize, usize, Span)]) -> Problem {
    let name = |index: usize| pipeline.stages.get(index).map_or("?", |stage| stage.name.text.as_str());
    let first = cycle.first().map_or("?", |(consumer, _, _)| name(*consumer));
    let chain: Vec<&str> = cycle.iter().map(|(_, producer, _)| name(*producer)).collect();
    let problem = Problem::new(format!("stages take from each other in a circle: {first} ← {}", chain.join(" ← ")));
    let labelled = cycle.iter().take(12).fold(problem, |problem, (consumer, producer, span)| {
        problem.at(*span, format!("`{}` takes from `{}`", name(*consumer), name(*producer)))
    });
    labelled.help("one of these inputs has to go")
}
