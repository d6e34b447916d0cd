//! What attacks maximise, per image, as functions of the logits.

use serde::{Deserialize, Serialize};

/// A loss to maximise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// −ln of the probability of the true class.
    CrossEntropy,
    /// The largest wrong logit minus the true logit (Carlini and Wagner's loss, arXiv 1608.04644, f₆ untruncated);
    /// which class is the largest may change from step to step.
    Margin,
}

impl Loss {
    /// The loss of one image; writes its derivative with respect to the logits `[k]` to `slope` `[k]`.
    pub fn value(self, logits: &[f32], label: u32, slope: &mut [f32]) -> f32 {
        match self {
            Loss::CrossEntropy => cross_entropy(logits, label, slope),
            Loss::Margin => match best_rival(logits, label) {
                Some((rival, _)) => towards(logits, label, rival, slope),
                None => 0.0,
            },
        }
    }
}

/// Cross-entropy of one image. The derivative of the true logit is the negated sum of the others, so it doesn't vanish
/// by rounding while a rival's probability is still a number.
fn cross_entropy(logits: &[f32], label: u32, slope: &mut [f32]) -> f32 {
    let truth = at(logits, label);
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, |a, z| a.max(f64::from(z)));
    let rivals = || (0_u32..).zip(logits).filter(|&(class, _)| class != label);
    let rest: f64 = rivals().map(|(_, &z)| (f64::from(z) - largest).exp()).sum();
    let own = (truth - largest).exp();
    let sum = rest + own;
    for (entry, (class, &z)) in slope.iter_mut().zip((0_u32..).zip(logits)) {
        let probability = if class == label { -rest / sum } else { (f64::from(z) - largest).exp() / sum };
        *entry = probability as f32;
    }
    // ln(1 + rest / own) keeps its digits when the true class dominates.
    let loss = if own > 0.0 { (rest / own).ln_1p() } else { sum.ln() + largest - truth };
    loss as f32
}

/// The logit of class `target` minus the true logit: the loss of the targeted parts of Multi-Targeted
/// (Gowal et al., arXiv 1910.09338).
pub fn towards(logits: &[f32], label: u32, target: u32, slope: &mut [f32]) -> f32 {
    for (entry, class) in slope.iter_mut().zip(0_u32..) {
        *entry = f32::from(u8::from(class == target)) - f32::from(u8::from(class == label));
    }
    (at(logits, target) - at(logits, label)) as f32
}

/// The wrong class with the largest logit (equal logits: the lowest class), and that logit.
#[must_use]
pub fn best_rival(logits: &[f32], label: u32) -> Option<(u32, f32)> {
    let mut best: Option<(u32, f32)> = None;
    for (class, &z) in (0_u32..).zip(logits) {
        if class != label && best.is_none_or(|(_, value)| z > value) {
            best = Some((class, z));
        }
    }
    best
}

/// The true logit minus the largest wrong one.
///
/// An image counts as correctly classified when this is strictly positive: a tie is an error, so that a model with constant
/// outputs is right on nothing.
#[must_use]
pub fn margin(logits: &[f32], label: u32) -> f64 {
    best_rival(logits, label).map_or(f64::INFINITY, |(_, rival)| at(logits, label) - f64::from(rival))
}

/// The predicted class, in line with [`margin`]: the true class when the margin is positive, else the best rival.
#[must_use]
pub fn prediction(logits: &[f32], label: u32) -> u32 {
    match best_rival(logits, label) {
        Some((rival, value)) if at(logits, label) <= f64::from(value) => rival,
        _ => label,
    }
}

/// A logit; minus infinity for a class that the model does not have.
fn at(logits: &[f32], class: u32) -> f64 {
    logits.get(class as usize).copied().map_or(f64::NEG_INFINITY, f64::from)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use super::*;

    #[test]
    fn losses_by_hand() {
        let logits = [1.0, 3.0, 2.0];
        let mut slope = [0.0; 3];
        assert!((Loss::Margin.value(&logits, 2, &mut slope) - 1.0).abs() < 1e-7);
        assert_eq!(slope, [0.0, 1.0, -1.0]);
        assert!((towards(&logits, 2, 0, &mut slope) + 1.0).abs() < 1e-7);
        assert_eq!(slope, [1.0, 0.0, -1.0]);
        let loss = Loss::CrossEntropy.value(&logits, 2, &mut slope);
        let sum = 1_f32.exp() + 3_f32.exp() + 2_f32.exp();
        assert!((loss - (sum.ln() - 2.0)).abs() < 1e-6);
        assert!((slope[2] - (2_f32.exp() / sum - 1.0)).abs() < 1e-6);
        assert!(slope.iter().sum::<f32>().abs() < 1e-6);
    }

    #[test]
    fn slopes_are_finite_differences() {
        let logits = [0.3, -1.2, 0.9, 0.1];
        for loss in [Loss::CrossEntropy, Loss::Margin] {
            let mut slope = [0.0; 4];
            loss.value(&logits, 3, &mut slope);
            for class in 0..4 {
                let moved = |by: f32| {
                    let mut z = logits;
                    z[class] += by;
                    loss.value(&z, 3, &mut [0.0; 4])
                };
                let difference = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                assert!((difference - slope[class]).abs() < 1e-3, "{loss:?} class {class}: {difference} {}", slope[class]);
            }
        }
    }

    #[test]
    fn cross_entropy_keeps_its_slope_far_from_the_boundary() {
        let mut slope = [0.0; 2];
        let loss = Loss::CrossEntropy.value(&[40.0, 0.0], 0, &mut slope);
        assert!(loss > 0.0 && slope[0] < 0.0 && slope[1] > 0.0);
        let loss = Loss::CrossEntropy.value(&[-2000.0, 0.0], 0, &mut slope);
        assert!((loss - 2000.0).abs() < 1e-3);
        assert_eq!(slope, [-1.0, 1.0]);
    }

    #[test]
    fn a_tie_is_an_error() {
        assert!(margin(&[0.0, 0.0], 0) <= 0.0);
        assert_eq!(prediction(&[0.0, 0.0], 0), 1);
        assert_eq!(prediction(&[0.0, 0.0], 1), 0);
        assert_eq!(prediction(&[0.0, 2.0, 1.0], 1), 1);
    }
}
