//! Small models for tests.

use planish_onnx::Classifier;
use planish_onnx::proto::tensor_proto::DataType;
use planish_onnx::proto::tensor_shape_proto::{Dimension, dimension};
use planish_onnx::proto::type_proto::{Tensor, Value};
use planish_onnx::proto::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
};
use prost::Message;

fn value(name: &str, sizes: &[Option<usize>]) -> ValueInfoProto {
    let dim = |size: &Option<usize>| Dimension {
        value: size.map(|size| dimension::Value::DimValue(i64::try_from(size).unwrap())),
        denotation: None,
    };
    let tensor = Tensor { elem_type: Some(DataType::Float as i32), shape: Some(TensorShapeProto { dim: sizes.iter().map(dim).collect() }) };
    let r#type = Some(TypeProto { denotation: None, value: Some(Value::TensorType(tensor)) });
    ValueInfoProto { name: Some(name.into()), r#type, ..Default::default() }
}

/// The weight of channel `channel` and pixel `pixel` (of four) for class `class`: the same whatever the layout.
fn weight(channel: usize, pixel: usize, class: usize) -> f32 {
    ((channel * 7 + pixel * 3 + class * 5) % 11) as f32 / 5.0 - 1.0
}

/// A linear classifier of images `[n, a, b, c]` with twelve values, channels last if there are three of `c`, into two classes.
pub(crate) fn linear(sizes: &[Option<usize>; 3]) -> ModelProto {
    let last = sizes[2] == Some(3);
    let weights = (0..12).flat_map(|at| {
        let (channel, pixel) = if last { (at % 3, at / 3) } else { (at / 4, at % 4) };
        [weight(channel, pixel, 0), weight(channel, pixel, 1)]
    });
    let w = TensorProto {
        name: Some("w".into()),
        dims: vec![12, 2],
        data_type: Some(DataType::Float as i32),
        raw_data: Some(weights.flat_map(f32::to_le_bytes).collect()),
        ..Default::default()
    };
    let node = |operator: &str, inputs: [&str; 2], output: &str| NodeProto {
        op_type: Some(operator.into()),
        input: inputs.iter().filter(|name| !name.is_empty()).map(|&name| name.into()).collect(),
        output: vec![output.into()],
        ..Default::default()
    };
    let graph = GraphProto {
        name: Some("linear".into()),
        node: vec![node("Flatten", ["x", ""], "flat"), node("MatMul", ["flat", "w"], "logits")],
        initializer: vec![w],
        input: vec![value("x", &[None, sizes[0], sizes[1], sizes[2]])],
        output: vec![value("logits", &[None, Some(2)])],
        ..Default::default()
    };
    let operators = OperatorSetIdProto { domain: Some(String::new()), version: Some(17) };
    ModelProto { ir_version: Some(8), opset_import: vec![operators], graph: Some(graph), ..Default::default() }
}

/// The model's logits.
pub(crate) fn run(model: &ModelProto, images: &[f32]) -> Vec<f32> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), model.encode_to_vec()).unwrap();
    Classifier::open(file.path(), 1).unwrap().logits(images).unwrap()
}
