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

/// Calls `change` for every tensor, in the order of [`tensors`].
pub(super) fn tensors_mut<E>(model: &mut ModelProto, change: Change<'_, E>) -> Result<(), E> {
    let training = model.training_info.iter_mut().flat_map(|info| [&mut info.initialization, &mut info.algorithm]);
    training.chain([&mut model.graph]).flatten().try_for_each(|graph| graph_tensors_mut(graph, change))?;
    for function in &mut model.functions {
        let nodes = function.node.iter_mut().flat_map(|node| &mut node.attribute);
        nodes.chain(&mut function.attribute_proto).try_for_each(|attribute| attribute_tensors_mut(attribute, change))?;
    }
    Ok(())
}

type Change<'c, E> = &'c mut dyn FnMut(&mut TensorProto) -> Result<(), E>;

fn graph_tensors_mut<E>(graph: &mut GraphProto, change: Change<'_, E>) -> Result<(), E> {
    graph.initializer.iter_mut().try_for_each(&mut *change)?;
    graph.sparse_initializer.iter_mut().flat_map(parts_mut).try_for_each(&mut *change)?;
    graph.node.iter_mut().flat_map(|node| &mut node.attribute).try_for_each(|attribute| attribute_tensors_mut(attribute, change))
}

fn attribute_tensors_mut<E>(attribute: &mut AttributeProto, change: Change<'_, E>) -> Result<(), E> {
    attribute.t.iter_mut().chain(&mut attribute.tensors).try_for_each(&mut *change)?;
    let sparse = attribute.sparse_tensor.iter_mut().chain(&mut attribute.sparse_tensors);
    sparse.flat_map(parts_mut).try_for_each(&mut *change)?;
    attribute.g.iter_mut().chain(&mut attribute.graphs).try_for_each(|graph| graph_tensors_mut(graph, change))
}

fn parts_mut(tensor: &mut SparseTensorProto) -> impl Iterator<Item = &mut TensorProto> {
    tensor.values.iter_mut().chain(&mut tensor.indices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{FunctionProto, TrainingInfoProto};

    /// A model with a tensor in each place that can hold one, named by the place.
    fn everywhere() -> ModelProto {
        let tensor = |name: &str| TensorProto { name: Some(name.into()), ..Default::default() };
        let sparse = |name: &str| SparseTensorProto {
            values: Some(tensor(&format!("{name} values"))),
            indices: Some(tensor(&format!("{name} indices"))),
            ..Default::default()
        };
        let attribute = |name: &str| AttributeProto {
            t: Some(tensor(&format!("{name} t"))),
            tensors: vec![tensor(&format!("{name} tensors"))],
            sparse_tensor: Some(sparse(&format!("{name} sparse"))),
            sparse_tensors: vec![sparse(&format!("{name} sparses"))],
            ..Default::default()
        };
        let node = |attribute: AttributeProto| NodeProto { attribute: vec![attribute], ..Default::default() };
        let graph = |name: &str, inner: Vec<GraphProto>| GraphProto {
            initializer: vec![tensor(&format!("{name} initializer"))],
            sparse_initializer: vec![sparse(&format!("{name} initializer"))],
            node: vec![node(AttributeProto { graphs: inner, ..attribute(name) })],
            ..Default::default()
        };
        let branch = AttributeProto { g: Some(graph("branch", vec![graph("deep", Vec::new())])), ..Default::default() };
        let mut main = graph("main", vec![graph("nested", Vec::new())]);
        main.node.push(node(branch));
        let training = TrainingInfoProto {
            initialization: Some(graph("initialization", Vec::new())),
            algorithm: Some(graph("algorithm", Vec::new())),
            ..Default::default()
        };
        let function =
            FunctionProto { node: vec![node(attribute("body"))], attribute_proto: vec![attribute("default")], ..Default::default() };
        ModelProto { graph: Some(main), training_info: vec![training], functions: vec![function], ..Default::default() }
    }

    #[test]
    fn both_walks_visit_every_tensor_in_the_same_order() {
        let mut model = everywhere();
        let (mut read, mut changed) = (Vec::new(), Vec::new());
        tensors(&model, &mut |tensor, _| {
            read.push(tensor.name().to_owned());
            Ok::<(), ()>(())
        })
        .unwrap();
        tensors_mut(&mut model, &mut |tensor| {
            changed.push(tensor.name().to_owned());
            Ok::<(), ()>(())
        })
        .unwrap();
        assert_eq!(read, changed);
        // Six graphs with nine tensors each, and the attributes of the function with six each.
        assert_eq!((read.len(), read.iter().collect::<std::collections::BTreeSet<_>>().len()), (66, 66));
        let stopped = tensors_mut(&mut model, &mut |tensor| if tensor.name() == "deep t" { Err("here") } else { Ok(()) });
        assert_eq!(stopped, Err("here"));
    }
}
