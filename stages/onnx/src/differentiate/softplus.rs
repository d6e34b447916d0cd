//! Softplus, which ONNX Runtime computes number by number: as relu(x) − ln sigmoid(|x|) it takes vector instructions.

use std::collections::BTreeMap;

use super::facts::{Fact, Facts};
use super::node::Reading;
use super::tensor;
use crate::proto::NodeProto;

/// Rewrites each `Softplus`; returns, for these and for those that were written so before, what the softplus is taken of.
pub(crate) fn rewrite(nodes: Vec<NodeProto>, facts: &mut Facts) -> (Vec<NodeProto>, BTreeMap<String, String>) {
    let mut written = Vec::with_capacity(nodes.len());
    for node in nodes {
        match (node.operator().as_str(), node.input_name(0), node.output_name(0)) {
            ("Softplus", Some(x), Some(y)) => match expanded(x, y, facts) {
                Some(parts) => written.extend(parts),
                None => written.push(node),
            },
            _ => written.push(node),
        }
    }
    let found = recognised(&written);
    keep_layout(&mut written, &found, facts);
    (written, found)
}

/// Takes max(x, 0) for the ReLU of each softplus. ONNX Runtime keeps a ReLU in the blocked layout of the convolution before it; as its
/// neighbours can't be, that costs a second change of layout.
fn keep_layout(nodes: &mut [NodeProto], found: &BTreeMap<String, String>, facts: &mut Facts) {
    let relus: BTreeMap<String, String> =
        nodes.iter().filter_map(|node| Some((node.input_name(0)?.to_owned(), found.get(node.output_name(0)?)?.clone()))).collect();
    for node in nodes.iter_mut() {
        let Some(x) = node.output_name(0).and_then(|relu| relus.get(relu)).filter(|_| node.op_type.as_deref() == Some("Relu")) else {
            continue;
        };
        let element = facts.element(x);
        let zero = format!("planish/zero.{}", element as i32);
        facts.insert_constant(&zero, tensor::of_floats(element, &[], &[0.0]));
        node.op_type = Some("Max".to_owned());
        node.input.push(zero);
    }
}

fn expanded(x: &str, y: &str, facts: &mut Facts) -> Option<Vec<NodeProto>> {
    let [relu, size, gate, log] = ["relu", "abs", "sigmoid", "log"].map(|part| format!("{y}/softplus.{part}"));
    let fact: Fact = facts.get(y)?.clone();
    for name in [&relu, &size, &gate, &log] {
        if facts.get(name).is_some() {
            return None;
        }
        facts.insert(name, fact.clone());
    }
    let node = |operator: &str, inputs: &[&str], output: &str| NodeProto {
        op_type: Some(operator.to_owned()),
        input: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..Default::default()
    };
    Some(vec![
        node("Relu", &[x], &relu),
        node("Abs", &[x], &size),
        node("Sigmoid", &[&size], &gate),
        node("Log", &[&gate], &log),
        node("Sub", &[&relu, &log], y),
    ])
}

/// The values that are relu(x) − ln sigmoid(|x|), with x.
fn recognised(nodes: &[NodeProto]) -> BTreeMap<String, String> {
    let makers: BTreeMap<&str, &NodeProto> = nodes.iter().filter_map(|node| Some((node.output_name(0)?, node))).collect();
    let argument = |name: &str, operator: &str| {
        let node = makers.get(name).filter(|node| node.operator() == operator)?;
        node.input_name(0)
    };
    let softplus = |node: &NodeProto| -> Option<(String, String)> {
        if node.operator() != "Sub" {
            return None;
        }
        let x = argument(node.input_name(0)?, "Relu")?;
        let gate = argument(node.input_name(1)?, "Log")?;
        let size = argument(gate, "Sigmoid")?;
        (argument(size, "Abs")? == x).then(|| Some((node.output_name(0)?.to_owned(), x.to_owned())))?
    };
    nodes.iter().filter_map(softplus).collect()
}
