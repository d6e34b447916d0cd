//! Checks of every tensor that a model carries: its values are in the file, and as many as its shape says.

use crate::model_file::Problem;
use crate::proto::tensor_proto::{DataLocation, DataType};
use crate::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto};

/// Checks the tensors of the whole model: initializers and attributes, in the main graph, in nested graphs,
/// in functions and in training graphs. Nesting is bounded by the decoder.
pub(crate) fn check(model: &ModelProto) -> Result<(), Problem> {
    let training = model.training_info.iter().flat_map(|info| [&info.initialization, &info.algorithm]);
    for graph in training.chain([&model.graph]).flatten() {
        check_graph(graph)?;
    }
    for function in &model.functions {
        check_nodes(&function.node)?;
        function.attribute_proto.iter().try_for_each(check_attribute)?;
    }
    Ok(())
}

fn check_graph(graph: &GraphProto) -> Result<(), Problem> {
    graph.initializer.iter().try_for_each(check_tensor)?;
    graph.sparse_initializer.iter().try_for_each(check_sparse)?;
    check_nodes(&graph.node)
}

fn check_nodes(nodes: &[NodeProto]) -> Result<(), Problem> {
    nodes.iter().flat_map(|node| &node.attribute).try_for_each(check_attribute)
}

fn check_attribute(attribute: &AttributeProto) -> Result<(), Problem> {
    attribute.t.iter().chain(&attribute.tensors).try_for_each(check_tensor)?;
    attribute.sparse_tensor.iter().chain(&attribute.sparse_tensors).try_for_each(check_sparse)?;
    attribute.g.iter().chain(&attribute.graphs).try_for_each(check_graph)
}

fn check_sparse(tensor: &SparseTensorProto) -> Result<(), Problem> {
    tensor.values.iter().chain(&tensor.indices).try_for_each(check_tensor)
}

fn check_tensor(tensor: &TensorProto) -> Result<(), Problem> {
    let name = tensor.name();
    if tensor.data_location() == DataLocation::External || !tensor.external_data.is_empty() {
        let message = format!("tensor `{name}` keeps its values in another file");
        return Err(Problem::new(message).hint("save the model as one file, without external data"));
    }
    let elements = tensor.dims.iter().try_fold(1usize, |product, &size| product.checked_mul(usize::try_from(size).ok()?));
    let Some(elements) = elements else {
        return Err(Problem::new(format!("tensor `{name}` has the impossible shape {:?}", tensor.dims)));
    };
    // Element types that are not in the table are left to ONNX Runtime.
    let Some((expected, actual)) = DataType::try_from(tensor.data_type()).ok().and_then(|kind| lengths(tensor, kind, elements)) else {
        return Ok(());
    };
    if expected == actual {
        return Ok(());
    }
    Err(Problem::new(format!("tensor `{name}` of shape {:?} should hold {expected} bytes or values and holds {actual}", tensor.dims)))
}

/// How many bytes (raw) or values (typed) the tensor should hold, and how many it holds.
fn lengths(tensor: &TensorProto, kind: DataType, elements: usize) -> Option<(usize, usize)> {
    let (bytes, typed) = match kind {
        DataType::Float => (4, tensor.float_data.len()),
        DataType::Double => (8, tensor.double_data.len()),
        DataType::Int64 => (8, tensor.int64_data.len()),
        DataType::Uint64 => (8, tensor.uint64_data.len()),
        DataType::Uint32 => (4, tensor.uint64_data.len()),
        DataType::Int32 => (4, tensor.int32_data.len()),
        DataType::Int16 | DataType::Uint16 | DataType::Float16 | DataType::Bfloat16 => (2, tensor.int32_data.len()),
        DataType::Int8 | DataType::Uint8 | DataType::Bool => (1, tensor.int32_data.len()),
        _ => return None,
    };
    match &tensor.raw_data {
        Some(raw) => Some((elements.saturating_mul(bytes), raw.len())),
        None => Some((elements, typed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::StringStringEntryProto;
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
        assert!(check_tensor(&floats(&[2, 3], 24)).is_ok());
        assert!(check_tensor(&floats(&[], 4)).is_ok());
        assert!(check_tensor(&TensorProto { raw_data: None, float_data: vec![0.0; 6], ..floats(&[2, 3], 0) }).is_ok());
        assert!(problem(floats(&[4], 4)).contains("should hold 16"));
        assert!(problem(TensorProto { raw_data: None, ..floats(&[1 << 20, 1 << 20], 0) }).contains("holds 0"));
        assert!(problem(floats(&[-1], 4)).contains("impossible shape"));
        assert!(problem(floats(&[1 << 31, 1 << 31, 16], 4)).contains("impossible shape"));
    }
}
