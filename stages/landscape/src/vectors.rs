//! Images and gradients as vectors.

use planish_nn::vectors::{dot, norm};

/// The cosine of the angle between two vectors; 1 when one is zero.
pub(crate) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let lengths = norm(a) * norm(b);
    if lengths == 0.0 { 1.0 } else { dot(a, b) / lengths }
}

/// `(a − b)ᵀ slope`, in 64 bits.
pub(crate) fn along(a: &[f32], b: &[f32], slope: &[f32]) -> f64 {
    let products = a.iter().zip(b).zip(slope).map(|((a, b), slope)| (f64::from(*a) - f64::from(*b)) * f64::from(*slope));
    products.sum()
}
