//! The operations on burn's CPU backend: tensors in, kernels, tensors out.

use burn::tensor::TensorData;
use burn_flex::FlexTensor;

use crate::Activation;
use crate::kernels::affine::{self, Rows};
use crate::kernels::convolution;
use crate::kernels::geometry::Geometry;
use crate::kernels::moments;

fn tensor(values: Vec<f32>, shape: Vec<usize>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

fn dims<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    let shape = tensor.layout().shape();
    std::array::from_fn(|i| shape[i])
}

/// The sizes of a convolution of `x` `[n, h, w, c]` and `weight` `[f, c, k, k]`.
pub(super) fn geometry(x: &FlexTensor, weight: &FlexTensor, stride: usize, padding: usize) -> Geometry {
    let ([_, height, width, channels], [filters, weight_channels, kernel, _]) = (dims(x), dims(weight));
    assert_eq!(channels, weight_channels, "channels of the images and of the weight");
    Geometry { size: [height, width], channels, filters, kernel, stride, padding }
}

pub(super) fn convolution_forward(x: &FlexTensor, weight: &FlexTensor, geometry: &Geometry) -> FlexTensor {
    let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
    let [height, width] = geometry.output();
    let out = convolution::forward(x.storage(), weight.storage(), geometry);
    tensor(out, vec![dims::<4>(&x)[0], height, width, geometry.filters])
}

pub(super) fn convolution_input_gradient(gradient: &FlexTensor, weight: &FlexTensor, geometry: &Geometry) -> FlexTensor {
    let (gradient, weight) = (gradient.to_contiguous(), weight.to_contiguous());
    let [height, width] = geometry.size;
    let out = convolution::input_gradient(gradient.storage(), weight.storage(), geometry);
    tensor(out, vec![dims::<4>(&gradient)[0], height, width, geometry.channels])
}

pub(super) fn convolution_weight_gradient(x: &FlexTensor, gradient: &FlexTensor, geometry: &Geometry) -> FlexTensor {
    let (x, gradient) = (x.to_contiguous(), gradient.to_contiguous());
    let out = convolution::weight_gradient(x.storage(), gradient.storage(), geometry);
    tensor(out, vec![geometry.filters, geometry.channels, geometry.kernel, geometry.kernel])
}

/// The numbers of one row of `[n, h, w, c]`, and the channels.
fn plane(x: &FlexTensor) -> (usize, usize) {
    let [_, height, width, channels] = dims(x);
    (height * width * channels, channels)
}

pub(super) fn moments_forward(x: &FlexTensor, rows: usize) -> FlexTensor {
    let x = x.to_contiguous();
    let (plane, channels) = plane(&x);
    tensor(moments::forward(&x.storage()[..rows * plane], plane, channels), vec![2, channels])
}

pub(super) fn moments_backward(x: &FlexTensor, moments: &FlexTensor, gradient: &FlexTensor, rows: usize) -> FlexTensor {
    let (x, moments, gradient) = (x.to_contiguous(), moments.to_contiguous(), gradient.to_contiguous());
    let (plane, _) = plane(&x);
    let out = moments::backward(x.storage(), moments.storage(), gradient.storage(), Rows { values: rows, plane });
    tensor(out, dims::<4>(&x).to_vec())
}

pub(super) fn affine_forward(x: &FlexTensor, coefficients: &FlexTensor, values: usize, activation: Activation) -> FlexTensor {
    let (x, coefficients) = (x.to_contiguous(), coefficients.to_contiguous());
    let (plane, channels) = plane(&x);
    assert_eq!(dims(&coefficients), [3, channels], "shape of the coefficients");
    let out = affine::forward(x.storage(), coefficients.storage(), Rows { values, plane }, activation);
    tensor(out, dims::<4>(&x).to_vec())
}

/// The gradients with respect to `x` and `coefficients`.
pub(super) fn affine_backward(
    x: &FlexTensor,
    coefficients: &FlexTensor,
    gradient: &FlexTensor,
    (values, activation): (usize, Activation),
) -> (FlexTensor, FlexTensor) {
    let (x, coefficients, gradient) = (x.to_contiguous(), coefficients.to_contiguous(), gradient.to_contiguous());
    let (plane, channels) = plane(&x);
    let gradients = affine::backward(x.storage(), coefficients.storage(), gradient.storage(), Rows { values, plane }, activation);
    (tensor(gradients.x, dims::<4>(&x).to_vec()), tensor(gradients.coefficients, vec![3, channels]))
}
