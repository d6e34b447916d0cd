//! Making models: a small, honest classifier, and ways to put something else into it.

use planish_onnx::proto::attribute_proto::AttributeType;
use planish_onnx::proto::tensor_proto::DataType;
use planish_onnx::proto::tensor_shape_proto::{Dimension, dimension};
use planish_onnx::proto::type_proto::{Tensor, Value};
use planish_onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
};

/// A float tensor with the given sizes; 0 stands for a dynamic axis.
pub(crate) fn value(name: &str, sizes: &[i64]) -> ValueInfoProto {
    typed_value(name, DataType::Float, sizes)
}

pub(crate) fn typed_value(name: &str, kind: DataType, sizes: &[i64]) -> ValueInfoProto {
    // Named: ONNX Runtime 1.31 takes half a minute to load ten thousand nodes on an axis without a name.
    let named = || dimension::Value::DimParam("n".into());
    let dim =
        |size: &i64| Dimension { value: Some(if *size == 0 { named() } else { dimension::Value::DimValue(*size) }), denotation: None };
    let shape = TensorShapeProto { dim: sizes.iter().map(dim).collect() };
    of_type(name, Value::TensorType(Tensor { elem_type: Some(kind as i32), shape: Some(shape) }))
}

pub(crate) fn of_type(name: &str, value: Value) -> ValueInfoProto {
    ValueInfoProto { name: Some(name.into()), r#type: Some(TypeProto { denotation: None, value: Some(value) }), ..Default::default() }
}

/// A tensor without a shape.
pub(crate) fn shapeless(name: &str, kind: DataType) -> ValueInfoProto {
    of_type(name, Value::TensorType(Tensor { elem_type: Some(kind as i32), shape: None }))
}

pub(crate) fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(operator.into()),
        input: inputs.iter().map(|&name| name.into()).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}

pub(crate) fn with(mut node: NodeProto, attribute: AttributeProto) -> NodeProto {
    node.attribute.push(attribute);
    node
}

pub(crate) fn named(name: &str, node: NodeProto) -> NodeProto {
    NodeProto { name: Some(name.into()), ..node }
}

pub(crate) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: Some(name.into()), r#type: Some(AttributeType::Int as i32), i: Some(value), ..Default::default() }
}

pub(crate) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { name: Some(name.into()), r#type: Some(AttributeType::Ints as i32), ints: values.to_vec(), ..Default::default() }
}

pub(crate) fn tensor(name: &str, value: TensorProto) -> AttributeProto {
    AttributeProto { name: Some(name.into()), r#type: Some(AttributeType::Tensor as i32), t: Some(value), ..Default::default() }
}

pub(crate) fn graph(name: &str, value: GraphProto) -> AttributeProto {
    AttributeProto { name: Some(name.into()), r#type: Some(AttributeType::Graph as i32), g: Some(value), ..Default::default() }
}

pub(crate) fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: dims.to_vec(),
        data_type: Some(DataType::Float as i32),
        raw_data: Some(values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        ..Default::default()
    }
}

/// A vector of whole numbers.
pub(crate) fn whole(name: &str, values: &[i64]) -> TensorProto {
    TensorProto { dims: vec![values.len() as i64], ..scalars(name, values) }
}

/// A whole number without axes.
pub(crate) fn scalar(name: &str, value: i64) -> TensorProto {
    TensorProto { dims: vec![], ..scalars(name, &[value]) }
}

fn scalars(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        data_type: Some(DataType::Int64 as i32),
        raw_data: Some(values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        ..Default::default()
    }
}

/// Lively weights.
pub(crate) fn weights(name: &str, dims: &[i64]) -> TensorProto {
    let count = dims.iter().product::<i64>();
    floats(name, dims, &(0..count).map(|i| ((i * 37 + 11) % 101) as f32 / 101.0 - 0.5).collect::<Vec<_>>())
}

/// The nodes of the honest classifier, from `x` `[n, 3, 8, 8]` to `output` `[n, 3]`.
fn body(x: &str, output: &str) -> Vec<NodeProto> {
    vec![
        with(node("Conv", &[x, "conv.weight"], "conv"), ints("pads", &[1; 4])),
        node("Relu", &["conv"], "relu"),
        node("GlobalAveragePool", &["relu"], "pool"),
        node("Flatten", &["pool"], "flat"),
        node("Gemm", &["flat", "fc.weight"], output),
    ]
}

fn assemble(nodes: Vec<NodeProto>, more: Vec<TensorProto>) -> ModelProto {
    let mut initializer = vec![weights("conv.weight", &[4, 3, 3, 3]), weights("fc.weight", &[4, 3])];
    initializer.extend(more);
    let graph = GraphProto {
        name: Some("network".into()),
        node: nodes,
        initializer,
        input: vec![value("images", &[0, 3, 8, 8])],
        output: vec![value("logits", &[0, 3])],
        ..Default::default()
    };
    let operators = OperatorSetIdProto { domain: Some(String::new()), version: Some(17) };
    ModelProto { ir_version: Some(8), opset_import: vec![operators], graph: Some(graph), ..Default::default() }
}

/// The honest classifier: `images` `[n, 3, 8, 8]` → `logits` `[n, 3]`.
pub(crate) fn honest() -> ModelProto {
    assemble(body("images", "logits"), vec![])
}

/// The honest classifier with its graph changed.
pub(crate) fn changed(change: impl FnOnce(&mut GraphProto)) -> ModelProto {
    let mut model = honest();
    change(model.graph.as_mut().unwrap());
    model
}

/// The honest classifier with something before it: the nodes make `x` of `images`.
pub(crate) fn before(mut nodes: Vec<NodeProto>, more: Vec<TensorProto>) -> ModelProto {
    nodes.extend(body("x", "logits"));
    assemble(nodes, more)
}

/// The honest classifier with something after it: the nodes make `logits` of `plain`.
pub(crate) fn after(nodes: Vec<NodeProto>, more: Vec<TensorProto>) -> ModelProto {
    let mut all = body("images", "plain");
    all.extend(nodes);
    assemble(all, more)
}

/// The honest classifier with the sum of something added to its logits: the nodes make `k`, of any shape.
pub(crate) fn plus(mut nodes: Vec<NodeProto>, more: Vec<TensorProto>) -> ModelProto {
    nodes.push(with(node("ReduceSum", &["k"], "sum"), int("keepdims", 0)));
    nodes.push(node("Add", &["plain", "sum"], "logits"));
    after(nodes, more)
}
