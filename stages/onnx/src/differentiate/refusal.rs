//! Why a graph can't be differentiated.

use planish_contract::Failure;
use planish_nn::Surrogate;

/// An operator with the node that uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The operator: `MaxPool`, or `domain.Operator` outside the standard.
    pub operator: String,
    /// The node's name, or that of its first output where it has none.
    pub node: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (node `{}`)", self.operator, self.node)
    }
}

/// Why a graph can't be differentiated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Operators between images and logits for which there is no rule; the first node of each.
    #[error("there is no rule for the derivative of {}", list(.0))]
    Operators(Vec<Place>),
    /// An operator in a form that its rule does not cover.
    #[error("{place} can't be differentiated: {reason}")]
    Form {
        /// Where.
        place: Place,
        /// What is not covered.
        reason: String,
    },
    /// Control flow whose condition depends on the images or is not known before the model runs.
    #[error("{0} is control flow that can't be resolved before the model runs")]
    ControlFlow(Place),
    /// A loss that is not defined for so few classes.
    #[error("the loss {surrogate:?} needs at least {} classes, the model has {classes}", surrogate.least_classes())]
    Classes {
        /// The loss.
        surrogate: Surrogate,
        /// The classes of the model.
        classes: usize,
    },
    /// What is no usable graph: a missing value, a cycle, an operator set that is too old.
    #[error("the graph can't be read: {0}")]
    Graph(String),
}

fn list(places: &[Place]) -> String {
    places.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Refusal {
    /// As a failure of the stage that wanted the gradient of the model in `file`.
    #[must_use]
    pub fn into_failure(self, file: &str) -> Failure {
        let hint = match &self {
            Refusal::Operators(_) | Refusal::Form { .. } | Refusal::ControlFlow(_) => {
                "attack it without gradients (square, spsa, nes), or connect `gradients` to the checkpoint that it was exported from"
            }
            Refusal::Classes { .. } => "take another loss",
            Refusal::Graph(_) => "check the file with `onnx.checker`, or export it again",
        };
        Failure::input_hint(format!("{file}: {self}"), hint)
    }
}
