//! The gradient of a convolution with respect to its weight, image by image.

use pulp::{Arch, Simd, WithSimd, bytemuck};

use super::geometry::Geometry;
use super::pack::panel_starts;
use super::tile::{SHORT, TALL, outer, registers};

/// About how many positions are summed before a tile of the result is left: the images' parts in use then fit the first cache level.
const POSITIONS_PER_BLOCK: usize = 128;

/// A sum over images, kept tile by tile: for each panel of filters, each kernel row, each few numbers of the run.
pub(crate) struct Accumulator {
    geometry: Geometry,
    lanes: usize,
    /// Tiles `[TILE, registers · lanes]`.
    sums: Vec<f32>,
    padded: Vec<f32>,
    widened: Vec<f32>,
}

/// Rows of a tile for this register width.
fn tile_rows(lanes: usize) -> usize {
    if lanes >= 16 { TALL } else { SHORT }
}

impl Accumulator {
    /// Zero.
    pub(crate) fn new(geometry: &Geometry, lanes: usize) -> Self {
        let rows = geometry.kernel * geometry.run().next_multiple_of(tile_rows(lanes));
        let columns = geometry.filters.next_multiple_of(lanes);
        // The last tile of a run reads past it, at the image's end by up to a tile.
        let padded = vec![0.0; geometry.padded_len() + TALL];
        let widened = if columns == geometry.filters { Vec::new() } else { vec![0.0; geometry.positions() * columns] };
        Accumulator { geometry: *geometry, lanes, sums: vec![0.0; rows * columns], padded, widened }
    }

    /// Adds the gradients of images `x` `[n, h, w, c]`, from `gradient` `[n, h', w', f]`.
    pub(crate) fn add(&mut self, arch: Arch, x: &[f32], gradient: &[f32]) {
        let geometry = self.geometry;
        let columns = geometry.filters.next_multiple_of(self.lanes);
        let images = x.chunks_exact(geometry.input_len()).zip(gradient.chunks_exact(geometry.output_len()));
        for (image, gradient) in images {
            geometry.pad(image, &mut self.padded[..geometry.padded_len()]);
            let gradient = if columns == geometry.filters {
                gradient
            } else {
                for (wide, row) in self.widened.chunks_exact_mut(columns).zip(gradient.chunks_exact(geometry.filters)) {
                    wide[..geometry.filters].copy_from_slice(row);
                }
                &self.widened
            };
            let [height, width] = geometry.output();
            let rows = (POSITIONS_PER_BLOCK / width).clamp(1, height);
            for first in (0..height).step_by(rows) {
                let rows = first..(first + rows).min(height);
                arch.dispatch(Block { geometry: &geometry, image: &self.padded, gradient, rows, sums: &mut self.sums });
            }
        }
    }

    /// Adds another sum.
    pub(crate) fn combine(&mut self, other: &Accumulator) {
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, value)| *sum += value);
    }

    /// The sum as a kernel `[f, c, k, k]`.
    pub(crate) fn weight(&self) -> Vec<f32> {
        let Geometry { channels, filters, kernel, .. } = self.geometry;
        let run = self.geometry.run().next_multiple_of(tile_rows(self.lanes));
        let mut weight = vec![0.0; filters * channels * kernel * kernel];
        for (first, registers) in panel_starts(filters, self.lanes) {
            let width = registers * self.lanes;
            let panel = &self.sums[first * kernel * run..];
            for filter in first..filters.min(first + width) {
                for (index, value) in weight[filter * channels * kernel * kernel..][..channels * kernel * kernel].iter_mut().enumerate() {
                    let (channel, row, column) = (index / (kernel * kernel), index / kernel % kernel, index % kernel);
                    *value = panel[(row * run + column * channels + channel) * width + filter - first];
                }
            }
        }
        weight
    }
}

/// Some rows of output positions of one image.
struct Block<'a> {
    geometry: &'a Geometry,
    image: &'a [f32],
    gradient: &'a [f32],
    rows: std::ops::Range<usize>,
    sums: &'a mut [f32],
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for (first, registers) in panel_starts(self.geometry.filters, S::F32_LANES) {
            match (S::F32_LANES >= 16, registers) {
                (true, 2) => self.panel::<S, TALL, 2>(simd, first),
                (true, _) => self.panel::<S, TALL, 1>(simd, first),
                (false, 2) => self.panel::<S, SHORT, 2>(simd, first),
                (false, _) => self.panel::<S, SHORT, 1>(simd, first),
            }
        }
    }
}

impl Block<'_> {
    /// The panel of filters from `first` on.
    #[inline(always)]
    fn panel<S: Simd, const ROWS: usize, const REGISTERS: usize>(&mut self, simd: S, first: usize) {
        let (tiles, width) = (self.geometry.run().div_ceil(ROWS), REGISTERS * S::F32_LANES);
        let geometry = self.geometry;
        let columns = geometry.filters.next_multiple_of(S::F32_LANES);
        let (image_row, gradient_row) = (geometry.stride * geometry.padded_row(), geometry.output()[1] * columns);
        for tile in 0..geometry.kernel * tiles {
            let offset = tile / tiles * geometry.padded_row() + tile % tiles * ROWS;
            let place = (first * geometry.kernel * tiles + tile * width) * ROWS;
            let sums = &mut self.sums[place..place + ROWS * width];
            let mut acc = [[simd.splat_f32s(0.0); REGISTERS]; ROWS];
            bytemuck::cast_slice_mut(acc.as_flattened_mut()).copy_from_slice(sums);
            for row in self.rows.clone() {
                sum_row(simd, &mut acc, &self.image[row * image_row + offset..], &self.gradient[row * gradient_row + first..], geometry);
            }
            sums.copy_from_slice(bytemuck::cast_slice(acc.as_flattened()));
        }
    }
}

/// Adds the outer products of one row of positions; `image` and `gradient` start at the first one's numbers.
#[inline(always)]
fn sum_row<S: Simd, const ROWS: usize, const REGISTERS: usize>(
    simd: S,
    acc: &mut [[S::f32s; REGISTERS]; ROWS],
    image: &[f32],
    gradient: &[f32],
    geometry: &Geometry,
) {
    let (step, columns) = (geometry.stride * geometry.channels, geometry.filters.next_multiple_of(S::F32_LANES));
    for position in 0..geometry.output()[1] {
        let left = &image[position * step..][..ROWS];
        let right = registers::<S, REGISTERS>(&gradient[position * columns..][..REGISTERS * S::F32_LANES]);
        if let ([left, ..], [right, ..]) = (left.as_chunks().0, right) {
            outer(simd, acc, left, right);
        }
    }
}
