//! The operations of a network made of burn's own: what runs on devices without kernels of ours,
//! and what the kernels are tested against.

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, sigmoid, softplus};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;

use crate::Activation;

/// See [`super::convolution`].
pub(crate) fn convolution(x: Tensor<4>, weight: Tensor<4>, stride: usize, padding: usize) -> Tensor<4> {
    let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
    conv2d(x.permute([0, 3, 1, 2]), weight, None, options).permute([0, 2, 3, 1])
}

/// See [`super::moments`].
pub(crate) fn moments(x: Tensor<4>, rows: usize) -> Tensor<2> {
    let [_, height, width, channels] = x.dims();
    let x = x.narrow(0, 0, rows).reshape([rows * height * width, channels]);
    let mean = x.clone().mean_dim(0);
    let centred = x - mean.clone();
    let variance = (centred.clone() * centred).mean_dim(0);
    Tensor::cat(vec![mean, variance], 0)
}

/// See [`super::affine_activation`].
pub(crate) fn affine_activation(x: Tensor<4>, coefficients: &Tensor<2>, values: usize, activation: Activation) -> Tensor<4> {
    let [rows, _, _, channels] = x.dims();
    let row = |i: usize| coefficients.clone().narrow(0, i, 1).reshape([1, 1, 1, channels]);
    let (centre, scale, shift) = (row(0), row(1), row(2));
    let u = (x.clone().narrow(0, 0, values) - centre) * scale.clone() + shift;
    let y = value(activation, u.clone());
    if rows == values {
        return y;
    }
    let tangents = rows - values;
    let slope = derivative(activation, u.narrow(0, 0, tangents));
    let tangent = x.narrow(0, values, tangents) * scale * slope;
    Tensor::cat(vec![y, tangent], 0)
}

fn value(activation: Activation, u: Tensor<4>) -> Tensor<4> {
    match activation {
        Activation::Identity => u,
        Activation::Relu => relu(u),
        Activation::Softplus => softplus(u, 1.0),
        Activation::Silu => u.clone() * sigmoid(u),
    }
}

fn derivative(activation: Activation, u: Tensor<4>) -> Tensor<4> {
    match activation {
        Activation::Identity => u.ones_like(),
        Activation::Relu => u.greater_scalar(0.0).float(),
        Activation::Softplus => sigmoid(u),
        Activation::Silu => {
            let s = sigmoid(u.clone());
            s.clone() * (u * (s.neg() + 1.0) + 1.0)
        }
    }
}
