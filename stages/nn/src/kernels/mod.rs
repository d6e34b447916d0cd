//! Numeric kernels on plain slices, images laid out `[n, height, width, channels]`.
#![expect(clippy::inline_always, reason = "what pulp dispatches must be inlined into it to be compiled for its vector instructions")]

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
