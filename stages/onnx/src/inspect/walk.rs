//! Visiting every graph and node of a model, however deep.

use crate::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto};

/// The graphs of a model that are nested in nothing: the main graph and those of training.
pub(super) fn roots(model: &ModelProto) -> impl Iterator<Item = &GraphProto> {
    let training = model.training_info.iter().flat_map(|info| [&info.initialization, &info.algorithm]);
    training.chain([&model.graph]).flatten()
}

/// The graphs inside a node's attributes.
pub(crate) fn nested(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs))
}

/// Whether the graph itself has a value of that name.
pub(super) fn defines(graph: &GraphProto, name: &str) -> bool {
    let values = graph.node.iter().flat_map(|node| &node.output).map(String::as_str);
    let named = graph.initializer.iter().map(TensorProto::name).chain(graph.input.iter().map(crate::proto::ValueInfoProto::name));
    values.chain(named).any(|other| other == name)
}

/// Calls `visit` for every node of the model: of the main graph, of training graphs, functions and nested graphs. Decoding bounds the depth.
pub(super) fn nodes<'a, E>(model: &'a ModelProto, visit: &mut dyn FnMut(&'a NodeProto) -> Result<(), E>) -> Result<(), E> {
    for graph in roots(model) {
        nodes_of(&graph.node, visit)?;
    }
    model.functions.iter().try_for_each(|function| nodes_of(&function.node, visit))
}

/// Calls `visit` for the nodes and those nested in them.
pub(super) fn nodes_of<'a, E>(nodes: &'a [NodeProto], visit: &mut dyn FnMut(&'a NodeProto) -> Result<(), E>) -> Result<(), E> {
    for node in nodes {
        visit(node)?;
        for graph in nested(node) {
            nodes_of(&graph.node, visit)?;
        }
    }
    Ok(())
}

/// Calls `visit` for every tensor, with what it belongs to: an initializer has no node.
pub(super) fn tensors<'a, E>(
    model: &'a ModelProto,
    visit: &mut dyn FnMut(&'a TensorProto, Option<&'a NodeProto>) -> Result<(), E>,
) -> Result<(), E> {
    for graph in roots(model) {
        graph_tensors(graph, visit)?;
    }
    for function in &model.functions {
        node_tensors(&function.node, visit)?;
        function.attribute_proto.iter().try_for_each(|attribute| attribute_tensors(attribute, None, visit))?;
    }
    Ok(())
}

type Visit<'a, 'v, E> = &'v mut dyn FnMut(&'a TensorProto, Option<&'a NodeProto>) -> Result<(), E>;

fn graph_tensors<'a, E>(graph: &'a GraphProto, visit: Visit<'a, '_, E>) -> Result<(), E> {
    graph.initializer.iter().try_for_each(|tensor| visit(tensor, None))?;
    graph.sparse_initializer.iter().flat_map(parts).try_for_each(|tensor| visit(tensor, None))?;
    node_tensors(&graph.node, visit)
}

fn node_tensors<'a, E>(nodes: &'a [NodeProto], visit: Visit<'a, '_, E>) -> Result<(), E> {
    for node in nodes {
        node.attribute.iter().try_for_each(|attribute| attribute_tensors(attribute, Some(node), visit))?;
    }
    Ok(())
}

fn attribute_tensors<'a, E>(attribute: &'a AttributeProto, node: Option<&'a NodeProto>, visit: Visit<'a, '_, E>) -> Result<(), E> {
    attribute.t.iter().chain(&attribute.tensors).try_for_each(|tensor| visit(tensor, node))?;
    let sparse = attribute.sparse_tensor.iter().chain(&attribute.sparse_tensors);
    sparse.flat_map(parts).try_for_each(|tensor| visit(tensor, node))?;
    attribute.g.iter().chain(&attribute.graphs).try_for_each(|graph| graph_tensors(graph, visit))
}

fn parts(tensor: &SparseTensorProto) -> impl Iterator<Item = &TensorProto> {
    tensor.values.iter().chain(&tensor.indices)
}
