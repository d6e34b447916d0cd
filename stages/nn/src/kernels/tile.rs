//! The inner loops of matrix products: a block of the result kept in vector registers.

use pulp::Simd;

/// Rows of a tile where a register holds 16 numbers (32 registers).
pub(crate) const TALL: usize = 8;
/// Rows of a tile where a register holds fewer (16 registers).
pub(crate) const SHORT: usize = 6;

/// `acc[i] += Σ_k rows[i][k] · panel[k]`, k in order.
#[inline(always)]
pub(crate) fn multiply<S: Simd, const ROWS: usize, const REGISTERS: usize>(
    simd: S,
    acc: &mut [[S::f32s; REGISTERS]; ROWS],
    rows: [&[f32]; ROWS],
    panel: &[[S::f32s; REGISTERS]],
) {
    let rows = rows.map(|row| &row[..panel.len()]);
    for (k, columns) in panel.iter().enumerate() {
        for (sums, row) in acc.iter_mut().zip(rows) {
            let factor = simd.splat_f32s(row[k]);
            for (sum, column) in sums.iter_mut().zip(columns) {
                *sum = simd.mul_add_f32s(factor, *column, *sum);
            }
        }
    }
}

/// `acc[i] += left[i] · right` for one position: the outer product of a few numbers of an image and a panel of its gradient.
#[inline(always)]
pub(crate) fn outer<S: Simd, const ROWS: usize, const REGISTERS: usize>(
    simd: S,
    acc: &mut [[S::f32s; REGISTERS]; ROWS],
    left: &[f32; ROWS],
    right: &[S::f32s; REGISTERS],
) {
    for (sums, value) in acc.iter_mut().zip(left) {
        let factor = simd.splat_f32s(*value);
        for (sum, column) in sums.iter_mut().zip(right) {
            *sum = simd.mul_add_f32s(factor, *column, *sum);
        }
    }
}

/// A slice as whole blocks of registers.
#[inline(always)]
pub(crate) fn registers<S: Simd, const REGISTERS: usize>(values: &[f32]) -> &[[S::f32s; REGISTERS]] {
    S::as_simd_f32s(values).0.as_chunks().0
}
