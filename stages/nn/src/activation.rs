//! Activation functions with their first and second derivatives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A scalar function applied to every element.
///
/// Second-order training needs the second derivative; ReLU's is zero almost everywhere, which is what is used at 0 too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `t`.
    Identity,
    /// `max(t, 0)`; derivative 0 at 0, as in PyTorch.
    Relu,
    /// `ln(1 + exp t)`, with beta 1 (what the LLR paper trains with).
    #[default]
    Softplus,
    /// `t · sigmoid(t)`.
    Silu,
}

impl Activation {
    /// The name used in TOML.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Activation::Identity => "identity",
            Activation::Relu => "relu",
            Activation::Softplus => "softplus",
            Activation::Silu => "silu",
        }
    }
}
