//! Small models for tests.

use crate::inspect::{Layout, Signature};
use crate::proto::tensor_proto::DataType;
use crate::proto::tensor_shape_proto::{Dimension, dimension};
use crate::proto::type_proto::{Tensor, Value};
use crate::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto};

/// A float tensor with the given sizes; `None` is a dynamic axis.
pub(crate) fn value(name: &str, sizes: &[Option<i64>]) -> ValueInfoProto {
    let dim = |size: &Option<i64>| Dimension { value: size.map(dimension::Value::DimValue), denotation: None };
    let shape = TensorShapeProto { dim: sizes.iter().map(dim).collect() };
    let tensor = Tensor { elem_type: Some(DataType::Float as i32), shape: Some(shape) };
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto { denotation: None, value: Some(Value::TensorType(tensor)) }),
        ..Default::default()
    }
}

/// What a classifier of images `[c, h, w]` from `images` to `logits` of batches of any size takes and gives.
pub(crate) fn signature(shape: [usize; 3], classes: usize) -> Signature {
    Signature { input: "images".into(), output: "logits".into(), shape, classes, single: false, layout: Layout::ChannelsFirst }
}

/// A node without attributes.
pub(crate) fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(operator.into()),
        input: inputs.iter().map(|&name| name.into()).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}

/// A model of these nodes: `images` `[n, 3, 2, 2]` → `logits` `[n, 2]`, with `w` `[12, 2]` as its tensor.
pub(crate) fn model(nodes: Vec<NodeProto>, weights: &[f32]) -> ModelProto {
    let weights = TensorProto {
        name: Some("w".into()),
        dims: vec![12, 2],
        data_type: Some(DataType::Float as i32),
        raw_data: Some(weights.iter().flat_map(|w| w.to_le_bytes()).collect()),
        ..Default::default()
    };
    let graph = GraphProto {
        name: Some("test".into()),
        node: nodes,
        initializer: vec![weights],
        input: vec![value("images", &[None, Some(3), Some(2), Some(2)])],
        output: vec![value("logits", &[None, Some(2)])],
        ..Default::default()
    };
    let operators = OperatorSetIdProto { domain: Some(String::new()), version: Some(17) };
    ModelProto { ir_version: Some(8), opset_import: vec![operators], graph: Some(graph), ..Default::default() }
}

/// `logits = flatten(images) · w`.
pub(crate) fn linear(weights: &[f32]) -> ModelProto {
    model(vec![node("Flatten", &["images"], "flat"), node("MatMul", &["flat", "w"], "logits")], weights)
}
