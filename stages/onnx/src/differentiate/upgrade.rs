//! Graphs of older operator sets, rewritten in the forms of the newer ones.

use super::facts::{Facts, from_front};
use super::node::Reading;
use super::refusal::Refusal;
use super::tensor;
use super::tensor::signed;
use crate::inspect::versions::is_standard;
use crate::proto::tensor_proto::DataType;
use crate::proto::{ModelProto, NodeProto, OperatorSetIdProto};

/// The operator set that the reverse pass needs at least.
const LEAST: i64 = 17;
/// The oldest that can be rewritten.
const OLDEST: i64 = 7;
/// The format version that came with [`LEAST`].
const FORMAT: i64 = 8;

/// Rewrites the nodes for operator set 17 where the model's is older; returns the one that they are written in.
pub(crate) fn to_modern(model: &mut ModelProto, nodes: &mut [NodeProto], facts: &mut Facts) -> Result<i64, Refusal> {
    let standard = |set: &&mut OperatorSetIdProto| is_standard(set.domain());
    let set = model.opset_import.iter_mut().find(standard);
    let set = set.ok_or_else(|| Refusal::Graph("it names no set of standard operators".to_owned()))?;
    let version = set.version();
    if version >= LEAST {
        return Ok(version);
    }
    if version < OLDEST {
        return Err(Refusal::Graph(format!(
            "operator set {version} is older than {OLDEST}; `onnx.version_converter` brings it up to date"
        )));
    }
    set.version = Some(LEAST);
    model.ir_version = Some(model.ir_version().max(FORMAT));
    for node in nodes.iter_mut().filter(|node| is_standard(node.domain())) {
        upgrade(node, version, facts)?;
    }
    Ok(LEAST)
}

fn upgrade(node: &mut NodeProto, version: i64, facts: &mut Facts) -> Result<(), Refusal> {
    match node.op_type() {
        "Squeeze" | "Unsqueeze" | "ReduceSum" if version < 13 => to_input(node, (1, "axes"), facts),
        "Split" if version < 13 => to_input(node, (1, "split"), facts),
        "Slice" if version < 10 => {
            for (index, name) in [(1, "starts"), (2, "ends"), (3, "axes")] {
                to_input(node, (index, name), facts);
            }
        }
        "Pad" if version < 11 => {
            to_input(node, (1, "pads"), facts);
            number_to_input(node, (2, "value"), facts);
        }
        "Clip" if version < 11 => {
            number_to_input(node, (1, "min"), facts);
            number_to_input(node, (2, "max"), facts);
        }
        // Before 12 it never trained.
        "Dropout" if version < 12 => {
            node.op_type = Some("Identity".to_owned());
            node.attribute.clear();
            node.input.truncate(1);
            node.output.truncate(1);
        }
        "BatchNormalization" => {
            if node.output.len() > 1 && version < 14 {
                node.output.truncate(1);
            }
            node.attribute.retain(|attribute| attribute.name() != "spatial");
        }
        "Softmax" | "LogSoftmax" | "Hardmax" if version < 13 => {
            // These took all axes from `axis` on as one: the same for the last axis, which is the only one in use for classifiers.
            if node.attribute_named("axis").is_none() {
                node.attribute.push(super::attribute::int("axis", 1));
            }
            node.attribute.push(super::attribute::int(COERCED, 1));
        }
        "Upsample" | "Scatter" => return Err(Refusal::Operators(vec![node.place()])),
        _ => {}
    }
    Ok(())
}

/// Marks a softmax that took all axes from `axis` on as one.
const COERCED: &str = "planish.coerced";

/// Turns a softmax of an older operator set into one of a newer, its shape being known.
pub(crate) fn settle(node: &mut NodeProto, facts: &Facts) -> Result<(), Refusal> {
    if node.attribute_named(COERCED).is_none() {
        return Ok(());
    }
    let rank = node.input_name(0).and_then(|x| facts.rank(x));
    if rank.is_none_or(|rank| from_front(node.int("axis", 1), rank).is_none_or(|axis| axis + 1 != rank)) {
        return Err(Refusal::Form { place: node.place(), reason: "its old form takes several axes as one".to_owned() });
    }
    node.attribute.retain(|attribute| attribute.name() != COERCED);
    Ok(())
}

/// Turns an attribute that lists whole numbers into input `index`.
fn to_input(node: &mut NodeProto, (index, name): (usize, &str), facts: &mut Facts) {
    if let Some(values) = node.ints(name).map(<[i64]>::to_vec) {
        set_input(node, (index, name), tensor::of_integers(&[signed(values.len())], &values), facts);
    }
}

/// Turns an attribute that holds a float into input `index`.
fn number_to_input(node: &mut NodeProto, (index, name): (usize, &str), facts: &mut Facts) {
    if let Some(value) = node.attribute_named(name).and_then(|attribute| attribute.f) {
        set_input(node, (index, name), tensor::of_floats(DataType::Float, &[], &[f64::from(value)]), facts);
    }
}

fn set_input(node: &mut NodeProto, (index, name): (usize, &str), value: crate::proto::TensorProto, facts: &mut Facts) {
    let constant = format!("{}/{name}", node.output_name(0).unwrap_or_default());
    facts.insert_constant(&constant, value);
    while node.input.len() <= index {
        node.input.push(String::new());
    }
    if let Some(input) = node.input.get_mut(index) {
        *input = constant;
    }
    node.attribute.retain(|attribute| attribute.name() != name);
}
