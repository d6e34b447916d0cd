//! The forward graph, brought into the form that the rules expect, with what is known of its values.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::facts::{Fact, Facts};
use super::node::Reading;
use super::refusal::Refusal;
use super::rules::operator_of;
use super::tensor::signed;
use super::{fold, prune, softplus, tensor, upgrade};
use crate::inspect::Signature;
use crate::inspect::walk::nested;
use crate::proto::tensor_proto::DataType;
use crate::proto::{GraphProto, ModelProto, NodeProto, TensorProto};

/// A graph whose nodes come in the order in which they can be computed. Tensors of the model are in the facts.
pub(crate) struct Forward {
    pub(crate) nodes: Vec<NodeProto>,
    pub(crate) facts: Facts,
    /// The outputs of nodes that together are a softplus, with what that is taken of.
    pub(crate) softplus: BTreeMap<String, String>,
    /// The operator set that the nodes are written in.
    pub(crate) opset: i64,
}

impl Forward {
    /// Takes the graph out of `model`.
    pub(crate) fn of(model: &mut ModelProto, signature: &Signature) -> Result<Forward, Refusal> {
        let graph = model.graph.as_mut().ok_or_else(|| Refusal::Graph("there is no graph".to_owned()))?;
        let (nodes, initializers) = (std::mem::take(&mut graph.node), std::mem::take(&mut graph.initializer));
        let mut facts = Facts::default();
        for mut value in initializers {
            facts.insert_constant(&value.name.take().unwrap_or_default(), value);
        }
        facts.insert(&signature.input, input_fact(signature));
        let mut nodes: Vec<NodeProto> = nodes.into_iter().filter_map(|node| constant_to_facts(node, &mut facts)).collect();
        let opset = upgrade::to_modern(model, &mut nodes, &mut facts)?;
        let nodes = sorted(nodes, &facts)?;
        let nodes = infer(nodes, &mut facts)?;
        let nodes = prune::prune(nodes, &mut facts, &signature.output);
        let nodes = fold::batch_normalisations(nodes, &mut facts, &signature.output);
        let (nodes, softplus) = softplus::rewrite(nodes, &mut facts);
        // Folding leaves behind the tensors that it replaced.
        let mut needed: BTreeSet<String> = nodes.iter().flat_map(reads).collect();
        needed.insert(signature.output.clone());
        facts.keep_constants(&needed);
        Ok(Forward { nodes, facts, softplus, opset })
    }

    /// The names of all values.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let inner = self.nodes.iter().flat_map(inner_names);
        let values = self.nodes.iter().flat_map(|node| node.input.iter().chain(&node.output).cloned());
        values.chain(inner).chain(self.facts.names()).collect()
    }
}

fn input_fact(signature: &Signature) -> Fact {
    use super::dim::Dim;
    let batch = if signature.single { Dim::of(1) } else { Dim::BATCH };
    let sizes = signature.shape.iter().map(|&size| Some(Dim::of(signed(size))));
    Fact::new(DataType::Float, Some(std::iter::once(Some(batch)).chain(sizes).collect()))
}

/// Names in the graphs that a node carries.
fn inner_names(node: &NodeProto) -> Vec<String> {
    let of = |graph: &GraphProto| -> Vec<String> {
        let own = graph.node.iter().flat_map(|node| node.input.iter().chain(&node.output).cloned());
        let outputs = graph.output.iter().map(|value| value.name().to_owned());
        own.chain(outputs).chain(graph.node.iter().flat_map(inner_names)).collect()
    };
    nested(node).flat_map(of).collect()
}

/// Moves the tensor of a `Constant` node to the facts; other nodes come back.
fn constant_to_facts(node: NodeProto, facts: &mut Facts) -> Option<NodeProto> {
    let Some(name) = node.output_name(0).filter(|_| node.operator() == "Constant") else { return Some(node) };
    let value = match node.attribute.first().map(|attribute| (attribute.name(), attribute)) {
        Some(("value", attribute)) => attribute.t.clone(),
        Some(("value_int", attribute)) => attribute.i.map(|value| tensor::of_integers(&[], &[value])),
        Some(("value_ints", attribute)) => Some(tensor::of_integers(&[signed(attribute.ints.len())], &attribute.ints)),
        Some(("value_float", attribute)) => attribute.f.map(|value| tensor::of_floats(DataType::Float, &[], &[f64::from(value)])),
        Some(("value_floats", attribute)) => {
            let values: Vec<f64> = attribute.floats.iter().copied().map(f64::from).collect();
            Some(tensor::of_floats(DataType::Float, &[signed(values.len())], &values))
        }
        _ => None,
    };
    match value {
        Some(value) => {
            facts.insert_constant(name, TensorProto { name: None, ..value });
            None
        }
        None => Some(node),
    }
}

/// Everything that a node reads, with what the graphs that it carries may read.
pub(crate) fn reads(node: &NodeProto) -> impl Iterator<Item = String> {
    let inner = if node.attribute.is_empty() { vec![] } else { inner_names(node) };
    node.input.iter().filter(|name| !name.is_empty()).cloned().chain(inner)
}

/// The nodes in an order in which each comes after those that it reads.
fn sorted(nodes: Vec<NodeProto>, facts: &Facts) -> Result<Vec<NodeProto>, Refusal> {
    let mut makers: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            if makers.insert(output, index).is_some() || facts.get(output).is_some() {
                return Err(Refusal::Graph(format!("two values are named `{output}`")));
            }
        }
    }
    let mut waits: Vec<usize> = vec![0; nodes.len()];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        let sources: BTreeSet<usize> = reads(node).filter_map(|name| makers.get(name.as_str()).copied()).collect();
        for source in sources.into_iter().filter(|source| *source != index || nested(node).next().is_none()) {
            if let (Some(count), Some(list)) = (waits.get_mut(index), readers.get_mut(source)) {
                *count += 1;
                list.push(index);
            }
        }
    }
    // The lowest first, so that a graph that is in order stays as it is.
    let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|&index| waits.get(index) == Some(&0)).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(index) = ready.pop_first() {
        order.push(index);
        for &reader in readers.get(index).into_iter().flatten() {
            if let Some(count) = waits.get_mut(reader) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(reader);
                }
            }
        }
    }
    if order.len() < nodes.len() {
        let node = (0..nodes.len()).find(|&index| waits.get(index).is_some_and(|count| *count > 0)).and_then(|index| nodes.get(index));
        let place = node.map(|node| node.place().to_string()).unwrap_or_default();
        return Err(Refusal::Graph(format!("{place} needs its own result")));
    }
    let mut nodes: Vec<Option<NodeProto>> = nodes.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|index| nodes.get_mut(index)?.take()).collect())
}

/// Finds what is known of each value, and puts the branch that will be taken in place of an `If` whose condition is known.
fn infer(nodes: Vec<NodeProto>, facts: &mut Facts) -> Result<Vec<NodeProto>, Refusal> {
    let mut pending: VecDeque<NodeProto> = nodes.into();
    let mut done = Vec::with_capacity(pending.len());
    while let Some(mut node) = pending.pop_front() {
        upgrade::settle(&mut node, facts)?;
        if let Some(branch) = taken_branch(&node, facts) {
            for added in spliced(&node, branch, facts)?.into_iter().rev() {
                pending.push_front(added);
            }
            continue;
        }
        if let Some(name) = node.input.iter().find(|name| !name.is_empty() && facts.get(name).is_none()) {
            return Err(Refusal::Graph(format!("{} reads `{name}`, which nothing computes", node.place())));
        }
        let known = operator_of(&node).and_then(|operator| (operator.infer)(facts, &node)).unwrap_or_default();
        let mut known = known.into_iter();
        for output in &node.output {
            let fact = known.next().unwrap_or_else(|| Fact::new(DataType::Undefined, None));
            if !output.is_empty() {
                facts.insert(output, fact);
            }
        }
        done.push(node);
    }
    Ok(done)
}

/// The graph that an `If` runs, where its condition is known.
fn taken_branch(node: &NodeProto, facts: &Facts) -> Option<GraphProto> {
    if node.operator() != "If" {
        return None;
    }
    let condition = facts.integers(node.input_name(0)?)?.first().copied()?;
    node.attribute_named(if condition == 0 { "else_branch" } else { "then_branch" })?.g.clone()
}

/// The nodes of a branch, and what gives its results the names that they have outside.
fn spliced(node: &NodeProto, branch: GraphProto, facts: &mut Facts) -> Result<Vec<NodeProto>, Refusal> {
    let clash = |name: &str| Refusal::Graph(format!("two values are named `{name}`"));
    for mut value in branch.initializer {
        let name = value.name.take().unwrap_or_default();
        if facts.get(&name).is_some() {
            return Err(clash(&name));
        }
        facts.insert_constant(&name, value);
    }
    if let Some(name) = branch.node.iter().flat_map(|node| &node.output).find(|name| !name.is_empty() && facts.get(name).is_some()) {
        return Err(clash(name));
    }
    let mut nodes: Vec<NodeProto> = branch.node.into_iter().filter_map(|node| constant_to_facts(node, facts)).collect();
    for (inside, outside) in branch.output.iter().zip(&node.output).filter(|(_, outside)| !outside.is_empty()) {
        nodes.push(NodeProto {
            op_type: Some("Identity".to_owned()),
            input: vec![inside.name().to_owned()],
            output: vec![outside.clone()],
            ..Default::default()
        });
    }
    Ok(nodes)
}
