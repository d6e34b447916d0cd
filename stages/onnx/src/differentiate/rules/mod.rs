//! What is known of each operator: the shape of its values and how a gradient goes back through it.
//!
//! One file a group of operators, one row an operator in the group's `OPERATORS`.

mod activation;
mod arithmetic;
mod convolution;
mod flat;
mod gather;
mod layout;
mod linear;
mod normalisation;
mod pointwise;
mod pooling;
mod reduction;
mod resolution;
mod slicing;
mod softmax;

use std::collections::BTreeMap;
use std::sync::OnceLock;

pub(crate) use layout::keeps_fractions;

use super::emitter::{Emitter, Reason};
use super::facts::{Fact, Facts};
use super::node::Reading;
use crate::inspect::versions::is_standard;
use crate::proto::NodeProto;

/// What is known of the outputs of a node, from what is known of its inputs; `None` when that is nothing.
pub(crate) type Infer = fn(&Facts, &NodeProto) -> Option<Vec<Fact>>;

/// Writes the gradients of a node's inputs from those of its outputs.
pub(crate) type Rule = fn(&mut Emitter, &Reverse<'_>) -> Result<Vec<(usize, String)>, Reason>;

/// How an operator's value depends on its inputs.
#[derive(Clone, Copy)]
pub(crate) enum Derivative {
    /// The gradient goes back by this rule.
    Rule(Rule),
    /// It depends on the sizes of its inputs only.
    OfShapes,
    /// It is constant almost everywhere: gradients end here.
    Zero,
}

/// An operator of the standard.
pub(crate) struct Operator {
    pub(crate) name: &'static str,
    pub(crate) infer: Infer,
    pub(crate) derivative: Derivative,
}

const fn operator(name: &'static str, infer: Infer, rule: Rule) -> Operator {
    Operator { name, infer, derivative: Derivative::Rule(rule) }
}

/// A node and the gradients that arrived at its outputs.
pub(crate) struct Reverse<'a> {
    pub(crate) node: &'a NodeProto,
    /// The gradient of each output; `None` where none arrived.
    pub(crate) incoming: &'a [Option<String>],
    /// Whether the gradient of each input is asked for.
    pub(crate) wanted: &'a [bool],
}

impl Reverse<'_> {
    /// The gradient of the first output.
    pub(crate) fn dy(&self) -> Result<&str, Reason> {
        self.incoming.first().and_then(Option::as_deref).ok_or_else(|| "a gradient arrives at a side output only".to_owned())
    }

    pub(crate) fn wants(&self, index: usize) -> bool {
        self.wanted.get(index).copied().unwrap_or(false)
    }

    /// The name of input `index`.
    pub(crate) fn input(&self, index: usize) -> Result<&str, Reason> {
        self.node.input_name(index).ok_or_else(|| format!("input {index} is missing"))
    }

    /// The name of the first output.
    pub(crate) fn output(&self) -> Result<&str, Reason> {
        self.node.output_name(0).ok_or_else(|| "the first output is missing".to_owned())
    }

    /// Refuses a gradient for any input but the first.
    pub(crate) fn only_first(&self) -> Result<(), Reason> {
        match self.wanted.iter().skip(1).position(|wanted| *wanted) {
            None => Ok(()),
            Some(index) => Err(format!("its input {} depends on the images", index + 1)),
        }
    }
}

/// The operator of a node, if it is a known one of the standard.
pub(crate) fn operator_of(node: &NodeProto) -> Option<&'static Operator> {
    static TABLE: OnceLock<BTreeMap<&'static str, &'static Operator>> = OnceLock::new();
    const GROUPS: [&[Operator]; 14] = [
        activation::OPERATORS,
        arithmetic::OPERATORS,
        convolution::OPERATORS,
        flat::OPERATORS,
        gather::OPERATORS,
        layout::OPERATORS,
        linear::OPERATORS,
        normalisation::OPERATORS,
        pointwise::OPERATORS,
        pooling::OPERATORS,
        reduction::OPERATORS,
        resolution::OPERATORS,
        slicing::OPERATORS,
        softmax::OPERATORS,
    ];
    let table = TABLE.get_or_init(|| GROUPS.iter().flat_map(|group| group.iter()).map(|operator| (operator.name, operator)).collect());
    if !is_standard(node.domain()) {
        return None;
    }
    table.get(node.op_type()).copied()
}

/// The value has the element type and shape of the first input.
fn same(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let fact = facts.of_input(node, 0)?;
    Some(vec![Fact::new(fact.element, fact.sizes.clone())])
}
