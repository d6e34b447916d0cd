//! Building an architecture node by node, every shape checked.

use planish_contract::Failure;

use super::{Architecture, Node, Operation};
use crate::Activation;

/// Builds an [`Architecture`]. Every method adds a node and returns its index.
#[derive(Clone, Debug)]
pub struct ArchitectureBuilder {
    nodes: Vec<Node>,
    input: [usize; 3],
}

/// A convolution to add; see [`Operation::Convolution`].
#[derive(Clone, Copy, Debug)]
pub struct ConvOptions {
    /// Output channels.
    pub filters: usize,
    /// Height and width of the kernel.
    pub kernel: usize,
    /// Step in both directions.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
    /// Whether there is a bias.
    pub bias: bool,
}

impl ArchitectureBuilder {
    /// An architecture for images of shape `[channels, height, width]`; node 0 is the input.
    ///
    /// # Errors
    /// [`Failure::Input`] when a side is 0.
    pub fn new(input: [usize; 3]) -> Result<Self, Failure> {
        if input.contains(&0) {
            return Err(Failure::input(format!("images of shape {input:?} have no pixels")));
        }
        Ok(ArchitectureBuilder { nodes: vec![Node { operation: Operation::Input, inputs: Vec::new(), shape: input.to_vec() }], input })
    }

    /// The shape of one image's output at `node`.
    ///
    /// # Errors
    /// [`Failure::Internal`] when there is no such node.
    pub fn shape(&self, node: usize) -> Result<&[usize], Failure> {
        let found = self.nodes.get(node).ok_or_else(|| Failure::internal(format!("the network has no node {node}")))?;
        Ok(&found.shape)
    }

    /// Channels, height and width at `node`.
    fn map(&self, node: usize) -> Result<[usize; 3], Failure> {
        let shape = self.shape(node)?;
        shape.try_into().map_err(|_| Failure::internal(format!("node {node} of shape {shape:?} is not a feature map")))
    }

    fn push(&mut self, operation: Operation, inputs: &[usize], shape: Vec<usize>) -> usize {
        self.nodes.push(Node { operation, inputs: inputs.to_vec(), shape });
        self.nodes.len() - 1
    }

    /// Adds [`Operation::Standardise`]; an empty `mean` and `std` add nothing.
    ///
    /// # Errors
    /// [`Failure::Input`] when the numbers do not fit the channels or a `std` is not positive.
    pub fn standardise(&mut self, from: usize, mean: &[f64], std: &[f64]) -> Result<usize, Failure> {
        if mean.is_empty() && std.is_empty() {
            return Ok(from);
        }
        let [channels, ..] = self.map(from)?;
        if mean.len() != channels || std.len() != channels {
            return Err(Failure::input(format!(
                "images of {channels} channels need {channels} means and standard deviations, not {} and {}",
                mean.len(),
                std.len()
            )));
        }
        if mean.iter().any(|m| !m.is_finite()) || std.iter().any(|s| !s.is_finite() || *s <= 0.0) {
            return Err(Failure::input("means must be finite and standard deviations positive"));
        }
        let shape = self.shape(from)?.to_vec();
        Ok(self.push(Operation::Standardise { mean: mean.to_vec(), std: std.to_vec() }, &[from], shape))
    }

    /// Adds [`Operation::Convolution`].
    ///
    /// # Errors
    /// [`Failure::Input`] when the image is smaller than the kernel, or a size is 0.
    pub fn convolution(&mut self, from: usize, name: &str, conv: ConvOptions) -> Result<usize, Failure> {
        let [channels, height, width] = self.map(from)?;
        let ConvOptions { filters, kernel, stride, padding, bias } = conv;
        if filters == 0 || kernel == 0 || stride == 0 || padding >= kernel {
            return Err(Failure::input(format!(
                "convolution `{name}` of {filters} filters, kernel {kernel}, stride {stride}, padding {padding} can't be built"
            )));
        }
        if height + 2 * padding < kernel || width + 2 * padding < kernel {
            return Err(Failure::input_hint(
                format!("convolution `{name}` needs an input of at least {kernel}x{kernel}, but gets {height}x{width}"),
                "the images are too small for this network; use fewer strided layers or larger images",
            ));
        }
        let side = |length: usize| (length + 2 * padding - kernel) / stride + 1;
        let operation = Operation::Convolution { name: name.to_owned(), filters, channels, kernel, stride, padding, bias };
        Ok(self.push(operation, &[from], vec![filters, side(height), side(width)]))
    }

    /// Adds [`Operation::NormActivation`].
    ///
    /// # Errors
    /// [`Failure::Internal`] when `from` is not a feature map.
    pub fn norm_activation(&mut self, from: usize, name: &str, activation: Activation) -> Result<usize, Failure> {
        let shape = self.map(from)?;
        Ok(self.push(Operation::NormActivation { name: name.to_owned(), channels: shape[0], activation }, &[from], shape.to_vec()))
    }

    /// Adds [`Operation::Activation`].
    ///
    /// # Errors
    /// [`Failure::Internal`] when there is no node `from`.
    pub fn activation(&mut self, from: usize, activation: Activation) -> Result<usize, Failure> {
        let shape = self.shape(from)?.to_vec();
        Ok(self.push(Operation::Activation(activation), &[from], shape))
    }

    /// Adds [`Operation::Add`].
    ///
    /// # Errors
    /// [`Failure::Internal`] when the shapes differ.
    pub fn add(&mut self, left: usize, right: usize) -> Result<usize, Failure> {
        let (a, b) = (self.shape(left)?.to_vec(), self.shape(right)?.to_vec());
        if a != b {
            return Err(Failure::internal(format!("nodes {left} and {right} can't be added: {a:?} and {b:?}")));
        }
        Ok(self.push(Operation::Add, &[left, right], a))
    }

    /// Adds [`Operation::MaxPool`] of windows `kernel`×`kernel`.
    ///
    /// # Errors
    /// [`Failure::Input`] when the image is smaller than a window, or a size can't be.
    pub fn max_pool(&mut self, from: usize, kernel: usize, stride: usize, padding: usize) -> Result<usize, Failure> {
        let [channels, height, width] = self.map(from)?;
        if kernel == 0 || stride == 0 || 2 * padding > kernel {
            return Err(Failure::input(format!("a max pool of window {kernel}, stride {stride}, padding {padding} can't be built")));
        }
        if height + 2 * padding < kernel || width + 2 * padding < kernel {
            return Err(Failure::input_hint(
                format!("a max pool needs an input of at least {kernel}x{kernel}, but gets {height}x{width}"),
                "the images are too small for this network",
            ));
        }
        let side = |length: usize| (length + 2 * padding - kernel) / stride + 1;
        Ok(self.push(Operation::MaxPool { kernel, stride, padding }, &[from], vec![channels, side(height), side(width)]))
    }

    /// Adds [`Operation::GlobalMeanPool`].
    ///
    /// # Errors
    /// [`Failure::Internal`] when `from` is not a feature map.
    pub fn global_mean_pool(&mut self, from: usize) -> Result<usize, Failure> {
        let [channels, ..] = self.map(from)?;
        Ok(self.push(Operation::GlobalMeanPool, &[from], vec![channels]))
    }

    /// Adds [`Operation::Flatten`].
    ///
    /// # Errors
    /// [`Failure::Internal`] when `from` is not a feature map.
    pub fn flatten(&mut self, from: usize) -> Result<usize, Failure> {
        let length = self.map(from)?.iter().product();
        Ok(self.push(Operation::Flatten, &[from], vec![length]))
    }

    /// Adds [`Operation::Linear`].
    ///
    /// # Errors
    /// [`Failure::Internal`] when `from` is not a row; [`Failure::Input`] when `outputs` is 0.
    pub fn linear(&mut self, from: usize, name: &str, outputs: usize) -> Result<usize, Failure> {
        let shape = self.shape(from)?;
        let &[inputs] = shape else {
            return Err(Failure::internal(format!("linear layer `{name}` needs rows, not {shape:?}")));
        };
        if outputs == 0 {
            return Err(Failure::input(format!("linear layer `{name}` needs at least one output")));
        }
        Ok(self.push(Operation::Linear { name: name.to_owned(), inputs, outputs }, &[from], vec![outputs]))
    }

    /// The finished architecture; the node added last gives the logits.
    ///
    /// # Errors
    /// [`Failure::Input`] when that node does not give one row of at least two numbers; [`Failure::Internal`] when two parameters share a name.
    pub fn finish(self) -> Result<Architecture, Failure> {
        let classes = match self.nodes.last().map(|node| node.shape.as_slice()) {
            Some(&[classes]) if classes >= 2 => classes,
            other => return Err(Failure::input(format!("a classifier needs at least two logits, but the network ends in {other:?}"))),
        };
        let architecture = Architecture { nodes: self.nodes, input: self.input, classes };
        let mut names = std::collections::BTreeSet::new();
        for spec in architecture.parameters() {
            if let Some(name) = names.replace(spec.name) {
                return Err(Failure::internal(format!("two parameters are called `{name}`")));
            }
        }
        Ok(architecture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONV: ConvOptions = ConvOptions { filters: 4, kernel: 3, stride: 2, padding: 1, bias: true };

    #[test]
    fn shapes_follow_the_operations() {
        let mut builder = ArchitectureBuilder::new([1, 28, 28]).unwrap();
        let a = builder.convolution(0, "a", CONV).unwrap();
        assert_eq!(builder.shape(a).unwrap(), [4, 14, 14]);
        let b = builder.convolution(a, "b", CONV).unwrap();
        assert_eq!(builder.shape(b).unwrap(), [4, 7, 7]);
        let pooled = builder.global_mean_pool(b).unwrap();
        builder.linear(pooled, "fc", 10).unwrap();
        let architecture = builder.finish().unwrap();
        assert_eq!(architecture.classes, 10);
        let names: Vec<String> = architecture.parameters().into_iter().map(|spec| spec.name).collect();
        assert_eq!(names, ["a.weight", "a.bias", "b.weight", "b.bias", "fc.weight", "fc.bias"]);
        assert_eq!(architecture.multiply_accumulates(), 4 * 9 * 196 + 4 * 4 * 9 * 49 + 40);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut builder = ArchitectureBuilder::new([3, 2, 2]).unwrap();
        assert!(builder.convolution(0, "a", ConvOptions { kernel: 5, ..CONV }).is_err());
        assert!(builder.standardise(0, &[0.5], &[0.5]).is_err());
        assert!(builder.standardise(0, &[0.5; 3], &[0.0; 3]).is_err());
        let a = builder.convolution(0, "a", CONV).unwrap();
        assert!(builder.add(0, a).is_err());
        assert!(builder.linear(a, "fc", 10).is_err());
        assert!(builder.clone().finish().is_err());
        builder.convolution(a, "a", CONV).unwrap();
        let flat = builder.flatten(3).err();
        assert!(flat.is_some());
        let flat = builder.flatten(2).unwrap();
        builder.linear(flat, "fc", 2).unwrap();
        assert!(builder.finish().unwrap_err().to_string().contains("a.weight"));
        assert!(ArchitectureBuilder::new([0, 2, 2]).is_err());
    }
}
