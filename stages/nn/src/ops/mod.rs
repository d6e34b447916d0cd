//! The operations that networks are made of, on values and tangents. Images are `[n, h, w, c]`.
//!
//! On the CPU they run our own kernels; on any other device they are composed of burn's operations.

mod composite;
mod extension;
mod flex;
mod pool;

use burn::backend::Dispatch;
use burn::tensor::Tensor;
use extension::NetworkOps;

pub(crate) use pool::max_pool;

use crate::precision::{rounded, to_half, to_single};
use crate::{Activation, Precision};

/// Whether the tensor is on the device that has our kernels.
fn has_kernels<const D: usize>(tensor: &Tensor<D>) -> bool {
    crate::device::is_processor(&tensor.device())
}

/// [`convolution`] with operands and result of that precision; single precision in and out.
pub(crate) fn convolution_of(precision: Precision, x: Tensor<4>, weight: Tensor<4>, stride: usize, padding: usize) -> Tensor<4> {
    match precision {
        Precision::F32 => convolution(x, weight, stride, padding),
        Precision::Bf16 if has_kernels(&x) => rounded(convolution(rounded(x), rounded(weight), stride, padding)),
        Precision::Bf16 => to_single(composite::convolution(to_half(x), to_half(weight), stride, padding)),
    }
}

/// Cross-correlation of `x` `[n, h, w, c]` with `weight` `[f, c, k, k]`: `[n, h', w', f]`, with
/// `h' = (h + 2·padding − k) / stride + 1`. It is linear, so tangent rows are treated as values.
pub(crate) fn convolution(x: Tensor<4>, weight: Tensor<4>, stride: usize, padding: usize) -> Tensor<4> {
    if !has_kernels(&x) {
        return composite::convolution(x, weight, stride, padding);
    }
    Tensor::from_dispatch(<Dispatch as NetworkOps>::convolution(x.into_dispatch(), weight.into_dispatch(), stride, padding))
}

/// Mean and biased variance of every channel of the first `rows` rows of `x` `[n, h, w, c]`: `[2, c]`.
pub(crate) fn moments(x: Tensor<4>, rows: usize) -> Tensor<2> {
    if !has_kernels(&x) {
        return composite::moments(x, rows);
    }
    Tensor::from_dispatch(<Dispatch as NetworkOps>::moments(x.into_dispatch(), rows))
}

/// With `coefficients` `[3, c]` = (centre, scale, shift) and `u = (x − centre)·scale + shift`: the first `values` rows
/// become `act(u)`; the rest are tangents of the first rows, in order, and become `act′(u)·scale·x`.
pub(crate) fn affine_activation(x: Tensor<4>, coefficients: Tensor<2>, values: usize, activation: Activation) -> Tensor<4> {
    if !has_kernels(&x) {
        return composite::affine_activation(x, &coefficients, values, activation);
    }
    Tensor::from_dispatch(<Dispatch as NetworkOps>::affine_activation(x.into_dispatch(), coefficients.into_dispatch(), values, activation))
}

#[cfg(test)]
mod tests;
