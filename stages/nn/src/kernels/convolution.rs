//! Convolution of a batch and its two gradients, on the processor.
//!
//! Images are `[n, height, width, channels]`. No image is unfolded: the tiles read a padded copy of it in
//! place. Every sum is taken in an order that depends on the sizes of one image only, and images are combined in a
//! fixed number of partial sums, so that bits depend neither on threads nor, per image, on the batch.

use pulp::Arch;
use rayon::prelude::*;

use super::geometry::Geometry;
use super::pack::{self, Panels};
use super::rows::Rows;
use super::weight_gradient::Accumulator;

/// Rows of a matrix product that one task computes.
const ROWS_PER_TASK: usize = 128;
/// Partial sums of a weight gradient: the most that threads can share.
const PARTIAL_SUMS: usize = 16;

/// Numbers in a vector register of this processor.
fn lanes(arch: Arch) -> usize {
    struct Lanes;
    impl pulp::WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    arch.dispatch(Lanes)
}

/// The output `[n, h', w', filters]` of images `x` `[n, h, w, channels]` and `weight` `[filters, channels, k, k]`.
pub(crate) fn forward(x: &[f32], weight: &[f32], geometry: &Geometry) -> Vec<f32> {
    let arch = Arch::new();
    let panels = pack::forward(weight, [geometry.filters, geometry.channels, geometry.kernel], lanes(arch));
    correlate(arch, x, &panels, geometry)
}

fn correlate(arch: Arch, x: &[f32], panels: &Panels, geometry: &Geometry) -> Vec<f32> {
    let images = x.len() / geometry.input_len();
    let mut out = vec![0.0; images * geometry.output_len()];
    if geometry.is_pointwise() {
        multiply_rows(arch, x, panels, &mut out);
        return out;
    }
    let bases = geometry.bases();
    let tasks = out.par_chunks_exact_mut(geometry.output_len()).zip(x.par_chunks_exact(geometry.input_len()));
    tasks.for_each_init(
        || vec![0.0; geometry.padded_len()],
        |padded, (out, image)| {
            let image = if geometry.padding == 0 {
                image
            } else {
                geometry.pad(image, padded);
                padded
            };
            let (segments, segment_step, segment_len) = (geometry.kernel, geometry.padded_row(), geometry.run());
            arch.dispatch(Rows { image, bases: &bases, segments, segment_step, segment_len, panels, out });
        },
    );
    out
}

/// `out[r] = x[r] · matrix` for every row r.
fn multiply_rows(arch: Arch, x: &[f32], panels: &Panels, out: &mut [f32]) {
    let columns = panels.columns();
    let depth = x.len() * columns / out.len().max(1);
    let bases: Vec<usize> = (0..ROWS_PER_TASK).map(|row| row * depth).collect();
    let tasks = out.par_chunks_mut(ROWS_PER_TASK * columns).zip(x.par_chunks(ROWS_PER_TASK * depth));
    tasks.for_each(|(out, image)| {
        let bases = &bases[..out.len() / columns];
        arch.dispatch(Rows { image, bases, segments: 1, segment_step: 0, segment_len: depth, panels, out });
    });
}

/// The gradient `[n, h, w, channels]` with respect to the images, from `gradient` `[n, h', w', filters]` with respect to the output.
pub(crate) fn input_gradient(gradient: &[f32], weight: &[f32], geometry: &Geometry) -> Vec<f32> {
    let arch = Arch::new();
    let shape = [geometry.filters, geometry.channels, geometry.kernel];
    let lanes = lanes(arch);
    let narrow = geometry.channels < lanes && geometry.kernel > 1;
    if geometry.stride == 1 && geometry.padding < geometry.kernel && !narrow {
        let panels = pack::turned(weight, shape, lanes);
        return correlate(arch, gradient, &panels, &geometry.transposed());
    }
    spread(arch, gradient, &pack::spread(weight, shape, lanes), geometry)
}

/// Each output position's gradient, spread over the part of the image that it came from.
fn spread(arch: Arch, gradient: &[f32], panels: &Panels, geometry: &Geometry) -> Vec<f32> {
    let images = gradient.len() / geometry.output_len();
    let mut out = vec![0.0; images * geometry.input_len()];
    let (positions, columns, run) = (geometry.positions(), panels.columns(), geometry.run());
    let sources: Vec<usize> = (0..positions).map(|position| position * geometry.filters).collect();
    let targets = geometry.bases();
    let tasks = out.par_chunks_exact_mut(geometry.input_len()).zip(gradient.par_chunks_exact(geometry.output_len()));
    tasks.for_each_init(
        || (vec![0.0; positions * columns], vec![0.0; geometry.padded_len()]),
        |(parts, padded), (out, image)| {
            let (segments, segment_len) = (1, geometry.filters);
            arch.dispatch(Rows { image, bases: &sources, segments, segment_step: 0, segment_len, panels, out: parts });
            padded.fill(0.0);
            for (part, target) in parts.chunks_exact(columns).zip(&targets) {
                for (row, part) in part.chunks_exact(run).enumerate() {
                    let place = &mut padded[target + row * geometry.padded_row()..][..run];
                    place.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
                }
            }
            geometry.unpad(padded, out);
        },
    );
    out
}

/// The gradient `[filters, channels, k, k]` with respect to the weight, from images `x` and `gradient` with respect to the output.
pub(crate) fn weight_gradient(x: &[f32], gradient: &[f32], geometry: &Geometry) -> Vec<f32> {
    let arch = Arch::new();
    let lanes = lanes(arch);
    let images = x.len() / geometry.input_len();
    // One position an image: the images are the positions of one.
    if geometry.is_pointwise() && geometry.size == [1, 1] && images > 1 {
        return weight_gradient(x, gradient, &Geometry { size: [images, 1], ..*geometry });
    }
    let share = images.div_ceil(PARTIAL_SUMS).max(1);
    let tasks = x.par_chunks(share * geometry.input_len()).zip(gradient.par_chunks(share * geometry.output_len()));
    let partial: Vec<Accumulator> = tasks
        .map(|(x, gradient)| {
            let mut accumulator = Accumulator::new(geometry, lanes);
            accumulator.add(arch, x, gradient);
            accumulator
        })
        .collect();
    let sum = partial.into_iter().reduce(|mut left, right| {
        left.combine(&right);
        left
    });
    sum.map_or_else(|| vec![0.0; geometry.filters * geometry.channels * geometry.kernel * geometry.kernel], |sum| sum.weight())
}
