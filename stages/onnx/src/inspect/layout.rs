//! Models that take their channels last, as models that take them first.

use super::signature::{Layout, Signature};
use super::walk;
use crate::proto::attribute_proto::AttributeType;
use crate::proto::tensor_shape_proto::Dimension;
use crate::proto::tensor_shape_proto::dimension::Value;
use crate::proto::type_proto::Value as TypeValue;
use crate::proto::{AttributeProto, GraphProto, ModelProto, NodeProto};

/// Puts a transposition before a model with its channels last; says whether the model changed. Everything that runs or
/// differentiates models then knows one layout.
pub(crate) fn channels_first(model: &mut ModelProto, signature: &Signature) -> bool {
    let Some(graph) = model.graph.as_mut().filter(|_| signature.layout == Layout::ChannelsLast) else { return false };
    let turned = unused(graph, &format!("{}.channels_last", signature.input));
    rename(&mut graph.node, &signature.input, &turned);
    let order = AttributeProto {
        name: Some("perm".to_owned()),
        r#type: Some(AttributeType::Ints as i32),
        ints: vec![0, 2, 3, 1],
        ..Default::default()
    };
    let transpose = NodeProto {
        op_type: Some("Transpose".to_owned()),
        input: vec![signature.input.clone()],
        output: vec![turned],
        attribute: vec![order],
        ..Default::default()
    };
    graph.node.insert(0, transpose);
    declare(graph, signature);
    true
}

/// A name that no value of the main graph has.
fn unused(graph: &GraphProto, name: &str) -> String {
    let taken = |name: &str| {
        let values = graph.node.iter().flat_map(|node| &node.output).map(String::as_str);
        values.chain(graph.initializer.iter().map(crate::proto::TensorProto::name)).any(|other| other == name)
    };
    let mut name = name.to_owned();
    while taken(&name) {
        name.push('_');
    }
    name
}

/// Has the nodes, and those nested in them that mean the same value, read another one.
fn rename(nodes: &mut [NodeProto], from: &str, to: &str) {
    for node in nodes {
        for name in node.input.iter_mut().filter(|name| *name == from) {
            to.clone_into(name);
        }
        for graph in node.attribute.iter_mut().flat_map(|attribute| attribute.g.iter_mut().chain(&mut attribute.graphs)) {
            if !walk::defines(graph, from) {
                rename(&mut graph.node, from, to);
            }
        }
    }
}

/// Declares the input with the channels first.
fn declare(graph: &mut GraphProto, signature: &Signature) {
    let input = graph.input.iter_mut().find(|value| value.name() == signature.input);
    let Some(TypeValue::TensorType(tensor)) = input.and_then(|value| value.r#type.as_mut()).and_then(|kind| kind.value.as_mut()) else {
        return;
    };
    let Some(shape) = &mut tensor.shape else { return };
    shape.dim.truncate(1);
    let fixed = |size: &usize| Dimension { value: i64::try_from(*size).ok().map(Value::DimValue), denotation: None };
    shape.dim.extend(signature.shape.iter().map(fixed));
}
