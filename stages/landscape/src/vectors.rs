//! Images and gradients as vectors.

/// The scalar product, in 64 bits.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// The Euclidean length, in 64 bits.
pub(crate) fn norm(vector: &[f32]) -> f64 {
    dot(vector, vector).sqrt()
}

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

/// 1, -1, or 0 where there is no slope (`f32::signum` has none).
pub(crate) fn sign(value: f32) -> f32 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        0.0
    }
}
