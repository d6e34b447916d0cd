//! Writing an ONNX graph: nodes and initializers with unique names.

use std::collections::{BTreeMap, BTreeSet};

use planish_contract::Failure;
use planish_formats::{NamedTensor, Values};
use planish_onnx::proto::attribute_proto::AttributeType;
use planish_onnx::proto::tensor_proto::DataType;
use planish_onnx::proto::tensor_shape_proto::{Dimension, dimension};
use planish_onnx::proto::{AttributeProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto};

/// A graph under construction.
pub(crate) struct GraphWriter<'a> {
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    /// Names of the values that exist: inputs, initializers, outputs of nodes.
    values: BTreeSet<String>,
    /// The trained tensors, by name.
    tensors: BTreeMap<&'a str, &'a NamedTensor>,
}

impl<'a> GraphWriter<'a> {
    /// An empty graph with the input `input`, whose initializers come out of `tensors`.
    pub(crate) fn new(input: &str, tensors: &'a [NamedTensor]) -> Self {
        GraphWriter {
            nodes: Vec::new(),
            initializers: Vec::new(),
            values: BTreeSet::from([input.to_owned()]),
            tensors: tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect(),
        }
    }

    /// Adds a node that is named as the value it computes.
    pub(crate) fn node(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) -> Result<(), Failure> {
        if let Some(missing) = inputs.iter().find(|name| !self.values.contains(**name)) {
            return Err(Failure::internal(format!("the ONNX node `{output}` reads `{missing}`, which does not exist")));
        }
        self.define(output)?;
        self.nodes.push(node(operator, inputs, output, attributes));
        Ok(())
    }

    /// Adds the trained tensor `name` as an initializer of the same name and shape.
    pub(crate) fn trained(&mut self, name: &str) -> Result<(), Failure> {
        let tensor = *self.tensors.get(name).ok_or_else(|| Failure::internal(format!("there are no weights `{name}`")))?;
        let Values::F32(values) = &tensor.values else {
            return Err(Failure::internal(format!("the weights `{name}` are not 32-bit floats")));
        };
        self.constant(name, &tensor.shape, values)
    }

    /// Adds an initializer.
    pub(crate) fn constant(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Result<(), Failure> {
        self.define(name)?;
        let dims: Vec<i64> = shape.iter().copied().map(signed).collect();
        self.initializers.push(tensor(name, &dims, DataType::Float, values.iter().flat_map(|value| value.to_le_bytes()).collect()));
        Ok(())
    }

    /// The finished graph with this one input and output, each a float tensor with a dynamic first axis.
    pub(crate) fn finish(self, name: &str, input: (&str, &[usize]), output: (&str, &[usize])) -> GraphProto {
        GraphProto {
            name: Some(name.to_owned()),
            node: self.nodes,
            initializer: self.initializers,
            input: vec![batch_of(input.0, input.1)],
            output: vec![batch_of(output.0, output.1)],
            ..Default::default()
        }
    }

    fn define(&mut self, name: &str) -> Result<(), Failure> {
        if self.values.insert(name.to_owned()) {
            return Ok(());
        }
        Err(Failure::internal(format!("two values of the ONNX graph are named `{name}`")))
    }
}

/// A node that is named as the value it computes.
pub(crate) fn node(operator: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        name: Some(output.to_owned()),
        op_type: Some(operator.to_owned()),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute: attributes,
        ..Default::default()
    }
}

/// An initializer of these little-endian bytes.
pub(crate) fn tensor(name: &str, dims: &[i64], kind: DataType, raw: Vec<u8>) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: dims.to_vec(),
        data_type: Some(kind as i32),
        raw_data: Some(raw),
        ..Default::default()
    }
}

/// The numbers of a float initializer.
pub(crate) fn floats(tensor: &TensorProto) -> Vec<f32> {
    tensor.raw_data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// A float tensor `[batch, …sizes]`.
fn batch_of(name: &str, sizes: &[usize]) -> ValueInfoProto {
    let sizes = sizes.iter().map(|&size| dimension::Value::DimValue(signed(size)));
    let values = std::iter::once(dimension::Value::DimParam("batch".to_owned())).chain(sizes);
    let dim = values.map(|value| Dimension { value: Some(value), denotation: None }).collect();
    let tensor = type_proto::Tensor { elem_type: Some(DataType::Float as i32), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { denotation: None, value: Some(type_proto::Value::TensorType(tensor)) }),
        ..Default::default()
    }
}

/// A size as ONNX stores it. No tensor in memory comes near the limit, and a model with it would not load.
fn signed(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// An attribute that holds a whole number.
pub(crate) fn int(name: &str, value: usize) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(AttributeType::Int as i32), i: Some(signed(value)), ..Default::default() }
}

/// An attribute that holds whole numbers.
pub(crate) fn ints(name: &str, values: &[usize]) -> AttributeProto {
    let ints = values.iter().copied().map(signed).collect();
    AttributeProto { name: Some(name.to_owned()), r#type: Some(AttributeType::Ints as i32), ints, ..Default::default() }
}

/// An attribute that holds a float.
pub(crate) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(AttributeType::Float as i32), f: Some(value), ..Default::default() }
}
