//! 8-bit whole numbers, as ONNX's QDQ form: the graph stays one of floats, and pairs of `QuantizeLinear` and
//! `DequantizeLinear` say where and how values are rounded. Runtimes fuse them with the operators between.
//!
//! Activations: 0 to 255 with a zero point, one scale a tensor, from the smallest and largest value seen (and zero, which stays
//! exact). Kernels: −127 to 127 without a zero point, one scale a filter; weights of linear layers one scale. Biases: 32 bits, in
//! units of the product of both scales. (Jacob et al., arXiv 1712.05877; ONNX Runtime, "Quantize ONNX models".)

use std::collections::{BTreeMap, BTreeSet};

use planish_contract::Failure;
use planish_onnx::proto::tensor_proto::DataType;
use planish_onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto};
use planish_onnx::{ModelFile, ranges};

use super::Calibration;
use crate::convert::OUTPUT;
use crate::graph::{floats, int, node, tensor};

/// The model with rounding around convolutions and linear layers.
pub(super) fn convert(file: &ModelFile, calibration: Calibration<'_>) -> Result<ModelProto, Failure> {
    let mut model = file.model.clone();
    let Some(graph) = &mut model.graph else { return Err(Failure::internal("a model without a graph")) };
    let names = rounded(graph);
    let measured = ranges(file, &names, calibration.images, calibration.threads)?;
    let scales: BTreeMap<&str, f32> = names.iter().zip(&measured).map(|(name, range)| (name.as_str(), scale(*range))).collect();
    let mut writer = Writer { initializers: BTreeMap::new(), nodes: Vec::new(), order: Vec::new() };
    for initializer in graph.initializer.drain(..) {
        writer.put(initializer);
    }
    for (name, range) in names.iter().zip(&measured) {
        writer.activation(name, *range);
    }
    for name in names.iter().filter(|name| graph.input.iter().any(|input| input.name() == *name)) {
        writer.round(name);
    }
    for mut node in std::mem::take(&mut graph.node) {
        if is_linear(&node) {
            writer.weights(&mut node, &scales)?;
        }
        for input in node.input.iter_mut().filter(|input| scales.contains_key(input.as_str())) {
            *input = format!("{input}.dequantised");
        }
        let computed = node.output.clone();
        writer.nodes.push(node);
        for name in computed.iter().filter(|name| scales.contains_key(name.as_str())) {
            writer.round(name);
        }
    }
    graph.node = writer.nodes;
    graph.initializer = writer.order.iter().filter_map(|name| writer.initializers.remove(name)).collect();
    Ok(model)
}

fn is_linear(node: &NodeProto) -> bool {
    matches!(node.op_type(), "Conv" | "Gemm")
}

/// The values that are rounded: what goes into convolutions and linear layers, and what comes out of convolutions, unless a ReLU,
/// which fuses with them, follows.
fn rounded(graph: &GraphProto) -> Vec<String> {
    let readers = |name: &str| graph.node.iter().filter(|node| node.input.iter().any(|input| input == name)).collect::<Vec<_>>();
    let mut names = BTreeSet::new();
    for node in graph.node.iter().filter(|node| is_linear(node)) {
        names.extend(node.input.first().cloned());
        if let ("Conv", Some(output)) = (node.op_type(), node.output.first())
            && !matches!(readers(output).as_slice(), [reader] if reader.op_type() == "Relu")
        {
            names.insert(output.clone());
        }
    }
    names.remove(OUTPUT);
    names.into_iter().collect()
}

/// The size of one of 255 steps over the range and zero.
fn scale((low, high): (f32, f32)) -> f32 {
    let width = (high.max(0.0) - low.min(0.0)) / 255.0;
    if width > 0.0 { width } else { 1.0 }
}

struct Writer {
    initializers: BTreeMap<String, TensorProto>,
    /// Their names, in order.
    order: Vec<String>,
    nodes: Vec<NodeProto>,
}

impl Writer {
    fn put(&mut self, tensor: TensorProto) {
        let name = tensor.name().to_owned();
        if self.initializers.insert(name.clone(), tensor).is_none() {
            self.order.push(name);
        }
    }

    /// Writes the scale and the zero point of an activation.
    fn activation(&mut self, name: &str, range: (f32, f32)) {
        let scale = scale(range);
        let zero = (-range.0.min(0.0) / scale).round_ties_even().clamp(0.0, 255.0) as u8;
        self.put(tensor(&format!("{name}.scale"), &[], DataType::Float, scale.to_le_bytes().to_vec()));
        self.put(tensor(&format!("{name}.zero"), &[], DataType::Uint8, vec![zero]));
    }

    /// Writes the nodes that round a value.
    fn round(&mut self, name: &str) {
        let [scale, zero, quantised, dequantised] = ["scale", "zero", "quantised", "dequantised"].map(|part| format!("{name}.{part}"));
        self.nodes.push(node("QuantizeLinear", &[name, &scale, &zero], &quantised, vec![]));
        self.nodes.push(node("DequantizeLinear", &[&quantised, &scale, &zero], &dequantised, vec![]));
    }

    /// Rounds the weights and the bias of a convolution or linear layer, and has the node read the rounded ones.
    fn weights(&mut self, layer: &mut NodeProto, scales: &BTreeMap<&str, f32>) -> Result<(), Failure> {
        let lost = |what: &str| Failure::internal(format!("the layer `{}` has no {what} to round", layer.name()));
        let input = *layer.input.first().and_then(|name| scales.get(name.as_str())).ok_or_else(|| lost("range"))?;
        let name = layer.input.get(1).cloned().ok_or_else(|| lost("weights"))?;
        let weight = self.initializers.get(&name).ok_or_else(|| lost("weights"))?;
        let (dims, values) = (weight.dims.clone(), floats(weight));
        let filters = dims.first().and_then(|size| usize::try_from(*size).ok()).filter(|size| *size > 0).ok_or_else(|| lost("filters"))?;
        let groups = if layer.op_type() == "Conv" { filters } else { 1 };
        let length = values.len() / groups;
        let steps: Vec<f32> = values.chunks(length.max(1)).map(step).collect();
        let rounded = values.chunks(length.max(1)).zip(&steps).flat_map(|(values, step)| values.iter().map(move |v| v / step));
        let rounded: Vec<u8> = rounded.map(|v| v.round_ties_even().clamp(-127.0, 127.0) as i8 as u8).collect();
        self.put(tensor(&name, &dims, DataType::Int8, rounded));
        self.dequantise(&name, &steps, DataType::Int8);
        let units: Vec<f32> = steps.iter().map(|step| step * input).collect();
        let bias = layer.input.get(2).cloned();
        if let Some(bias) = &bias {
            self.bias(bias, &units).ok_or_else(|| lost("bias"))?;
        }
        layer.input.truncate(1);
        layer.input.extend([Some(name), bias].into_iter().flatten().map(|name| format!("{name}.dequantised")));
        Ok(())
    }

    fn bias(&mut self, name: &str, units: &[f32]) -> Option<()> {
        let bias = self.initializers.get(name)?;
        let (dims, values) = (bias.dims.clone(), floats(bias));
        let rounded = values.iter().zip(units.iter().cycle()).map(|(value, unit)| (f64::from(*value) / f64::from(*unit)).round_ties_even());
        // Saturates: such a bias decides its output alone in either form.
        let rounded = rounded.flat_map(|value| (value as i32).to_le_bytes()).collect();
        self.put(tensor(name, &dims, DataType::Int32, rounded));
        self.dequantise(name, units, DataType::Int32);
        Some(())
    }

    /// Writes the node that makes floats of a rounded initializer, with one scale for all or one an entry of the first axis.
    fn dequantise(&mut self, name: &str, scales: &[f32], kind: DataType) {
        let [scale, zero, dequantised] = ["scale", "zero", "dequantised"].map(|part| format!("{name}.{part}"));
        let dims: Vec<i64> = if scales.len() == 1 { vec![] } else { vec![i64::try_from(scales.len()).unwrap_or(i64::MAX)] };
        let width = if kind == DataType::Int32 { 4 } else { 1 };
        self.put(tensor(&scale, &dims, DataType::Float, scales.iter().flat_map(|scale| scale.to_le_bytes()).collect()));
        self.put(tensor(&zero, &dims, kind, vec![0; width * scales.len()]));
        self.nodes.push(node("DequantizeLinear", &[name, &scale, &zero], &dequantised, vec![int("axis", 0)]));
    }
}

/// The size of one of 127 steps up to the largest magnitude.
fn step(values: &[f32]) -> f32 {
    let largest = values.iter().fold(0.0f32, |largest, value| largest.max(value.abs())) / 127.0;
    if largest > 0.0 { largest } else { 1.0 }
}
