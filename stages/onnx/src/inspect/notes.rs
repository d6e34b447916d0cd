//! What is odd about a model, but no reason to refuse it.

use serde::Serialize;

use super::operators::RUNTIME_DOMAIN;
use super::problem::node_label;
use super::versions::is_standard;
use super::walk;
use crate::proto::{ModelProto, NodeProto};

/// A kind of [`Note`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteKind {
    /// An operator draws random numbers, so the logits differ from run to run.
    Random,
    /// Values are rounded to few bits: gradients through the rounding are zero, which looks like robustness and is none.
    Quantised,
    /// Values are 16-bit floats: gradients lose digits.
    HalfPrecision,
    /// The output is a softmax: losses of probabilities saturate where those of logits do not.
    Softmax,
    /// An operator that only ONNX Runtime has.
    RuntimeOnly,
    /// A graph is chosen by data.
    ControlFlow,
}

/// Something odd about a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What kind of thing it is.
    pub kind: NoteKind,
    /// The first node that is odd in this way, in words.
    pub node: String,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.kind {
            NoteKind::Random => "draws random numbers: logits differ from run to run",
            NoteKind::Quantised => "rounds to few bits: its gradients are zero or misleading, which is no robustness",
            NoteKind::HalfPrecision => "computes in 16-bit floats: its gradients lose digits",
            NoteKind::Softmax => "gives probabilities where logits are expected: losses saturate",
            NoteKind::RuntimeOnly => "is an operator that only ONNX Runtime has",
            NoteKind::ControlFlow => "chooses a graph by its data",
        };
        write!(f, "{} {what}", self.node)
    }
}

const RANDOM: [&str; 6] = ["RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"];
/// `DequantizeLinear` alone is how weights of few bits are stored; gradients with respect to images pass it.
const QUANTISED: [&str; 6] = ["QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"];

/// The notes on a model, one of a kind at most.
pub(super) fn of(model: &ModelProto) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    let mut add = |kind: NoteKind, node: &NodeProto| {
        if notes.iter().all(|note| note.kind != kind) {
            notes.push(Note { kind, node: node_label(node) });
        }
    };
    let visited: Result<(), std::convert::Infallible> = walk::nodes(model, &mut |node| {
        let operator = node.op_type();
        let standard = is_standard(node.domain());
        if node.domain() == RUNTIME_DOMAIN {
            add(NoteKind::RuntimeOnly, node);
        } else if standard && RANDOM.contains(&operator) {
            add(NoteKind::Random, node);
        } else if standard && QUANTISED.contains(&operator) {
            add(NoteKind::Quantised, node);
        } else if standard && operator == "If" {
            add(NoteKind::ControlFlow, node);
        } else if standard && operator == "Cast" && node.attribute.iter().any(|a| a.name() == "to" && matches!(a.i(), 10 | 16)) {
            add(NoteKind::HalfPrecision, node);
        }
        Ok(())
    });
    match visited {
        Ok(()) => {}
        Err(never) => match never {},
    }
    if let Some(node) = last_node(model).filter(|node| is_standard(node.domain()) && node.op_type() == "Softmax") {
        add(NoteKind::Softmax, node);
    }
    notes.sort_by_key(|note| note.kind);
    notes
}

/// The node that computes the first output of the main graph.
fn last_node(model: &ModelProto) -> Option<&NodeProto> {
    let graph = model.graph.as_ref()?;
    let output = graph.output.first()?.name();
    graph.node.iter().find(|node| node.output.iter().any(|name| name == output))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{model, node};

    #[test]
    fn oddities_are_noted_once_with_their_first_node() {
        assert!(of(&model(vec![node("Relu", &["images"], "logits")], &[1.0; 24])).is_empty());
        let graph = vec![node("RandomNormalLike", &["images"], "a"), node("Bernoulli", &["a"], "b"), node("Softmax", &["b"], "logits")];
        let notes = of(&model(graph, &[1.0; 24]));
        let kinds: Vec<NoteKind> = notes.iter().map(|note| note.kind).collect();
        assert_eq!(kinds, [NoteKind::Random, NoteKind::Softmax]);
        assert!(notes[0].to_string().contains("computes `a` draws random numbers"), "{}", notes[0]);
    }
}
