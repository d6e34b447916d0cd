//! Every value of a graph is computed once, before it is read, and from values that exist.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::{Problem, node_label, quote};
use super::walk;
use crate::proto::{FunctionProto, GraphProto, ModelProto, NodeProto};

/// How deep graphs may nest in graphs.
const DEEPEST: usize = 8;

/// The names that exist where a graph stands: its own, and those of the graphs around it.
struct Scope<'a> {
    around: Option<&'a Scope<'a>>,
    depth: usize,
    names: BTreeSet<&'a str>,
}

impl<'a> Scope<'a> {
    fn new(around: Option<&'a Scope<'a>>) -> Self {
        Scope { around, depth: around.map_or(0, |scope| scope.depth + 1), names: BTreeSet::new() }
    }

    fn knows(&self, name: &str) -> bool {
        self.names.contains(name) || self.around.is_some_and(|scope| scope.knows(name))
    }

    fn define(&mut self, name: &'a str, what: &str) -> Result<(), Problem> {
        if self.names.insert(name) {
            return Ok(());
        }
        let message = format!("computes or declares the value {} twice (the second time as {what})", quote(name));
        Err(Problem::new(message).hint("give every value a name of its own"))
    }
}

pub(super) fn check(model: &ModelProto) -> Result<(), Problem> {
    walk::roots(model).try_for_each(|graph| check_graph(graph, None))?;
    model.functions.iter().try_for_each(check_function)
}

fn check_function(function: &FunctionProto) -> Result<(), Problem> {
    let mut scope = Scope::new(None);
    for name in &function.input {
        scope.define(name, "an input of a function")?;
    }
    check_nodes(&function.node, &mut scope)?;
    exist(function.output.iter().map(String::as_str), &scope)
}

fn check_graph(graph: &GraphProto, around: Option<&Scope<'_>>) -> Result<(), Problem> {
    let mut scope = Scope::new(around);
    if scope.depth > DEEPEST {
        return Err(Problem::new(format!("nests graphs more than {DEEPEST} levels deep")).hint("export the network without control flow"));
    }
    for value in &graph.input {
        scope.define(value.name(), "an input")?;
    }
    let mut initializers = BTreeSet::new();
    let sparse = graph.sparse_initializer.iter().filter_map(|tensor| tensor.values.as_ref());
    for tensor in graph.initializer.iter().chain(sparse) {
        if tensor.name().is_empty() || !initializers.insert(tensor.name()) {
            return Err(Problem::new(format!("has two initializers, or one without a name, called {}", quote(tensor.name()))));
        }
        // An initializer may be the default of an input.
        scope.names.insert(tensor.name());
    }
    check_nodes(&graph.node, &mut scope)?;
    exist(graph.output.iter().map(crate::proto::ValueInfoProto::name), &scope)
}

fn exist<'a>(mut outputs: impl Iterator<Item = &'a str>, scope: &Scope<'_>) -> Result<(), Problem> {
    match outputs.find(|name| !scope.knows(name)) {
        None => Ok(()),
        Some(name) => Err(Problem::new(format!("declares the output {}, which nothing computes", quote(name)))),
    }
}

fn check_nodes<'a>(nodes: &'a [NodeProto], scope: &mut Scope<'a>) -> Result<(), Problem> {
    let mut labels = BTreeSet::new();
    for node in nodes {
        if !node.name().is_empty() && !labels.insert(node.name()) {
            let message = format!("has two nodes named {}", quote(node.name()));
            return Err(Problem::new(message).hint("give every node a name of its own, or none"));
        }
        if let Some(name) = reads(node).find(|name| !scope.knows(name)) {
            return Err(unknown(nodes, node, name));
        }
        for graph in walk::nested(node) {
            check_graph(graph, Some(scope))?;
        }
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            scope.define(name, &format!("an output of {}", node_label(node)))?;
        }
    }
    Ok(())
}

/// The values that a node reads itself; an empty name stands for an input that is left out.
fn reads(node: &NodeProto) -> impl Iterator<Item = &str> {
    node.input.iter().map(String::as_str).filter(|name| !name.is_empty())
}

/// Says why a value that a node reads is not there yet: nothing computes it, a later node does, or the node itself in the end.
fn unknown(nodes: &[NodeProto], reader: &NodeProto, name: &str) -> Problem {
    let makers: BTreeMap<&str, &NodeProto> =
        nodes.iter().flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node))).collect();
    let Some(maker) = makers.get(name) else {
        let message = format!("{} reads {}, which nothing computes", node_label(reader), quote(name));
        return Problem::new(message).hint("the file is damaged, or its writer is: export it again");
    };
    // Whatever the maker needs, and what that needs: does it lead back to the reader?
    let mut seen = BTreeSet::new();
    let mut pending = vec![name];
    while let Some(name) = pending.pop() {
        let Some(node) = makers.get(name).filter(|_| seen.insert(name)) else { continue };
        if std::ptr::eq(*node, reader) {
            let message =
                format!("{} reads {}, which is computed from its own output: the graph has a cycle", node_label(reader), quote(name));
            return Problem::new(message).hint("no network runs in circles: export it again");
        }
        pending.extend(reads(node));
    }
    let message = format!("{} reads {} before {} computes it", node_label(reader), quote(name), node_label(maker));
    Problem::new(message).hint("put the nodes into topological order, as the format demands")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{model, node};

    fn problem(nodes: Vec<NodeProto>) -> String {
        check(&model(nodes, &[1.0; 24])).unwrap_err().message
    }

    #[test]
    fn each_disorder_is_told_from_the_others() {
        assert!(problem(vec![node("Relu", &["nowhere"], "logits")]).contains("reads `nowhere`, which nothing computes"));
        let cycle = problem(vec![node("Add", &["images", "b"], "a"), node("Relu", &["a"], "b"), node("Flatten", &["b"], "logits")]);
        assert!(cycle.contains("the graph has a cycle"), "{cycle}");
        assert!(problem(vec![node("Relu", &["logits"], "logits")]).contains("cycle"));
        let order = problem(vec![node("Relu", &["a"], "logits"), node("Relu", &["images"], "a")]);
        assert!(order.contains("before the `Relu` node that computes `a` computes it"), "{order}");
        assert!(problem(vec![node("Relu", &["images"], "a")]).contains("output `logits`, which nothing computes"));
        assert!(problem(vec![node("Relu", &["images"], "images")]).contains("`images` twice"));
        assert!(problem(vec![node("Relu", &["images"], "w")]).contains("`w` twice"));
        let named = NodeProto { name: Some("n".into()), ..node("Relu", &["images"], "a") };
        let twice = vec![named.clone(), NodeProto { output: vec!["logits".into()], ..named }];
        assert!(problem(twice).contains("two nodes named `n`"));
    }

    #[test]
    fn a_cycle_that_the_reader_is_not_part_of_is_no_order() {
        // The reader only hangs on the cycle; the message about the order is about what it reads.
        let nodes = vec![node("Relu", &["b"], "logits"), node("Relu", &["c"], "b"), node("Relu", &["b"], "c")];
        assert!(problem(nodes).contains("before"));
    }
}
