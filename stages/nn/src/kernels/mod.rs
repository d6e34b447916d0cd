//! Numeric kernels on plain slices, images laid out `[n, height, width, channels]`.

pub(crate) mod affine;
mod blocks;
pub(crate) mod convolution;
mod functions;
pub(crate) mod geometry;
pub(crate) mod moments;
mod pack;
mod rows;
mod tile;
mod weight_gradient;
