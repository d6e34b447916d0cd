//! 16-bit floats.

use half::f16;
use planish_contract::Failure;
use planish_onnx::proto::tensor_proto::DataType;
use planish_onnx::proto::{ModelProto, TensorProto};

use crate::convert::{INPUT, OUTPUT};
use crate::graph::{floats, int, node};

/// The same graph on 16-bit floats, between a cast of the images and one of the logits.
pub(super) fn convert(model: &ModelProto) -> Result<ModelProto, Failure> {
    let mut model = model.clone();
    let Some(graph) = &mut model.graph else { return Err(Failure::internal("a model without a graph")) };
    graph.initializer.iter_mut().try_for_each(shorten)?;
    let [images, logits] = [INPUT, OUTPUT].map(|name| format!("{name}.fp16"));
    for node in &mut graph.node {
        for name in node.input.iter_mut().filter(|name| *name == INPUT) {
            name.clone_from(&images);
        }
        for name in node.output.iter_mut().filter(|name| *name == OUTPUT) {
            name.clone_from(&logits);
        }
        if node.name() == OUTPUT {
            node.name = Some(logits.clone());
        }
    }
    let cast = |from: &str, to: &str, kind: DataType| node("Cast", &[from], to, vec![int("to", kind as usize)]);
    graph.node.insert(0, cast(INPUT, &images, DataType::Float16));
    graph.node.push(cast(&logits, OUTPUT, DataType::Float));
    Ok(model)
}

/// Rounds each number to the nearest that 16 bits hold, to even ones between two.
fn shorten(tensor: &mut TensorProto) -> Result<(), Failure> {
    if tensor.data_type() != DataType::Float as i32 {
        return Ok(());
    }
    let values: Vec<f16> = floats(tensor).into_iter().map(f16::from_f32).collect();
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        let message = format!("the weight `{}` at {at} is too large for fp16, which ends at 65504", tensor.name());
        return Err(Failure::Diverged(message));
    }
    tensor.raw_data = Some(values.iter().flat_map(|value| value.to_le_bytes()).collect());
    tensor.data_type = Some(DataType::Float16 as i32);
    Ok(())
}
