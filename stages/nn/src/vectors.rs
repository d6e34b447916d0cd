//! Images and gradients as vectors; what searches on them share.

/// The scalar product, in 64 bits.
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// The Euclidean length, in 64 bits.
#[must_use]
pub fn norm(vector: &[f32]) -> f64 {
    dot(vector, vector).sqrt()
}

/// 1, -1, or 0 where there is no slope (`f32::signum` has none).
#[must_use]
pub fn sign(value: f32) -> f32 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// Turns `there`, the gradient of a loss l at x+δ, into that of the linearity error |l(x+δ) − l(x) − δᵀ∇l(x)|, whose signed value is
/// `residual`: sign(residual)·(∇l(x+δ) − ∇l(x)), `clean` being the gradient at x.
pub fn linearity_error_slope(residual: f64, clean: &[f32], there: &mut [f32]) {
    let direction = sign(residual as f32);
    there.iter_mut().zip(clean).for_each(|(there, clean)| *there = direction * (*there - clean));
}

/// Scales `vector` to Euclidean length 1; the zero vector stays.
pub fn normalise(vector: &mut [f32]) {
    let length = norm(vector);
    if length > 0.0 {
        for value in vector {
            *value = (f64::from(*value) / length) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        let mut vector = [3.0, -4.0];
        assert!((norm(&vector) - 5.0).abs() < 1e-12);
        normalise(&mut vector);
        assert!((vector[0] - 0.6).abs() < 1e-7 && (vector[1] + 0.8).abs() < 1e-7);
        let mut zero = [0.0; 3];
        normalise(&mut zero);
        assert!(zero.iter().all(|value| value.abs() < f32::MIN_POSITIVE));
    }
}
