//! Convolution of one image: positions times filters.

use pulp::{Simd, WithSimd, bytemuck};

use super::pack::{Panel, Panels};
use super::tile::{SHORT, TALL, multiply, registers};

/// For every position p: `out[p] = Σ over segments s, j of image[bases[p] + s·segment_step + j] · panels[s·segment_len + j]`.
pub(crate) struct Rows<'a> {
    /// The (padded) image.
    pub(crate) image: &'a [f32],
    /// Where each position starts in it.
    pub(crate) bases: &'a [usize],
    /// Number of stretches that each position reads.
    pub(crate) segments: usize,
    /// How far apart they are.
    pub(crate) segment_step: usize,
    /// How long they are.
    pub(crate) segment_len: usize,
    /// The matrix, `[segments · segment_len, filters]`.
    pub(crate) panels: &'a Panels,
    /// `[positions, filters]`.
    pub(crate) out: &'a mut [f32],
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for panel in self.panels.iter() {
            match (S::F32_LANES >= 16, panel.registers) {
                (true, 2) => self.panel::<S, TALL, 2>(simd, &panel),
                (true, _) => self.panel::<S, TALL, 1>(simd, &panel),
                (false, 2) => self.panel::<S, SHORT, 2>(simd, &panel),
                (false, _) => self.panel::<S, SHORT, 1>(simd, &panel),
            }
        }
    }
}

impl Rows<'_> {
    #[inline(always)]
    fn panel<S: Simd, const ROWS: usize, const REGISTERS: usize>(&mut self, simd: S, panel: &Panel) {
        let matrix = registers::<S, REGISTERS>(panel.values);
        let filters = self.panels.columns();
        for (bases, out) in self.bases.chunks(ROWS).zip(self.out.chunks_mut(ROWS * filters)) {
            // The last tile repeats its last position.
            let starts: [usize; ROWS] = std::array::from_fn(|i| bases[i.min(bases.len() - 1)]);
            let mut acc = [[simd.splat_f32s(0.0); REGISTERS]; ROWS];
            for segment in 0..self.segments {
                let rows = starts.map(|start| &self.image[start + segment * self.segment_step..][..self.segment_len]);
                multiply(simd, &mut acc, rows, &matrix[segment * self.segment_len..][..self.segment_len]);
            }
            for (row, sums) in out.chunks_exact_mut(filters).zip(&acc) {
                let sums: &[f32] = bytemuck::cast_slice(sums);
                row[panel.first..panel.first + panel.valid].copy_from_slice(&sums[..panel.valid]);
            }
        }
    }
}
