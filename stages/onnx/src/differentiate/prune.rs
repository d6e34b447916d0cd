//! Leaving out what exporters compute and is known: shapes, and what nothing reads.

use std::collections::BTreeSet;

use super::dim::Dim;
use super::facts::Facts;
use super::graph::reads;
use super::node::Reading;
use super::tensor;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

/// Keeps the nodes that `output` needs; whole numbers that are the same for any number of images become tensors of the model, and so
/// do the targets of reshapes.
pub(crate) fn prune(nodes: Vec<NodeProto>, facts: &mut Facts, output: &str) -> Vec<NodeProto> {
    let mut kept: Vec<NodeProto> = Vec::with_capacity(nodes.len());
    for mut node in nodes {
        if node.output_name(0).is_some_and(|name| name != output) && all_known(&node, facts) {
            continue;
        }
        if node.operator() == "Reshape" {
            fix_target(&mut node, facts);
        }
        kept.push(node);
    }
    let mut needed: BTreeSet<String> = BTreeSet::from([output.to_owned()]);
    let mut reversed: Vec<NodeProto> = Vec::with_capacity(kept.len());
    for node in kept.into_iter().rev() {
        if node.output.iter().any(|name| needed.contains(name)) {
            needed.extend(reads(&node));
            reversed.push(node);
        }
    }
    reversed.reverse();
    reversed
}

/// Whether the node gives one value of known whole numbers; that then is a tensor of the model.
fn all_known(node: &NodeProto, facts: &mut Facts) -> bool {
    let [name] = node.output.as_slice() else { return false };
    let Some(fact) = facts.get(name).filter(|fact| fact.element == DataType::Int64) else { return false };
    let dims: Option<Vec<i64>> =
        fact.sizes.as_ref().and_then(|sizes| sizes.iter().map(|size| (*size)?.constant()).collect::<Option<Vec<_>>>());
    let (Some(dims), Some(values)) = (dims, facts.integers(name)) else { return false };
    let count = dims.iter().try_fold(1_i64, |count, &size| count.checked_mul(size));
    if count != i64::try_from(values.len()).ok() {
        return false;
    }
    facts.insert_constant(name, tensor::of_integers(&dims, &values));
    true
}

/// Writes the target of a reshape as a tensor, with -1 for the size that depends on the number of images.
fn fix_target(node: &mut NodeProto, facts: &mut Facts) {
    let Some((target, output)) = node.input_name(1).zip(node.output_name(0)) else { return };
    if facts.constant(target).is_some() {
        return;
    }
    let entries = facts.get(target).and_then(|fact| fact.entries.as_ref());
    let entries = entries.and_then(|entries| entries.iter().copied().collect::<Option<Vec<Dim>>>());
    let Some(entries) = entries else { return };
    let sizes: Vec<i64> = entries.iter().map(|entry| entry.constant().unwrap_or(-1)).collect();
    let name = format!("{output}/target");
    if sizes.iter().filter(|size| **size == -1).count() > 1 || facts.get(&name).is_some() {
        return;
    }
    facts.insert_constant(&name, tensor::of_integers(&[tensor::signed(sizes.len())], &sizes));
    if let Some(input) = node.input.get_mut(1) {
        *input = name;
    }
}
