//! Sizes that the file fixes: tensors that operators make out of constants, windows, declared shapes.
//!
//! Sizes that come out of computation are not followed; [`crate::probe`] meets those under a memory limit.

use std::collections::BTreeMap;

use super::problem::{Problem, node_label, quote};
use super::walk;
use crate::proto::attribute_proto::AttributeType;
use crate::proto::tensor_proto::DataType;
use crate::proto::tensor_shape_proto::dimension::Value;
use crate::proto::type_proto::Value as TypeValue;
use crate::proto::{AttributeProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};

/// The most elements that one image may make of one tensor: 1 GiB of 32-bit floats.
const MOST_ELEMENTS: u64 = 1 << 28;
/// The most elements of all tensors together whose sizes are fixed.
const MOST_TOTAL: u64 = 1 << 32;
/// The largest kernel, stride, dilation, padding or block along one axis.
const WIDEST: i64 = 1 << 14;
/// Constants longer than this are no shapes.
const LONGEST_SHAPE: usize = 32;

/// Small constants by name.
type Constants<'a> = BTreeMap<&'a str, Vec<f64>>;

pub(super) fn check(model: &ModelProto) -> Result<(), Problem> {
    let mut constants = Constants::new();
    let collected: Result<(), Problem> = walk::nodes(model, &mut |node| {
        if let (Some(name), Some(values)) = (node.output.first(), constant_node(node)) {
            constants.insert(name, values);
        }
        Ok(())
    });
    collected?;
    for tensor in model.graph.iter().flat_map(|graph| &graph.initializer) {
        if let Some(values) = small(tensor) {
            constants.insert(tensor.name(), values);
        }
    }
    let mut total = 0u64;
    for graph in walk::roots(model) {
        for value in graph.value_info.iter().chain(&graph.output) {
            total = total.saturating_add(declared(value)?);
        }
    }
    walk::nodes(model, &mut |node| {
        windows(node)?;
        let made = made(node, &constants);
        if made > MOST_ELEMENTS {
            let message = format!("{} makes a tensor of {made} elements; the most is {MOST_ELEMENTS}", node_label(node));
            return Err(Problem::new(message).hint("a classifier needs nothing of that size: check how the file was made"));
        }
        total = total.saturating_add(made);
        if total > MOST_TOTAL {
            return Err(Problem::new(format!("makes tensors of more than {MOST_TOTAL} elements together, up to {}", node_label(node))));
        }
        Ok(())
    })
}

/// How many elements a value declares, batch and other dynamic axes counted as one.
fn declared(value: &ValueInfoProto) -> Result<u64, Problem> {
    let Some(TypeValue::TensorType(tensor)) = value.r#type.as_ref().and_then(|t| t.value.as_ref()) else { return Ok(0) };
    let mut elements = 1u64;
    for dimension in tensor.shape.iter().flat_map(|shape| &shape.dim) {
        let Some(Value::DimValue(size)) = dimension.value else { continue };
        let size = u64::try_from(size).map_err(|_| Problem::new(format!("{} declares an axis of size {size}", quote(value.name()))))?;
        elements = elements.saturating_mul(size);
    }
    if elements > MOST_ELEMENTS {
        let message = format!("declares {elements} elements for {}; the most is {MOST_ELEMENTS}", quote(value.name()));
        return Err(Problem::new(message).hint("a classifier needs nothing of that size: check how the file was made"));
    }
    Ok(elements)
}

/// The values of a constant that may be a shape, a factor or a bound.
fn small(tensor: &TensorProto) -> Option<Vec<f64>> {
    let raw = tensor.raw_data.as_deref();
    let values: Vec<f64> = match (DataType::try_from(tensor.data_type()).ok()?, raw) {
        (DataType::Int64, Some(raw)) => raw.as_chunks().0.iter().take(LONGEST_SHAPE + 1).map(|b| i64::from_le_bytes(*b) as f64).collect(),
        (DataType::Int64, None) => tensor.int64_data.iter().take(LONGEST_SHAPE + 1).map(|v| *v as f64).collect(),
        (DataType::Int32, Some(raw)) => {
            raw.as_chunks().0.iter().take(LONGEST_SHAPE + 1).map(|b| f64::from(i32::from_le_bytes(*b))).collect()
        }
        (DataType::Int32, None) => tensor.int32_data.iter().take(LONGEST_SHAPE + 1).map(|v| f64::from(*v)).collect(),
        (DataType::Float, Some(raw)) => {
            raw.as_chunks().0.iter().take(LONGEST_SHAPE + 1).map(|b| f64::from(f32::from_le_bytes(*b))).collect()
        }
        (DataType::Float, None) => tensor.float_data.iter().take(LONGEST_SHAPE + 1).map(|v| f64::from(*v)).collect(),
        _ => return None,
    };
    (values.len() <= LONGEST_SHAPE).then_some(values)
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name() == name)
}

/// The values of a `Constant` node.
fn constant_node(node: &NodeProto) -> Option<Vec<f64>> {
    if node.op_type() != "Constant" {
        return None;
    }
    let [attribute] = node.attribute.as_slice() else { return None };
    match attribute.name() {
        "value" => small(attribute.t.as_ref()?),
        "value_int" => Some(vec![attribute.i() as f64]),
        "value_float" => Some(vec![f64::from(attribute.f())]),
        "value_ints" if attribute.ints.len() <= LONGEST_SHAPE => Some(attribute.ints.iter().map(|v| *v as f64).collect()),
        _ => None,
    }
}

/// How many elements the node makes at least, as far as constants tell; 0 where they do not.
fn made(node: &NodeProto, constants: &Constants<'_>) -> u64 {
    let input = |index: usize| node.input.get(index).and_then(|name| constants.get(name.as_str()));
    let product = |values: &Vec<f64>| values.iter().fold(1.0, |product, value| product * value.abs().max(1.0));
    let elements = match node.op_type() {
        "ConstantOfShape" | "HannWindow" | "HammingWindow" | "BlackmanWindow" => input(0).map(product),
        "Expand" | "Reshape" | "Tile" | "Upsample" | "OneHot" => input(1).map(product),
        "Resize" => input(3).or_else(|| input(2)).map(product),
        "Pad" => input(1).map(|pads| pads.iter().map(|pad| pad.abs()).fold(0.0, f64::max)),
        "Range" => match (input(0), input(1), input(2)) {
            (Some(start), Some(limit), Some(step)) => match (start.first(), limit.first(), step.first()) {
                (Some(start), Some(limit), Some(step)) => Some(((limit - start) / step).max(0.0)),
                _ => None,
            },
            _ => None,
        },
        "RandomNormal" | "RandomUniform" => {
            attribute(node, "shape").map(|shape| shape.ints.iter().fold(1.0, |product, size| product * (*size as f64).abs().max(1.0)))
        }
        _ => None,
    };
    // Saturates; what is not a number (a range of step 0 from a value to itself) counts as nothing.
    elements.map_or(0, |elements| elements as u64)
}

/// Attributes that give sizes along axes, with the smallest value that means something.
const WINDOWS: [(&str, i64); 6] =
    [("kernel_shape", 1), ("strides", 1), ("dilations", 1), ("pads", -WIDEST), ("output_padding", 0), ("output_shape", 0)];

/// Checks the kernels, strides, paddings and blocks of a node.
fn windows(node: &NodeProto) -> Result<(), Problem> {
    let outside = |name: &str, value: i64, least: i64, most: i64| {
        let message = format!("{} has {value} in its `{name}`, which must be {least} to {most}", node_label(node));
        Problem::new(message).hint("the file is damaged, or its writer is: export it again")
    };
    for (name, least) in WINDOWS {
        for value in attribute(node, name).filter(|a| a.r#type() == AttributeType::Ints).iter().flat_map(|a| &a.ints) {
            if !(least..=WIDEST).contains(value) {
                return Err(outside(name, *value, least, WIDEST));
            }
        }
    }
    for name in ["group", "blocksize"] {
        if let Some(value) = attribute(node, name).filter(|a| a.r#type() == AttributeType::Int).map(AttributeProto::i)
            && value < 1
        {
            return Err(outside(name, value, 1, i64::MAX));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{model, node};

    fn constant(name: &str, values: &[i64]) -> NodeProto {
        let tensor = TensorProto {
            dims: vec![i64::try_from(values.len()).unwrap()],
            data_type: Some(DataType::Int64 as i32),
            int64_data: values.to_vec(),
            ..Default::default()
        };
        let value = AttributeProto {
            name: Some("value".into()),
            r#type: Some(AttributeType::Tensor as i32),
            t: Some(tensor),
            ..Default::default()
        };
        NodeProto { attribute: vec![value], ..node("Constant", &[], name) }
    }

    fn outcome(nodes: Vec<NodeProto>) -> Result<(), Problem> {
        check(&model(nodes, &[1.0; 24]))
    }

    #[test]
    fn tensors_made_of_constants_are_bounded() {
        outcome(vec![constant("s", &[1 << 20]), node("ConstantOfShape", &["s"], "big")]).unwrap();
        let make = |operator: &str, shape: &[i64]| {
            let inputs: &[&str] = if operator == "ConstantOfShape" { &["s"] } else { &["images", "s"] };
            outcome(vec![constant("s", shape), node(operator, inputs, "big")]).unwrap_err().message
        };
        assert!(
            make("ConstantOfShape", &[1 << 33]).contains("the `ConstantOfShape` node that computes `big` makes a tensor of 8589934592")
        );
        assert!(make("Expand", &[1 << 20, 3, 32, 32]).contains("Expand"));
        assert!(make("Tile", &[1 << 16, 1 << 16, 1, 1]).contains("Tile"));
        assert!(make("ConstantOfShape", &[i64::MAX, i64::MAX, i64::MAX]).contains(&u64::MAX.to_string()));
        let range = vec![constant("a", &[0]), constant("b", &[1 << 40]), constant("c", &[1]), node("Range", &["a", "b", "c"], "big")];
        assert!(outcome(range).unwrap_err().message.contains("1099511627776"));
    }

    #[test]
    fn many_large_tensors_are_one_too_large_sum() {
        let mut nodes = vec![constant("s", &[1 << 27])];
        nodes.extend((0..40).map(|i| node("ConstantOfShape", &["s"], &format!("big{i}"))));
        assert!(outcome(nodes).unwrap_err().message.contains("together"));
    }

    #[test]
    fn windows_are_bounded() {
        let with = |name: &str, ints: &[i64]| {
            let ints = AttributeProto {
                name: Some(name.into()),
                r#type: Some(AttributeType::Ints as i32),
                ints: ints.to_vec(),
                ..Default::default()
            };
            outcome(vec![NodeProto { attribute: vec![ints], ..node("Conv", &["images", "w"], "logits") }])
        };
        with("strides", &[1, 1]).unwrap();
        assert!(with("strides", &[0, 0]).unwrap_err().message.contains("has 0 in its `strides`"));
        assert!(with("kernel_shape", &[0, 3]).is_err());
        assert!(with("pads", &[1 << 30; 4]).is_err());
    }

    #[test]
    fn declared_shapes_are_bounded() {
        let mut lying = model(vec![], &[1.0; 24]);
        lying.graph.as_mut().unwrap().value_info.push(crate::testing::value("a", &[Some(1 << 40)]));
        assert!(check(&lying).unwrap_err().message.contains("declares 1099511627776 elements for `a`"));
    }
}
