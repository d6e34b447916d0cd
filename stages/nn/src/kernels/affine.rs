//! Normalisation's scale and shift followed by an activation, on values and tangents.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::blocks::{BLOCK, Block, block, gather, load, spread, store, stretch};
use super::functions::{Function, Identity, Relu, Silu, Softplus};
use crate::Activation;

/// What rows there are: images `[plane]` whose last dimension is the channel, values first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    /// Rows that are values.
    pub(crate) values: usize,
    /// Numbers in a row.
    pub(crate) plane: usize,
}

/// Per-channel numbers laid out for blocks.
struct Coefficients {
    centre: Vec<Block>,
    scale: Vec<Block>,
    shift: Vec<Block>,
    channels: usize,
}

impl Coefficients {
    /// From `[3, channels]`.
    fn new(coefficients: &[f32]) -> Self {
        let channels = coefficients.len() / 3;
        let row = |i: usize| spread(&coefficients[i * channels..(i + 1) * channels]);
        Coefficients { centre: row(0), scale: row(1), shift: row(2), channels }
    }

    /// What the activation is applied to, for block `i` of a stretch.
    #[inline(always)]
    fn affine(&self, i: usize, x: &Block) -> Block {
        let (centre, scale, shift) = (&self.centre[i], &self.scale[i], &self.shift[i]);
        block!(j => (x[j] - centre[j]).mul_add(scale[j], shift[j]))
    }
}

macro_rules! with_function {
    ($activation:expr, $function:ident => $body:expr) => {
        match $activation {
            Activation::Identity => {
                let $function = Identity;
                $body
            }
            Activation::Relu => {
                let $function = Relu;
                $body
            }
            Activation::Softplus => {
                let $function = Softplus;
                $body
            }
            Activation::Silu => {
                let $function = Silu;
                $body
            }
        }
    };
}

/// See [`crate::ops::affine_activation`].
pub(crate) fn forward(x: &[f32], coefficients: &[f32], rows: Rows, activation: Activation) -> Vec<f32> {
    let coefficients = Coefficients::new(coefficients);
    let mut out = vec![0.0; x.len()];
    let arch = Arch::new();
    with_function!(activation, function => {
        out.par_chunks_exact_mut(rows.plane).enumerate().for_each(|(row, out)| {
            let input = &x[row * rows.plane..][..rows.plane];
            match row.checked_sub(rows.values) {
                None => arch.dispatch(ValueRow { function, coefficients: &coefficients, x: input, out }),
                Some(value) => {
                    let value = &x[value * rows.plane..][..rows.plane];
                    arch.dispatch(TangentRow { function, coefficients: &coefficients, x: value, tangent: input, out });
                }
            }
        });
    });
    out
}

/// The activation of an image.
struct ValueRow<'a, F> {
    function: F,
    coefficients: &'a Coefficients,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl<F: Function> WithSimd for ValueRow<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let length = stretch(self.coefficients.channels);
        for (x, out) in self.x.chunks(length).zip(self.out.chunks_mut(length)) {
            for (i, (x, out)) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)).enumerate() {
                let u = self.coefficients.affine(i, &load(x));
                let y = block!(j => self.function.value(u[j]));
                store(&y, out);
            }
        }
    }
}

/// The derivative of [`ValueRow`] of image `x` along a tangent.
struct TangentRow<'a, F> {
    function: F,
    coefficients: &'a Coefficients,
    x: &'a [f32],
    tangent: &'a [f32],
    out: &'a mut [f32],
}

impl<F: Function> WithSimd for TangentRow<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let length = stretch(self.coefficients.channels);
        for ((x, tangent), out) in self.x.chunks(length).zip(self.tangent.chunks(length)).zip(self.out.chunks_mut(length)) {
            for (i, ((x, tangent), out)) in x.chunks(BLOCK).zip(tangent.chunks(BLOCK)).zip(out.chunks_mut(BLOCK)).enumerate() {
                let u = self.coefficients.affine(i, &load(x));
                let (tangent, scale) = (load(tangent), &self.coefficients.scale[i]);
                let y = block!(j => self.function.derivatives(u[j]).0 * scale[j] * tangent[j]);
                store(&y, out);
            }
        }
    }
}

/// What the reverse pass gives.
pub(crate) struct Gradients {
    /// With respect to the input, of its shape.
    pub(crate) x: Vec<f32>,
    /// With respect to centre, scale and shift, `[3, channels]`.
    pub(crate) coefficients: Vec<f32>,
}

/// The gradients, from `gradient` with respect to the output.
pub(crate) fn backward(x: &[f32], coefficients: &[f32], gradient: &[f32], rows: Rows, activation: Activation) -> Gradients {
    let scale = &coefficients[coefficients.len() / 3..coefficients.len() / 3 * 2];
    let coefficients = Coefficients::new(coefficients);
    let mut dx = vec![0.0; x.len()];
    let (x, x_tangents) = x.split_at(rows.values * rows.plane);
    let (g, g_tangents) = gradient.split_at(rows.values * rows.plane);
    let (dx_values, dx_tangents) = dx.split_at_mut(rows.values * rows.plane);
    let (dx_dual, dx_plain) = dx_values.split_at_mut(dx_tangents.len());
    let (x_dual, x_plain) = x.split_at(x_tangents.len());
    let (g_dual, g_plain) = g.split_at(x_tangents.len());
    let arch = Arch::new();
    let plane = rows.plane;
    let sums: Vec<Sums> = with_function!(activation, function => {
        let dual = (dx_dual.par_chunks_exact_mut(plane), dx_tangents.par_chunks_exact_mut(plane), x_dual.par_chunks_exact(plane), x_tangents.par_chunks_exact(plane), g_dual.par_chunks_exact(plane), g_tangents.par_chunks_exact(plane));
        let dual = dual.into_par_iter().map(|(dx, dx_tangent, x, tangent, g, g_tangent)| {
            let mut sums = Sums::new(&coefficients);
            arch.dispatch(DualRow { function, coefficients: &coefficients, x, tangent, g, g_tangent, dx, dx_tangent, sums: &mut sums });
            sums
        });
        let plain = (dx_plain.par_chunks_exact_mut(plane), x_plain.par_chunks_exact(plane), g_plain.par_chunks_exact(plane));
        let plain = plain.into_par_iter().map(|(dx, x, g)| {
            let mut sums = Sums::new(&coefficients);
            arch.dispatch(PlainRow { function, coefficients: &coefficients, x, g, dx, sums: &mut sums });
            sums
        });
        dual.chain(plain).collect()
    });
    Gradients { x: dx, coefficients: combine(&sums, scale) }
}

/// The parts of the gradients with respect to scale and shift that one image gives.
struct Sums {
    scale: Vec<Block>,
    shift: Vec<Block>,
}

impl Sums {
    fn new(coefficients: &Coefficients) -> Self {
        let zero = vec![[0.0; BLOCK]; coefficients.scale.len()];
        Sums { scale: zero.clone(), shift: zero }
    }
}

/// Adds up in the order of the images, in double precision.
fn combine(sums: &[Sums], scale: &[f32]) -> Vec<f32> {
    let channels = scale.len();
    let mut total = vec![0.0f64; 3 * channels];
    for part in sums {
        let (_, rest) = total.split_at_mut(channels);
        let (to_scale, to_shift) = rest.split_at_mut(channels);
        to_scale.iter_mut().zip(gather(&part.scale, channels)).for_each(|(sum, value)| *sum += f64::from(value));
        to_shift.iter_mut().zip(gather(&part.shift, channels)).for_each(|(sum, value)| *sum += f64::from(value));
    }
    for (channel, scale) in scale.iter().enumerate() {
        total[channel] = -f64::from(*scale) * total[2 * channels + channel];
    }
    total.into_iter().map(|sum| sum as f32).collect()
}

/// The reverse pass of an image without a tangent.
struct PlainRow<'a, F> {
    function: F,
    coefficients: &'a Coefficients,
    x: &'a [f32],
    g: &'a [f32],
    dx: &'a mut [f32],
    sums: &'a mut Sums,
}

impl<F: Function> WithSimd for PlainRow<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let length = stretch(self.coefficients.channels);
        for ((x, g), dx) in self.x.chunks(length).zip(self.g.chunks(length)).zip(self.dx.chunks_mut(length)) {
            for (i, ((x, g), dx)) in x.chunks(BLOCK).zip(g.chunks(BLOCK)).zip(dx.chunks_mut(BLOCK)).enumerate() {
                let (x, g) = (load(x), load(g));
                let u = self.coefficients.affine(i, &x);
                let (centre, scale) = (&self.coefficients.centre[i], &self.coefficients.scale[i]);
                let to_u = block!(j => g[j] * self.function.derivatives(u[j]).0);
                let to_scale = self.sums.scale[i];
                self.sums.scale[i] = block!(j => (x[j] - centre[j]).mul_add(to_u[j], to_scale[j]));
                let to_shift = self.sums.shift[i];
                self.sums.shift[i] = block!(j => to_shift[j] + to_u[j]);
                store(&block!(j => to_u[j] * scale[j]), dx);
            }
        }
    }
}

/// The reverse pass of an image and its tangent.
struct DualRow<'a, F> {
    function: F,
    coefficients: &'a Coefficients,
    x: &'a [f32],
    tangent: &'a [f32],
    g: &'a [f32],
    g_tangent: &'a [f32],
    dx: &'a mut [f32],
    dx_tangent: &'a mut [f32],
    sums: &'a mut Sums,
}

impl<F: Function> WithSimd for DualRow<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) {
        let length = stretch(self.coefficients.channels);
        for start in (0..self.x.len()).step_by(length) {
            let end = (start + length).min(self.x.len());
            for (i, start) in (start..end).step_by(BLOCK).enumerate() {
                self.block(i, start..(start + BLOCK).min(end));
            }
        }
    }
}

impl<F: Function> DualRow<'_, F> {
    /// Elements `range`, block `i` of a stretch.
    #[inline(always)]
    fn block(&mut self, i: usize, range: std::ops::Range<usize>) {
        let (x, t) = (load(&self.x[range.clone()]), load(&self.tangent[range.clone()]));
        let (g, gt) = (load(&self.g[range.clone()]), load(&self.g_tangent[range.clone()]));
        let u = self.coefficients.affine(i, &x);
        let (centre, scale) = (&self.coefficients.centre[i], &self.coefficients.scale[i]);
        let derivatives = block!(j => self.function.derivatives(u[j]));
        // y = f(u) and yt = f′(u)·scale·t, so the gradient reaches u through both.
        let to_u = block!(j => (gt[j] * derivatives[j].1 * scale[j]).mul_add(t[j], g[j] * derivatives[j].0));
        let along = block!(j => gt[j] * derivatives[j].0);
        let to_scale = self.sums.scale[i];
        self.sums.scale[i] = block!(j => to_scale[j] + (x[j] - centre[j]).mul_add(to_u[j], along[j] * t[j]));
        let to_shift = self.sums.shift[i];
        self.sums.shift[i] = block!(j => to_shift[j] + to_u[j]);
        store(&block!(j => to_u[j] * scale[j]), &mut self.dx[range.clone()]);
        store(&block!(j => along[j] * scale[j]), &mut self.dx_tangent[range]);
    }
}
