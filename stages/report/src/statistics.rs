//! Small statistics.

/// Mean and, for two values or more, the sample standard deviation.
pub(crate) fn mean_and_spread(values: &[f64]) -> Option<(f64, Option<f64>)> {
    if values.is_empty() {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let spread = (values.len() > 1).then(|| (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt());
    Some((mean, spread))
}

/// The largest half-width, in percent, of a 95 % interval for a share of `images` images
/// (normal approximation at one half).
pub(crate) fn half_width(images: usize) -> f64 {
    1.96 * 50.0 / (images.max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_spread_of_known_values() {
        assert_eq!(mean_and_spread(&[]), None);
        assert_eq!(mean_and_spread(&[3.0]), Some((3.0, None)));
        assert_eq!(mean_and_spread(&[1.0, 3.0]), Some((2.0, Some(2.0_f64.sqrt()))));
    }

    #[test]
    fn half_width_of_500_images() {
        assert!((half_width(500) - 4.383).abs() < 1e-3);
    }
}
