//! A network as a graph of operations: what the forward pass and the ONNX export walk.

mod builder;
mod parameters;

pub use builder::{ArchitectureBuilder, ConvOptions};
pub use parameters::{Initial, NormSpec, ParameterSpec, Role};

use crate::Activation;

/// What a node computes from the nodes it reads. Feature maps are `[n, c, h, w]`, rows `[n, k]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// The images, `[n, c, h, w]`, values in `[0,1]`.
    Input,
    /// `(x − mean) / std`, one number a channel, in units of the pixel range `[0,1]`.
    Standardise {
        /// One mean a channel.
        mean: Vec<f64>,
        /// One standard deviation a channel, positive.
        std: Vec<f64>,
    },
    /// Cross-correlation with a square kernel (what deep learning calls convolution).
    Convolution {
        /// Prefix of the parameters' names: `name.weight` `[filters, channels, kernel, kernel]`, `name.bias` `[filters]`.
        name: String,
        /// Output channels.
        filters: usize,
        /// Input channels.
        channels: usize,
        /// Height and width of the kernel.
        kernel: usize,
        /// Step in both directions.
        stride: usize,
        /// Zeros added on each side.
        padding: usize,
        /// Whether there is a bias.
        bias: bool,
    },
    /// Batch normalisation (epsilon [`crate::NORM_EPSILON`]) followed by an activation.
    NormActivation {
        /// Prefix of the names: `name.weight` (scale), `name.bias` (shift), `name.running_mean`, `name.running_var`, each `[channels]`.
        name: String,
        /// Channels.
        channels: usize,
        /// What follows the normalisation.
        activation: Activation,
    },
    /// An activation alone.
    Activation(Activation),
    /// The sum of two nodes of equal shape.
    Add,
    /// The largest value of every square window; tangents follow the position of the largest value.
    MaxPool {
        /// Height and width of a window.
        kernel: usize,
        /// Step in both directions.
        stride: usize,
        /// Positions added on each side, which never win.
        padding: usize,
    },
    /// The mean over all positions: `[n, c, h, w]` → `[n, c]`.
    GlobalMeanPool,
    /// `[n, c, h, w]` → `[n, c·h·w]`, last dimension fastest.
    Flatten,
    /// `x Wᵀ + b`.
    Linear {
        /// Prefix of the names: `name.weight` `[outputs, inputs]`, `name.bias` `[outputs]`.
        name: String,
        /// Length of an input row.
        inputs: usize,
        /// Length of an output row.
        outputs: usize,
    },
}

/// One node of the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it computes.
    pub operation: Operation,
    /// The nodes it reads, all earlier in the list.
    pub inputs: Vec<usize>,
    /// The shape of its output for one image: `[c, h, w]` or `[k]`.
    pub shape: Vec<usize>,
}

/// A network without its weights. Made by [`ArchitectureBuilder`], which checks every shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// The nodes in an order in which they can be computed; the first is the input, the last gives the logits.
    pub nodes: Vec<Node>,
    /// The shape of an image: channels, height, width.
    pub input: [usize; 3],
    /// The number of classes.
    pub classes: usize,
}
