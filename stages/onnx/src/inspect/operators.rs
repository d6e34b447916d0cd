//! Which operators may stand in a model.

use std::collections::{BTreeMap, BTreeSet};

use super::functions;
use super::problem::{Problem, node_label, quote};
use super::standard::OPERATORS;
use super::versions::is_standard;
use super::walk;
use crate::proto::{ModelProto, NodeProto};

/// The most nodes, nested ones included. The largest networks in use have some thousands.
const MOST_NODES: usize = 100_000;

/// Operators that repeat a graph as often as the data say. `If` is none: it runs one of two graphs, once.
const UNBOUNDED: [&str; 3] = ["Loop", "Scan", "SequenceMap"];

/// The domain of ONNX Runtime's own operators, which every build of it carries.
pub(super) const RUNTIME_DOMAIN: &str = "com.microsoft";
/// The domain of ONNX's operators for trees, tables and text.
const CLASSIC_DOMAIN: &str = "ai.onnx.ml";

/// Checks every operator, and counts them.
pub(super) fn check(model: &ModelProto) -> Result<BTreeMap<String, usize>, Problem> {
    let functions: BTreeSet<functions::Name<'_>> = model.functions.iter().map(functions::name).collect();
    let mut counts = BTreeMap::new();
    let mut nodes = 0;
    walk::nodes(model, &mut |node| {
        nodes += 1;
        if nodes > MOST_NODES {
            let message = format!("has more than {MOST_NODES} nodes, the most that is read");
            return Err(Problem::new(message).hint("simplify the model, for example with onnxsim"));
        }
        if !functions.contains(&(node.domain(), node.op_type(), node.overload())) {
            check_operator(node)?;
        }
        *counts.entry(node.op_type().to_owned()).or_default() += 1;
        Ok(())
    })?;
    Ok(counts)
}

fn check_operator(node: &NodeProto) -> Result<(), Problem> {
    let domain = node.domain();
    if is_standard(domain) && UNBOUNDED.contains(&node.op_type()) {
        let message = format!("{} repeats a graph as often as the data say, so nothing bounds its time and memory", node_label(node));
        return Err(Problem::new(message).hint("export the network without control flow, with loops unrolled"));
    }
    if is_standard(domain) && OPERATORS.binary_search(&node.op_type()).is_err() {
        let message = format!("{} is no operator of ONNX", node_label(node));
        return Err(Problem::new(message).hint("export the network with standard operators only"));
    }
    if !is_standard(domain) && ![RUNTIME_DOMAIN, CLASSIC_DOMAIN].contains(&domain) {
        let message = format!("{} is a custom operator, of domain {}", node_label(node), quote(domain));
        let hint = "custom operators are foreign code and are not loaded: export the network with standard operators only";
        return Err(Problem::new(message).hint(hint));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn problem(change: impl FnOnce(&mut NodeProto)) -> Problem {
        let mut node = testing::node("Relu", &["images"], "logits");
        node.name = Some("last".into());
        change(&mut node);
        check(&testing::model(vec![node], &[1.0; 24])).unwrap_err()
    }

    #[test]
    fn an_operator_that_is_refused_is_named_with_its_node() {
        let custom = problem(|node| node.domain = Some("evil".into()));
        assert!(custom.message.contains("node `last` (`Relu`) is a custom operator, of domain `evil`"), "{custom}");
        assert!(problem(|node| node.op_type = Some("Rulu".into())).message.contains("node `last` (`Rulu`) is no operator of ONNX"));
        let unbounded = problem(|node| node.op_type = Some("Loop".into()));
        assert!(unbounded.message.contains("node `last` (`Loop`) repeats") && unbounded.hint.is_some());
    }

    #[test]
    fn operators_are_counted() {
        let counts = check(&testing::linear(&[1.0; 24])).unwrap();
        assert_eq!(counts, BTreeMap::from([("Flatten".to_owned(), 1), ("MatMul".to_owned(), 1)]));
    }
}
