//! Small statistics.

use std::collections::BTreeMap;

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

/// Wilson's 95 % interval of a share among `n` images (Wilson 1927, JASA 22).
pub(crate) fn wilson(share: f64, n: usize) -> (f64, f64) {
    const Z: f64 = 1.959_963_985;
    if n == 0 {
        return (0.0, 1.0);
    }
    let n = n as f64;
    let centre = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// One number an image, by the image's id. For outcomes: 1 for an image that stands, 0 for one that does not.
pub(crate) type Scores = BTreeMap<u32, f64>;

/// The exact two-sided sign test on images that both have: how likely so uneven a split is among the images on which the two differ, if
/// either were as likely to be ahead. For outcomes that is McNemar's exact test (McNemar 1947, Psychometrika 12; exact form: Fagerland, Lydersen
/// and Laake 2013, BMC Medical Research Methodology 13:91).
pub(crate) fn sign_test(one: &Scores, other: &Scores) -> f64 {
    let [ahead, behind] = signs(one, other);
    binomial(ahead.min(behind), ahead + behind)
}

/// On how many images each of the two has the larger number.
pub(crate) fn signs(one: &Scores, other: &Scores) -> [u64; 2] {
    let mut ahead = [0_u64; 2];
    for (id, value) in one {
        match other.get(id).and_then(|theirs| value.partial_cmp(theirs)) {
            Some(std::cmp::Ordering::Greater) => ahead[0] += 1,
            Some(std::cmp::Ordering::Less) => ahead[1] += 1,
            _ => {}
        }
    }
    ahead
}

/// 2 · P(X ≤ k) for X ~ Binomial(n, ½), at most 1.
fn binomial(k: u64, n: u64) -> f64 {
    // In logarithms, since 2ⁿ leaves the range of numbers.
    let mut term = -(n as f64) * std::f64::consts::LN_2;
    let mut sum = term.exp();
    for i in 0..k {
        term += ((n - i) as f64).ln() - ((i + 1) as f64).ln();
        sum += term.exp();
    }
    (2.0 * sum).min(1.0)
}

/// Which of several hypotheses are rejected at `level` for all together (Holm 1979, Scandinavian Journal of Statistics 6).
pub(crate) fn holm(values: &[f64], level: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let value = |index: usize| values.get(index).copied().unwrap_or(1.0);
    order.sort_by(|a, b| value(*a).total_cmp(&value(*b)));
    let mut rejected = vec![false; values.len()];
    for (rank, index) in order.into_iter().enumerate() {
        if value(index) * (values.len() - rank) as f64 > level {
            break;
        }
        if let Some(entry) = rejected.get_mut(index) {
            *entry = true;
        }
    }
    rejected
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

    #[test]
    fn wilsons_interval_of_known_shares() {
        let (low, high) = wilson(0.5, 100);
        assert!((low - 0.4038).abs() < 1e-3 && (high - 0.5962).abs() < 1e-3);
        let (low, high) = wilson(0.0, 10);
        assert!(low.abs() < 1e-12 && (high - 0.2775).abs() < 1e-3);
        assert_eq!(wilson(0.0, 0), (0.0, 1.0));
    }

    #[test]
    fn binomial_tails_of_known_counts() {
        // scipy.stats.binomtest(k, n).pvalue
        for (k, n, expected) in [(0, 0, 1.0), (0, 5, 0.0625), (2, 10, 0.109_375), (5, 10, 1.0), (40, 100, 0.056_887_933_640_980_62)] {
            assert!((binomial(k, n) - expected).abs() < 1e-12, "{k} of {n}: {}", binomial(k, n));
        }
        assert!(binomial(4_000, 10_000) < 1e-80 && binomial(5_000, 10_000) > 0.999_999);
    }

    #[test]
    fn only_images_that_both_have_and_differ_on_count() {
        let scores = |values: &[f64]| (0..).zip(values.iter().copied()).collect::<Scores>();
        let (one, other) = (scores(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0]), scores(&[0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]));
        assert!((sign_test(&one, &other) - 0.0625).abs() < 1e-12);
        assert!((sign_test(&other, &one) - 0.0625).abs() < 1e-12);
    }

    #[test]
    fn holm_steps_down_until_one_stands() {
        assert_eq!(holm(&[0.01, 0.04, 0.03, 0.005], 0.05), [true, false, false, true]);
        assert_eq!(holm(&[0.04], 0.05), [true]);
        assert!(holm(&[], 0.05).is_empty());
    }
}
