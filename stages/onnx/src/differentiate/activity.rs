//! Which values carry a gradient from the images to the logits.

use std::collections::BTreeSet;

use super::graph::{Forward, reads};
use super::masking::Masking;
use super::node::Reading;
use super::refusal::{Place, Refusal};
use super::rules::{Derivative, keeps_fractions, operator_of};
use crate::inspect::walk::nested;
use crate::proto::NodeProto;

/// What a node does to gradients.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Passes,
    /// Its value depends on the sizes of its inputs only.
    Independent,
    Ends,
    Unknown,
}

fn effect(node: &NodeProto) -> Effect {
    match operator_of(node) {
        _ if node.operator() == "Cast" && !keeps_fractions(node) => Effect::Ends,
        Some(operator) => match operator.derivative {
            Derivative::Rule(_) => Effect::Passes,
            Derivative::OfShapes => Effect::Independent,
            Derivative::Zero => Effect::Ends,
        },
        None => Effect::Unknown,
    }
}

/// The values through which the logits depend on the images differentiably, and what is masked.
///
/// # Errors
/// Operators without a rule on the way, and control flow.
pub(crate) fn analyse(forward: &Forward, (images, logits): (&str, &str)) -> Result<(BTreeSet<String>, Masking), Refusal> {
    let reaching = reaching(forward, logits);
    let mut active: BTreeSet<String> = BTreeSet::from([images.to_owned()]);
    let (mut masking, mut unknown): (Masking, Vec<Place>) = (Masking::default(), Vec::new());
    for node in &forward.nodes {
        let enters = node.output.iter().any(|output| reaching.contains(output));
        if !enters || !reads(node).any(|input| active.contains(&input)) {
            continue;
        }
        match effect(node) {
            Effect::Passes if only_selects(node, &active) => {}
            Effect::Passes => active.extend(node.output.iter().filter(|name| !name.is_empty()).cloned()),
            Effect::Independent => {}
            Effect::Ends => masking.nodes.push(node.place()),
            Effect::Unknown if nested(node).next().is_some() => return Err(Refusal::ControlFlow(node.place())),
            Effect::Unknown => {
                // What comes behind is asked for its rule as well.
                active.extend(node.output.iter().filter(|name| !name.is_empty()).cloned());
                if unknown.iter().all(|place| place.operator != node.operator()) {
                    unknown.push(node.place());
                }
            }
        }
    }
    if !unknown.is_empty() {
        return Err(Refusal::Operators(unknown));
    }
    masking.complete = !active.contains(logits);
    Ok((active, masking))
}

/// Whether only the condition of a `Where` is active.
fn only_selects(node: &NodeProto, active: &BTreeSet<String>) -> bool {
    node.operator() == "Where" && !node.input.iter().skip(1).any(|input| active.contains(input))
}

/// The values that enter the logits as values, not only as a condition or by their sizes.
fn reaching(forward: &Forward, logits: &str) -> BTreeSet<String> {
    let mut reaching: BTreeSet<String> = BTreeSet::from([logits.to_owned()]);
    for node in forward.nodes.iter().rev() {
        if effect(node) != Effect::Independent && node.output.iter().any(|output| reaching.contains(output)) {
            let skipped = usize::from(node.operator() == "Where");
            let inner = if node.attribute.is_empty() { vec![] } else { reads(node).skip(node.input.len()).collect() };
            reaching.extend(node.input.iter().skip(skipped).filter(|name| !name.is_empty()).cloned().chain(inner));
        }
    }
    reaching
}
