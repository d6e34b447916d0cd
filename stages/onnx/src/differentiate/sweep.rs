//! The reverse sweep: from the gradient of the logits to that of the images.

use std::collections::{BTreeMap, BTreeSet};

use super::emitter::Emitter;
use super::graph::Forward;
use super::node::Reading;
use super::refusal::Refusal;
use super::rules::{Derivative, Reverse, operator_of};
use crate::proto::NodeProto;

/// The gradients that arrived at each value so far.
type Arrived = BTreeMap<String, Vec<String>>;

/// Writes the reverse pass into `e`; `seed` is the gradient of `logits`. Returns that of `images`; `None` where nothing arrives.
///
/// # Errors
/// An operator in a form that its rule does not cover.
pub(crate) fn sweep(
    e: &mut Emitter,
    (nodes, softplus): (&[NodeProto], &BTreeMap<String, String>),
    active: &BTreeSet<String>,
    (images, logits, seed): (&str, &str, &str),
) -> Result<Option<String>, Refusal> {
    let mut arrived = Arrived::new();
    if active.contains(logits) {
        arrived.entry(logits.to_owned()).or_default().push(seed.to_owned());
    }
    for node in nodes.iter().rev() {
        let incoming: Vec<Option<String>> = node.output.iter().map(|output| total(e, &mut arrived, output)).collect();
        if incoming.iter().all(Option::is_none) || !node.input.iter().any(|input| active.contains(input)) {
            continue;
        }
        if let (Some(x), Some(Some(dy))) = (node.output_name(0).and_then(|y| softplus.get(y)), incoming.first()) {
            let slope = e.op("Sigmoid", &[x]);
            let gradient = e.op("Mul", &[dy, &slope]);
            arrived.entry(x.clone()).or_default().push(gradient);
            continue;
        }
        let wanted: Vec<bool> = node.input.iter().map(|input| active.contains(input)).collect();
        let reverse = Reverse { node, incoming: &incoming, wanted: &wanted };
        for (index, gradient) in apply(e, &reverse)? {
            if let (Some(input), true) = (node.input_name(index), reverse.wants(index)) {
                arrived.entry(input.to_owned()).or_default().push(gradient);
            }
        }
    }
    Ok(total(e, &mut arrived, images))
}

fn apply(e: &mut Emitter, reverse: &Reverse<'_>) -> Result<Vec<(usize, String)>, Refusal> {
    match operator_of(reverse.node).map(|operator| operator.derivative) {
        Some(Derivative::Rule(rule)) => rule(e, reverse).map_err(|reason| Refusal::Form { place: reverse.node.place(), reason }),
        _ => Ok(vec![]),
    }
}

/// The sum of what arrived at a value.
fn total(e: &mut Emitter, arrived: &mut Arrived, value: &str) -> Option<String> {
    let gradients = arrived.remove(value)?;
    gradients.into_iter().reduce(|sum, gradient| e.op("Add", &[&sum, &gradient]))
}

/// Adds the outputs that the reverse pass asked for to the nodes of the forward graph.
pub(crate) fn add_requested(forward: &mut Forward, e: &Emitter) {
    for node in &mut forward.nodes {
        let Some(first) = node.output_name(0).map(str::to_owned) else { continue };
        let asked: Vec<(usize, &String)> =
            e.requested.range((first.clone(), 0)..=(first, usize::MAX)).map(|((_, index), name)| (*index, name)).collect();
        for (index, name) in asked {
            while node.output.len() <= index {
                node.output.push(String::new());
            }
            if let Some(output) = node.output.get_mut(index) {
                output.clone_from(name);
            }
        }
    }
}
