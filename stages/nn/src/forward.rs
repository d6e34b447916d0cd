//! The forward pass on values and tangents.

use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Tensor, TensorData};

use crate::{Activation, Architecture, Operation, Parameter, Parameters, Precision, Statistics, ops};

/// What is added to a variance before its root is taken (PyTorch's and the released code's default).
pub const NORM_EPSILON: f64 = 1e-5;

/// What the rows of a batch are: `values` images, then `tangents` tangents; tangent row i belongs to
/// image i. Statistics of the batch come from its first `statistics` rows.
///
/// A tangent row δ in gives the directional derivative of the outputs along δ out, with batch statistics held fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Rows that are images.
    pub values: usize,
    /// Rows that are tangents; at most `values`.
    pub tangents: usize,
    /// Rows that batch statistics are computed from; at most `values`.
    pub statistics: usize,
}

impl Layout {
    /// `n` images, no tangents, statistics from all of them.
    #[must_use]
    pub fn plain(n: usize) -> Self {
        Layout { values: n, tangents: 0, statistics: n }
    }

    /// `n` images and as many tangents, statistics from all images.
    #[must_use]
    pub fn dual(n: usize) -> Self {
        Layout { values: n, tangents: n, statistics: n }
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values + self.tangents
    }
}

/// What normalisation layers subtract and divide by.
#[derive(Clone, Copy, Debug)]
pub enum Normalisation<'a> {
    /// The statistics of the batch, which the pass hands back.
    Batch,
    /// These. Weight gradients flow through them if they are tracked.
    Fixed(&'a Statistics),
}

/// What a forward pass gives.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The logits of the images, then the tangents' directional derivatives of them: `[values + tangents, classes]`.
    pub logits: Tensor<2>,
    /// In [`Normalisation::Batch`] the batch's statistics, tracked: weight gradients flow through them
    /// when a later pass is given them.
    pub statistics: Option<Statistics>,
    layout: Layout,
}

impl Pass {
    /// The logits of the images, `[values, classes]`.
    #[must_use]
    pub fn values(&self) -> Tensor<2> {
        self.logits.clone().narrow(0, 0, self.layout.values)
    }

    /// The directional derivatives of the logits, `[tangents, classes]`.
    ///
    /// # Panics
    /// When the layout has no tangents.
    #[must_use]
    pub fn tangents(&self) -> Tensor<2> {
        self.logits.clone().narrow(0, self.layout.values, self.layout.tangents)
    }
}

/// A network without its weights.
#[derive(Clone, Debug)]
pub struct Network {
    /// The graph.
    pub architecture: Architecture,
    /// The numbers that it multiplies.
    pub precision: Precision,
}

impl Network {
    /// A network that computes `architecture` in single precision.
    #[must_use]
    pub fn new(architecture: Architecture) -> Self {
        Network { architecture, precision: Precision::F32 }
    }

    /// The same network with products of that precision.
    #[must_use]
    pub fn with_precision(&self, precision: Precision) -> Self {
        Network { architecture: self.architecture.clone(), precision }
    }

    /// The logits of `x` `[layout.rows(), c, h, w]`, whose images are in `[0,1]`.
    ///
    /// In [`Normalisation::Batch`] gradients with respect to weights and value rows flow through the statistics;
    /// tangents never see the derivative of the statistics.
    ///
    /// # Panics
    /// When `parameters`, statistics or `x` are not of this architecture, or `x` does not have the rows of `layout`.
    #[must_use]
    pub fn forward(&self, parameters: &Parameters, x: Tensor<4>, layout: Layout, normalisation: Normalisation) -> Pass {
        let [rows, shape @ ..] = x.dims();
        assert_eq!(rows, layout.rows(), "rows of the batch");
        assert_eq!(shape, self.architecture.input, "shape of the images");
        assert!(layout.tangents <= layout.values && layout.statistics <= layout.values, "{layout:?}");
        let mut run = Run::new(self, parameters, layout, normalisation);
        let logits = run.nodes(x);
        let classes = self.architecture.classes;
        let statistics = match normalisation {
            Normalisation::Batch => Some(Statistics { layers: run.statistics }),
            Normalisation::Fixed(_) => None,
        };
        Pass { logits: logits.reshape([rows, classes]), statistics, layout }
    }
}

/// A forward pass under way. Feature maps are kept as `[n, h, w, c]` and rows as `[n, 1, 1, k]`: the layout of [`ops`].
struct Run<'a> {
    architecture: &'a Architecture,
    precision: Precision,
    layout: Layout,
    normalisation: Normalisation<'a>,
    parameters: std::slice::Iter<'a, Parameter>,
    statistics: Vec<Tensor<2>>,
    fixed: usize,
}

impl<'a> Run<'a> {
    fn new(network: &'a Network, parameters: &'a Parameters, layout: Layout, normalisation: Normalisation<'a>) -> Self {
        let Network { architecture, precision } = network;
        let parameters = parameters.entries.iter();
        Run { architecture, precision: *precision, layout, normalisation, parameters, statistics: Vec::new(), fixed: 0 }
    }

    fn nodes(&mut self, x: Tensor<4>) -> Tensor<4> {
        let mut outputs = Outputs::new(self.architecture);
        let x = x.permute([0, 2, 3, 1]);
        let mut last = x.clone();
        for (index, node) in self.architecture.nodes.iter().enumerate() {
            last = match node.inputs.as_slice() {
                [] => x.clone(),
                [from] => {
                    let input = outputs.take(*from);
                    self.operation(&node.operation, input)
                }
                [left, right, ..] => outputs.take(*left) + outputs.take(*right),
            };
            outputs.put(index, &last);
        }
        last
    }

    fn operation(&mut self, operation: &Operation, x: Tensor<4>) -> Tensor<4> {
        match operation {
            Operation::Input | Operation::Add => x,
            Operation::Standardise { mean, std } => {
                let scale: Vec<f64> = std.iter().map(|std| 1.0 / std).collect();
                let shift = vec![0.0; std.len()];
                self.constant_affine(x, [mean, &scale, &shift], Activation::Identity)
            }
            Operation::Convolution { stride, padding, bias, .. } => {
                let y = ops::convolution_of(self.precision, x, self.weight(), *stride, *padding);
                if *bias { self.add_bias(y) } else { y }
            }
            Operation::NormActivation { activation, .. } => self.norm_activation(x, *activation),
            Operation::Activation(activation) => {
                let channels = x.dims()[3];
                let (zero, one) = (vec![0.0; channels], vec![1.0; channels]);
                self.constant_affine(x, [&zero, &one, &zero], *activation)
            }
            Operation::MaxPool { kernel, stride, padding } => {
                let options = MaxPoolOptions::new([*kernel; 2]).with_stride([*stride; 2]).with_padding([*padding; 2]);
                ops::max_pool(x, self.layout.values, options)
            }
            Operation::GlobalMeanPool => {
                let [n, h, w, c] = x.dims();
                x.reshape([n, h * w, c]).mean_dim(1).reshape([n, 1, 1, c])
            }
            Operation::Flatten => {
                let [n, h, w, c] = x.dims();
                x.permute([0, 3, 1, 2]).reshape([n, 1, 1, c * h * w])
            }
            Operation::Linear { .. } => {
                let y = ops::convolution_of(self.precision, x, self.weight(), 1, 0);
                self.add_bias(y)
            }
        }
    }

    fn norm_activation(&mut self, x: Tensor<4>, activation: Activation) -> Tensor<4> {
        let channels = x.dims()[3];
        let (scale, shift) = (self.vector(), self.vector());
        let statistics = match self.normalisation {
            Normalisation::Batch => {
                let statistics = ops::moments(x.clone(), self.layout.statistics);
                self.statistics.push(statistics.clone());
                statistics
            }
            Normalisation::Fixed(fixed) => {
                assert!(self.fixed < fixed.layers.len(), "statistics for {} normalisation layers", fixed.layers.len());
                self.fixed += 1;
                fixed.layers[self.fixed - 1].clone()
            }
        };
        let mean = statistics.clone().narrow(0, 0, 1);
        let deviation = statistics.narrow(0, 1, 1).add_scalar(NORM_EPSILON).sqrt();
        let coefficients = Tensor::cat(vec![mean, scale.reshape([1, channels]) / deviation, shift.reshape([1, channels])], 0);
        ops::affine_activation(x, coefficients, self.layout.values, activation)
    }

    /// Adds a bias to value rows only: a tangent does not see it.
    fn add_bias(&mut self, y: Tensor<4>) -> Tensor<4> {
        let channels = y.dims()[3];
        let bias = self.vector().reshape([1, channels]);
        let coefficients = Tensor::cat(vec![bias.zeros_like(), bias.ones_like(), bias], 0);
        ops::affine_activation(y, coefficients, self.layout.values, Activation::Identity)
    }

    fn constant_affine(&self, x: Tensor<4>, coefficients: [&[f64]; 3], activation: Activation) -> Tensor<4> {
        let values: Vec<f32> = coefficients.concat().into_iter().map(|value| value as f32).collect();
        let columns = values.len() / 3;
        let coefficients = Tensor::from_data(TensorData::new(values, [3, columns]), &x.device().without_autodiff());
        ops::affine_activation(x, coefficients, self.layout.values, activation)
    }

    fn next(&mut self) -> &'a Parameter {
        match self.parameters.next() {
            Some(parameter) => parameter,
            None => panic!("the parameters are not those of the network"),
        }
    }

    fn vector(&mut self) -> Tensor<1> {
        self.next().value.clone()
    }

    /// The next parameter as a kernel `[f, c, k, k]`; a linear layer's is `[f, c, 1, 1]`.
    fn weight(&mut self) -> Tensor<4> {
        let parameter = self.next();
        let mut shape = [1; 4];
        shape.iter_mut().zip(&parameter.spec.shape).for_each(|(side, length)| *side = *length);
        parameter.value.clone().reshape(shape)
    }
}

/// The outputs that later nodes still need.
struct Outputs {
    values: Vec<Option<Tensor<4>>>,
    uses: Vec<usize>,
}

impl Outputs {
    fn new(architecture: &Architecture) -> Self {
        let mut uses = vec![0; architecture.nodes.len()];
        architecture.nodes.iter().flat_map(|node| &node.inputs).for_each(|from| uses[*from] += 1);
        Outputs { values: vec![None; uses.len()], uses }
    }

    fn put(&mut self, index: usize, value: &Tensor<4>) {
        if self.uses[index] > 0 {
            self.values[index] = Some(value.clone());
        }
    }

    /// The output of `index`; dropped here after its last use.
    fn take(&mut self, index: usize) -> Tensor<4> {
        self.uses[index] -= 1;
        let value = if self.uses[index] == 0 { self.values[index].take() } else { self.values[index].clone() };
        match value {
            Some(value) => value,
            None => unreachable!("an architecture's nodes read earlier nodes only"),
        }
    }
}
