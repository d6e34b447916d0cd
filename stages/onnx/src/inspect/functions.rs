//! Functions of a model: runtimes replace calls by bodies, so calls must end, and soon.

use std::collections::BTreeMap;

use super::problem::{Problem, quote};
use super::walk;
use crate::proto::{FunctionProto, ModelProto, NodeProto};

/// The most nodes after all calls are replaced.
const MOST_NODES: u64 = 100_000;

/// Domain, name and overload.
pub(super) type Name<'a> = (&'a str, &'a str, &'a str);

pub(super) fn name(function: &FunctionProto) -> Name<'_> {
    (function.domain(), function.name(), function.overload())
}

/// Refuses functions of equal names, functions that call themselves, and calls that multiply without end.
pub(super) fn check(model: &ModelProto) -> Result<(), Problem> {
    let mut functions = BTreeMap::new();
    for function in &model.functions {
        if functions.insert(name(function), function).is_some() {
            return Err(Problem::new(format!("defines the function {} twice", quote(function.name()))));
        }
    }
    let mut expansion = Expansion { functions, nodes: BTreeMap::new(), depth: 0 };
    let mut total = 0u64;
    for graph in walk::roots(model) {
        total = total.saturating_add(expansion.count(&graph.node)?);
    }
    if total > MOST_NODES {
        let message = format!("has more than {MOST_NODES} nodes once its functions are expanded");
        return Err(Problem::new(message).hint("inline the functions: `onnx.inliner.inline_local_functions`"));
    }
    Ok(())
}

struct Expansion<'a> {
    functions: BTreeMap<Name<'a>, &'a FunctionProto>,
    /// The expanded size of every function that was counted; `None` while it is.
    nodes: BTreeMap<Name<'a>, Option<u64>>,
    /// How many are being counted.
    depth: usize,
}

impl<'a> Expansion<'a> {
    fn count(&mut self, nodes: &'a [NodeProto]) -> Result<u64, Problem> {
        let mut total = 0u64;
        walk::nodes_of(nodes, &mut |node| {
            let called = (node.domain(), node.op_type(), node.overload());
            let size = if self.functions.contains_key(&called) { self.size(called)? } else { 1 };
            total = total.saturating_add(size);
            Ok::<(), Problem>(())
        })?;
        Ok(total)
    }

    /// The expanded size of a function. Functions are few, and each is on the way once, so that recursion is bounded by [`DEEPEST`].
    fn size(&mut self, called: Name<'a>) -> Result<u64, Problem> {
        match self.nodes.get(&called) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(Problem::new(format!("has a function {} that calls itself", quote(called.1)))),
            None => {}
        }
        if self.depth >= DEEPEST {
            return Err(Problem::new(format!("has functions that call each other more than {DEEPEST} levels deep")));
        }
        let Some(function) = self.functions.get(&called).copied() else { return Ok(1) };
        self.nodes.insert(called, None);
        self.depth += 1;
        let size = self.count(&function.node)?.max(1);
        self.depth -= 1;
        self.nodes.insert(called, Some(size));
        Ok(size)
    }
}

/// How deep functions may call functions.
const DEEPEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn function(name: &str, calls: &[&str]) -> FunctionProto {
        let node = |(index, called): (usize, &&str)| NodeProto {
            domain: Some("local".into()),
            ..testing::node(called, &["x"], &format!("{name}{index}"))
        };
        FunctionProto {
            name: Some(name.into()),
            domain: Some("local".into()),
            node: calls.iter().enumerate().map(node).collect(),
            ..Default::default()
        }
    }

    fn outcome(functions: Vec<FunctionProto>) -> Result<(), Problem> {
        let call = NodeProto { domain: Some("local".into()), ..testing::node("f0", &["images"], "logits") };
        check(&ModelProto { functions, ..testing::model(vec![call], &[1.0; 24]) })
    }

    #[test]
    fn functions_must_end() {
        outcome(vec![function("f0", &["f1", "f1"]), function("f1", &[])]).unwrap();
        assert!(outcome(vec![function("f0", &["f1"]), function("f1", &["f0"])]).unwrap_err().message.contains("calls itself"));
        assert!(outcome(vec![function("f0", &[]), function("f0", &[])]).unwrap_err().message.contains("twice"));
    }

    #[test]
    fn functions_must_not_multiply() {
        let names: Vec<String> = (0..40).map(|i| format!("f{i}")).collect();
        let calls = |i: usize| names.get(i + 1).map(String::as_str).into_iter().flat_map(|name| [name, name]).collect::<Vec<_>>();
        let functions = names.iter().enumerate().map(|(i, name)| function(name, &calls(i))).collect();
        assert!(outcome(functions).unwrap_err().message.contains("once its functions are expanded"));
        let chain: Vec<String> = (0..100).map(|i| format!("f{i}")).collect();
        let functions = chain.iter().enumerate().map(|(i, name)| function(name, &[&format!("f{}", i + 1)])).collect();
        assert!(outcome(functions).unwrap_err().message.contains("levels deep"));
    }
}
