//! The parameters and normalisation layers of an architecture.

use super::{Architecture, Operation};

/// The distribution that a weight starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// Normal with standard deviation √(2 / fan-in) (He et al. 2015; LLR's released code for its convolutions).
    HeNormal,
    /// Uniform in ± 1/√fan-in (PyTorch's default for linear layers).
    Uniform,
}

/// What a parameter is for; decides how it starts and whether weight decay acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The weight of a convolution or linear layer. The only role that weight decay acts on.
    Weight {
        /// How many numbers each output is a weighted sum of.
        fan_in: usize,
        /// Where it starts.
        initial: Initial,
    },
    /// The scale of a normalisation; starts at 1.
    NormScale,
    /// The shift of a normalisation; starts at 0.
    NormShift,
    /// The bias of a convolution or linear layer; starts at 0.
    Bias,
}

/// One trainable tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    /// Its name, as PyTorch would say, such as `block1.layer.0.conv1.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
}

impl ParameterSpec {
    /// How many numbers it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One normalisation layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormSpec {
    /// The prefix of its names.
    pub name: String,
    /// Its channels.
    pub channels: usize,
}

impl Operation {
    /// The parameters of this operation, in the order in which a forward pass takes them.
    pub(crate) fn parameters(&self) -> Vec<ParameterSpec> {
        let spec =
            |name: &str, suffix: &str, shape: Vec<usize>, role: Role| ParameterSpec { name: format!("{name}.{suffix}"), shape, role };
        match self {
            Operation::Convolution { name, filters, channels, kernel, bias, .. } => {
                let role = Role::Weight { fan_in: channels * kernel * kernel, initial: Initial::HeNormal };
                let mut list = vec![spec(name, "weight", vec![*filters, *channels, *kernel, *kernel], role)];
                if *bias {
                    list.push(spec(name, "bias", vec![*filters], Role::Bias));
                }
                list
            }
            Operation::NormActivation { name, channels, .. } => {
                vec![spec(name, "weight", vec![*channels], Role::NormScale), spec(name, "bias", vec![*channels], Role::NormShift)]
            }
            Operation::Linear { name, inputs, outputs } => {
                let role = Role::Weight { fan_in: *inputs, initial: Initial::Uniform };
                vec![spec(name, "weight", vec![*outputs, *inputs], role), spec(name, "bias", vec![*outputs], Role::Bias)]
            }
            Operation::Input
            | Operation::Standardise { .. }
            | Operation::Activation(_)
            | Operation::Add
            | Operation::MaxPool { .. }
            | Operation::GlobalMeanPool
            | Operation::Flatten => Vec::new(),
        }
    }
}

impl Architecture {
    /// All trainable tensors, in the order of the nodes.
    #[must_use]
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        self.nodes.iter().flat_map(|node| node.operation.parameters()).collect()
    }

    /// All normalisation layers, in the order of the nodes.
    #[must_use]
    pub fn norms(&self) -> Vec<NormSpec> {
        self.nodes
            .iter()
            .filter_map(|node| match &node.operation {
                Operation::NormActivation { name, channels, .. } => Some(NormSpec { name: name.clone(), channels: *channels }),
                _ => None,
            })
            .collect()
    }

    /// Multiply–accumulates of one forward pass of one image, convolutions and linear layers only.
    #[must_use]
    pub fn multiply_accumulates(&self) -> u64 {
        self.nodes
            .iter()
            .map(|node| match &node.operation {
                Operation::Convolution { channels, kernel, .. } => node.shape.iter().product::<usize>() * channels * kernel * kernel,
                Operation::Linear { inputs, outputs, .. } => inputs * outputs,
                _ => 0,
            } as u64)
            .sum()
    }
}
