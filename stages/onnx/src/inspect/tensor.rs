//! Every tensor that a model carries holds as many values as its shape says, once, and they are numbers.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::{Problem, node_label, quote};
use super::walk;
use crate::proto::tensor_proto::{DataLocation, DataType};
use crate::proto::{ModelProto, NodeProto, TensorProto};

/// Checks the tensors of the whole model: initializers and attributes, in the main graph, in nested graphs,
/// in functions and in training graphs.
pub(super) fn check(model: &ModelProto) -> Result<(), Problem> {
    walk::tensors(model, &mut |tensor, node| check_tensor(tensor, &label(tensor, node)))?;
    let initializers = model.graph.iter().flat_map(|graph| &graph.initializer);
    let initializers: BTreeMap<&str, &TensorProto> = initializers.map(|tensor| (tensor.name(), tensor)).collect();
    let mut scanned = BTreeSet::new();
    walk::nodes(model, &mut |node| finite_weights(&initializers, &mut scanned, node))
}

/// How a tensor is called in messages.
fn label(tensor: &TensorProto, node: Option<&NodeProto>) -> String {
    match (tensor.name(), node) {
        ("", Some(node)) => format!("a constant of {}", node_label(node)),
        (name, None) => format!("tensor {}", quote(name)),
        (name, Some(node)) => format!("tensor {} of {}", quote(name), node_label(node)),
    }
}

/// How many elements the shape of a checked tensor has.
pub(super) fn elements(tensor: &TensorProto) -> u64 {
    tensor.dims.iter().fold(1, |product, &size| product.saturating_mul(u64::try_from(size).unwrap_or(0)))
}

fn check_tensor(tensor: &TensorProto, label: &str) -> Result<(), Problem> {
    if tensor.data_location() == DataLocation::External || !tensor.external_data.is_empty() {
        return Err(Problem::new(format!("{label} keeps its values in another file")).hint("save the model as one file"));
    }
    if tensor.segment.is_some() {
        return Err(Problem::new(format!("{label} is one segment of a larger one")).hint("save each tensor whole"));
    }
    let elements = tensor.dims.iter().try_fold(1usize, |product, &size| product.checked_mul(usize::try_from(size).ok()?));
    let Some(elements) = elements else {
        return Err(Problem::new(format!("{label} has the impossible shape {:?}", tensor.dims)));
    };
    let kind = DataType::try_from(tensor.data_type()).ok().filter(|kind| *kind != DataType::Undefined);
    let kind = kind.ok_or_else(|| Problem::new(format!("{label} has the unknown element type {}", tensor.data_type())))?;
    let fields = fields(tensor);
    if fields.iter().filter(|(_, present)| *present).count() > 1 {
        let names: Vec<&str> = fields.iter().filter(|(_, present)| *present).map(|(name, _)| *name).collect();
        return Err(Problem::new(format!("{label} holds its values more than once (in {})", names.join(" and "))));
    }
    let (expected, actual) = lengths(tensor, kind, elements);
    if expected != actual {
        let unit = if tensor.raw_data.is_some() { "bytes" } else { "values" };
        let message = format!("{label} of shape {:?} should hold {expected} {unit} and holds {actual}", tensor.dims);
        return Err(Problem::new(message).hint("the file is damaged, or its writer is: export it again"));
    }
    match first_nan(tensor, kind) {
        Some(index) => Err(Problem::new(format!("{label} is not a number at position {index} (NaN)")).hint(NOT_FINITE)),
        None => Ok(()),
    }
}

const NOT_FINITE: &str = "no accuracy of such a network means anything: check the training that made it";

/// The fields that may hold values, and whether they do.
fn fields(tensor: &TensorProto) -> [(&'static str, bool); 7] {
    [
        ("raw_data", tensor.raw_data.is_some()),
        ("float_data", !tensor.float_data.is_empty()),
        ("int32_data", !tensor.int32_data.is_empty()),
        ("int64_data", !tensor.int64_data.is_empty()),
        ("double_data", !tensor.double_data.is_empty()),
        ("uint64_data", !tensor.uint64_data.is_empty()),
        ("string_data", !tensor.string_data.is_empty()),
    ]
}

/// How many bytes (raw) or values (typed) the tensor should hold, and how many it holds in the field for its type.
fn lengths(tensor: &TensorProto, kind: DataType, elements: usize) -> (usize, usize) {
    let (bits, typed, per_value) = match kind {
        DataType::Undefined => (0, 0, 1),
        DataType::Float => (32, tensor.float_data.len(), 1),
        DataType::Complex64 => (64, tensor.float_data.len() / 2, 1),
        DataType::Double => (64, tensor.double_data.len(), 1),
        DataType::Complex128 => (128, tensor.double_data.len() / 2, 1),
        DataType::Int64 => (64, tensor.int64_data.len(), 1),
        DataType::Uint64 => (64, tensor.uint64_data.len(), 1),
        DataType::Uint32 => (32, tensor.uint64_data.len(), 1),
        DataType::Int32 => (32, tensor.int32_data.len(), 1),
        DataType::Int16 | DataType::Uint16 | DataType::Float16 | DataType::Bfloat16 => (16, tensor.int32_data.len(), 1),
        DataType::Int8
        | DataType::Uint8
        | DataType::Bool
        | DataType::Float8e4m3fn
        | DataType::Float8e4m3fnuz
        | DataType::Float8e5m2
        | DataType::Float8e5m2fnuz
        | DataType::Float8e8m0 => (8, tensor.int32_data.len(), 1),
        DataType::Uint4 | DataType::Int4 | DataType::Float4e2m1 => (4, tensor.int32_data.len(), 2),
        DataType::Uint2 | DataType::Int2 => (2, tensor.int32_data.len(), 4),
        DataType::Float6e2m3 | DataType::Float6e3m2 => (6, tensor.int32_data.len(), 1),
        // Text has no raw form.
        DataType::String => (0, tensor.string_data.len(), 1),
    };
    match &tensor.raw_data {
        Some(raw) => (elements.saturating_mul(bits).div_ceil(8), raw.len()),
        None => (elements.div_ceil(per_value), typed),
    }
}

/// The position of the first value that is not a number.
fn first_nan(tensor: &TensorProto, kind: DataType) -> Option<usize> {
    position(tensor, kind, f64::is_nan)
}

/// The position of the first value with a property.
fn position(tensor: &TensorProto, kind: DataType, property: impl Fn(f64) -> bool) -> Option<usize> {
    let half = |bits: u16| half(bits, 5, 10);
    let bfloat = |bits: u16| f64::from(f32::from_bits(u32::from(bits) << 16));
    match (kind, &tensor.raw_data) {
        (DataType::Float, Some(raw)) => raw.as_chunks().0.iter().position(|b| property(f64::from(f32::from_le_bytes(*b)))),
        (DataType::Float, None) => tensor.float_data.iter().position(|v| property(f64::from(*v))),
        (DataType::Double, Some(raw)) => raw.as_chunks().0.iter().position(|b| property(f64::from_le_bytes(*b))),
        (DataType::Double, None) => tensor.double_data.iter().position(|v| property(*v)),
        (DataType::Float16, Some(raw)) => raw.as_chunks().0.iter().position(|b| property(half(u16::from_le_bytes(*b)))),
        (DataType::Float16, None) => tensor.int32_data.iter().position(|v| property(half(*v as u16))),
        (DataType::Bfloat16, Some(raw)) => raw.as_chunks().0.iter().position(|b| property(bfloat(u16::from_le_bytes(*b)))),
        (DataType::Bfloat16, None) => tensor.int32_data.iter().position(|v| property(bfloat(*v as u16))),
        _ => None,
    }
}

/// The value of a small float; only whether it is finite, infinite or not a number is told exactly.
fn half(bits: u16, exponent_bits: u32, fraction_bits: u32) -> f64 {
    let fraction = bits & ((1 << fraction_bits) - 1);
    let exponent = (bits >> fraction_bits) & ((1 << exponent_bits) - 1);
    match (exponent == (1 << exponent_bits) - 1, fraction) {
        (true, 0) => f64::INFINITY,
        (true, _) => f64::NAN,
        (false, _) => f64::from(fraction),
    }
}

/// Operators that multiply the images with their tensors, so that an infinity there spoils every logit.
const LINEAR: [&str; 6] = ["Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "InstanceNormalization"];

/// Refuses infinite weights. Elsewhere infinities have a meaning: bounds of Clip, masks of attention. Each tensor is scanned once,
/// however many nodes name it.
fn finite_weights<'a>(
    initializers: &BTreeMap<&str, &TensorProto>,
    scanned: &mut BTreeSet<&'a str>,
    node: &'a NodeProto,
) -> Result<(), Problem> {
    if !LINEAR.contains(&node.op_type()) {
        return Ok(());
    }
    let unseen = node.input.iter().filter(|name| scanned.insert(name.as_str()));
    for tensor in unseen.filter_map(|name| initializers.get(name.as_str())) {
        let Ok(kind) = DataType::try_from(tensor.data_type()) else { continue };
        if let Some(index) = position(tensor, kind, f64::is_infinite) {
            let message = format!("{} is infinite at position {index}, and {} multiplies by it", label(tensor, None), node_label(node));
            return Err(Problem::new(message).hint(NOT_FINITE));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{AttributeProto, GraphProto, StringStringEntryProto};
    use crate::testing;

    fn problem(tensor: TensorProto) -> String {
        let mut model = testing::linear(&[1.0; 24]);
        // Hidden in a graph inside an attribute.
        let nested = GraphProto { initializer: vec![tensor], ..Default::default() };
        let attribute = AttributeProto { g: Some(nested), ..Default::default() };
        if let Some(graph) = &mut model.graph {
            graph.node[0].attribute.push(attribute);
        }
        check(&model).unwrap_err().message
    }

    fn floats(dims: &[i64], raw: usize) -> TensorProto {
        TensorProto {
            name: Some("w".into()),
            dims: dims.to_vec(),
            data_type: Some(DataType::Float as i32),
            raw_data: Some(vec![0; raw]),
            ..Default::default()
        }
    }

    #[test]
    fn external_data_is_refused_wherever_it_hides() {
        let location = StringStringEntryProto { key: Some("location".into()), value: Some("/etc/passwd".into()) };
        let external =
            TensorProto { data_location: Some(DataLocation::External as i32), external_data: vec![location], ..floats(&[4], 16) };
        assert!(problem(external.clone()).contains("another file"));
        assert!(problem(TensorProto { data_location: None, ..external }).contains("another file"));
    }

    #[test]
    fn shapes_and_lengths_must_agree() {
        assert!(check_tensor(&floats(&[2, 3], 24), "").is_ok());
        assert!(check_tensor(&floats(&[], 4), "").is_ok());
        assert!(check_tensor(&TensorProto { raw_data: None, float_data: vec![0.0; 6], ..floats(&[2, 3], 0) }, "").is_ok());
        assert!(problem(floats(&[4], 4)).contains("should hold 16 bytes and holds 4"));
        assert!(problem(TensorProto { raw_data: None, ..floats(&[1 << 20, 1 << 20], 0) }).contains("values and holds 0"));
        assert!(problem(floats(&[-1], 4)).contains("impossible shape"));
        assert!(problem(floats(&[1 << 31, 1 << 31, 16], 4)).contains("impossible shape"));
        let int4 = |raw: usize| TensorProto { data_type: Some(DataType::Int4 as i32), ..floats(&[5], raw) };
        assert!(check_tensor(&int4(3), "").is_ok());
        assert!(problem(int4(2)).contains("should hold 3 bytes"));
    }

    #[test]
    fn values_in_the_wrong_field_or_twice_are_refused() {
        assert!(
            problem(TensorProto { float_data: vec![0.0; 4], ..floats(&[4], 16) }).contains("more than once (in raw_data and float_data)")
        );
        assert!(problem(TensorProto { raw_data: None, int64_data: vec![0; 4], ..floats(&[4], 0) }).contains("holds 0"));
        assert!(problem(TensorProto { data_type: Some(99), ..floats(&[4], 16) }).contains("unknown element type 99"));
    }

    #[test]
    fn what_is_not_a_number_is_found_in_every_type() {
        let with = |kind: DataType, raw: Vec<u8>| TensorProto { data_type: Some(kind as i32), raw_data: Some(raw), ..floats(&[2], 0) };
        assert!(problem(with(DataType::Float, [0.0f32, f32::NAN].iter().flat_map(|v| v.to_le_bytes()).collect())).contains("position 1"));
        assert!(problem(with(DataType::Double, [f64::NAN, 0.0].iter().flat_map(|v| v.to_le_bytes()).collect())).contains("position 0"));
        assert!(problem(with(DataType::Float16, vec![0, 0, 0, 0x7e])).contains("position 1"));
        assert!(problem(with(DataType::Bfloat16, vec![0xc0, 0x7f, 0, 0])).contains("position 0"));
        assert!(check_tensor(&with(DataType::Float16, vec![0, 0x7c, 0, 0x3c]), "").is_ok());
    }

    #[test]
    fn infinite_weights_are_refused() {
        let mut weights = [1.0; 24];
        weights[3] = f32::INFINITY;
        let problem = check(&testing::linear(&weights)).unwrap_err();
        assert!(problem.message.contains("`w` is infinite at position 3") && problem.message.contains("MatMul"), "{problem}");
    }
}
