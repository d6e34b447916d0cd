//! The losses that attacks maximise, per image, as functions of the logits.

/// A loss of one image's logits z whose increase leads to a misclassification: a surrogate of the 0-1 loss.
///
/// A [`crate::Victim`] may compute it, and its derivative, where it computes the logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Surrogate {
    /// −ln of the probability of the true class, in nats.
    CrossEntropy,
    /// The largest wrong logit minus the true one (Carlini and Wagner, arXiv 1608.04644, f₆ untruncated).
    Margin,
    /// Difference of logits ratio: `−(z_y − max over wrong classes) / (z_π1 − z_π3 + 1e-12)`, π the order of the logits from the
    /// largest (Croce and Hein, arXiv 2003.01690, equation 6). Needs three classes.
    Dlr,
    /// Towards class t: `−(z_y − z_t) / (z_π1 − (z_π3 + z_π4) / 2 + 1e-12)` (the same, equation 7). Needs four classes.
    TargetedDlr,
    /// The logit of class t minus the true one (Multi-Targeted: Gowal et al., arXiv 1910.09338; FAB: arXiv 1907.02044).
    LogitDifference,
}

/// What a [`Surrogate`] may know of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aim {
    /// The true class y.
    pub label: u32,
    /// The wrong class t that a targeted loss leads to; others don't read it.
    pub target: u32,
}

impl Aim {
    /// The aim of an untargeted loss.
    #[must_use]
    pub fn away_from(label: u32) -> Self {
        Aim { label, target: label }
    }
}

/// Keeps the ratios finite where logits are equal, as the official code of AutoAttack does.
const RATIO_GUARD: f64 = 1e-12;

impl Surrogate {
    /// All of them.
    pub const ALL: [Surrogate; 5] =
        [Surrogate::CrossEntropy, Surrogate::Margin, Surrogate::Dlr, Surrogate::TargetedDlr, Surrogate::LogitDifference];

    /// The least number of classes for which it is defined.
    #[must_use]
    pub fn least_classes(self) -> usize {
        match self {
            Surrogate::CrossEntropy | Surrogate::Margin | Surrogate::LogitDifference => 2,
            Surrogate::Dlr => 3,
            Surrogate::TargetedDlr => 4,
        }
    }

    /// Whether it reads [`Aim::target`].
    #[must_use]
    pub fn is_targeted(self) -> bool {
        matches!(self, Surrogate::TargetedDlr | Surrogate::LogitDifference)
    }

    /// The loss of one image with logits `[k]`; writes its derivative with respect to them to `slope` `[k]`.
    ///
    /// Among equal logits the lower class counts as the larger one. Not a number with fewer than
    /// [`Surrogate::least_classes`] classes, or for a class that the model does not have.
    pub fn value(self, logits: &[f32], aim: Aim, slope: &mut [f32]) -> f32 {
        let known = |class: u32| (class as usize) < logits.len();
        if logits.len() < self.least_classes() || !known(aim.label) || (self.is_targeted() && !known(aim.target)) {
            slope.fill(f32::NAN);
            return f32::NAN;
        }
        match self {
            Surrogate::CrossEntropy => cross_entropy(logits, aim.label, slope),
            Surrogate::LogitDifference => difference(logits, aim, slope),
            Surrogate::Margin => difference(logits, Aim { target: rival_of(logits, aim.label), ..aim }, slope),
            Surrogate::Dlr => {
                let [first, _, third, _] = leaders(logits);
                ratio(logits, Aim { target: rival_of(logits, aim.label), ..aim }, &[(first, 1.0), (third, -1.0)], slope)
            }
            Surrogate::TargetedDlr => {
                let [first, _, third, fourth] = leaders(logits);
                ratio(logits, aim, &[(first, 1.0), (third, -0.5), (fourth, -0.5)], slope)
            }
        }
    }
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

fn rival_of(logits: &[f32], label: u32) -> u32 {
    best_rival(logits, label).map_or(label, |(class, _)| class)
}

/// The classes with the four largest logits, the largest first; with fewer than four classes the last repeats.
fn leaders(logits: &[f32]) -> [u32; 4] {
    let mut order: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    [0, 1, 2, 3].map(|rank: usize| order.get(rank).or(order.last()).map_or(0, |(class, _)| *class))
}

/// A logit; minus infinity for a class that the model does not have.
fn at(logits: &[f32], class: u32) -> f64 {
    logits.get(class as usize).copied().map_or(f64::NEG_INFINITY, f64::from)
}

/// Cross-entropy. The derivative of the true logit is the negated sum of the others, so it doesn't vanish by rounding while a
/// rival's probability is still a number.
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

fn difference(logits: &[f32], aim: Aim, slope: &mut [f32]) -> f32 {
    for (entry, class) in slope.iter_mut().zip(0_u32..) {
        *entry = f32::from(u8::from(class == aim.target)) - f32::from(u8::from(class == aim.label));
    }
    (at(logits, aim.target) - at(logits, aim.label)) as f32
}

/// `z_t − z_y` over the weighted sum of the `scale` classes.
fn ratio(logits: &[f32], aim: Aim, scale: &[(u32, f64)], slope: &mut [f32]) -> f32 {
    let over = at(logits, aim.target) - at(logits, aim.label);
    let under = scale.iter().map(|&(class, weight)| weight * at(logits, class)).sum::<f64>() + RATIO_GUARD;
    for (entry, class) in slope.iter_mut().zip(0_u32..) {
        let upper = f64::from(u8::from(class == aim.target)) - f64::from(u8::from(class == aim.label));
        let lower: f64 = scale.iter().filter(|(scaled, _)| *scaled == class).map(|(_, weight)| weight).sum();
        *entry = ((upper - over / under * lower) / under) as f32;
    }
    (over / under) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_by_hand() {
        let logits = [1.0, 3.0, 2.0, 0.5];
        let aim = Aim { label: 2, target: 0 };
        let mut slope = [0.0; 4];
        assert_eq!(Surrogate::Margin.value(&logits, aim, &mut slope), 1.0);
        assert_eq!(slope, [0.0, 1.0, -1.0, 0.0]);
        assert_eq!(Surrogate::LogitDifference.value(&logits, aim, &mut slope), -1.0);
        assert_eq!(slope, [1.0, 0.0, -1.0, 0.0]);
        // −(2 − 3) / (3 − 1), and −(2 − 1) / (3 − (1 + 0.5) / 2).
        assert_eq!(Surrogate::Dlr.value(&logits, aim, &mut slope), 0.5);
        assert!((Surrogate::TargetedDlr.value(&logits, aim, &mut slope) + 1.0 / 2.25).abs() < 1e-7);
        let loss = Surrogate::CrossEntropy.value(&logits, aim, &mut slope);
        let sum: f32 = logits.iter().map(|z: &f32| z.exp()).sum();
        assert!((loss - (sum.ln() - 2.0)).abs() < 1e-6);
        assert!((slope[2] - (2_f32.exp() / sum - 1.0)).abs() < 1e-6 && slope.iter().sum::<f32>().abs() < 1e-6);
    }

    #[test]
    fn slopes_are_finite_differences() {
        let logits = [0.3, -1.2, 0.9, 0.1, 0.6];
        for surrogate in Surrogate::ALL {
            for label in 0..5 {
                let aim = Aim { label, target: (label + 2) % 5 };
                let mut slope = [0.0; 5];
                surrogate.value(&logits, aim, &mut slope);
                for class in 0..5 {
                    let moved = |by: f32| {
                        let mut z = logits;
                        z[class] += by;
                        surrogate.value(&z, aim, &mut [0.0; 5])
                    };
                    let difference = (moved(2e-3) - moved(-2e-3)) / 4e-3;
                    assert!(
                        (difference - slope[class]).abs() < 1e-3 * (1.0 + slope[class].abs()),
                        "{surrogate:?} {aim:?} {class}: {difference} {}",
                        slope[class]
                    );
                }
            }
        }
    }

    #[test]
    fn cross_entropy_keeps_its_slope_far_from_the_boundary() {
        let mut slope = [0.0; 2];
        let loss = Surrogate::CrossEntropy.value(&[40.0, 0.0], Aim::away_from(0), &mut slope);
        assert!(loss > 0.0 && slope[0] < 0.0 && slope[1] > 0.0);
        let loss = Surrogate::CrossEntropy.value(&[-2000.0, 0.0], Aim::away_from(0), &mut slope);
        assert!((loss - 2000.0).abs() < 1e-3);
        assert_eq!(slope, [-1.0, 1.0]);
    }

    #[test]
    fn too_few_classes_and_unknown_ones_give_no_number() {
        for surrogate in Surrogate::ALL {
            let logits: Vec<f32> = (0..surrogate.least_classes()).map(|z| z as f32).collect();
            let mut slope = vec![0.0; logits.len()];
            assert!(surrogate.value(&logits, Aim { label: 0, target: 1 }, &mut slope).is_finite(), "{surrogate:?}");
            assert!(surrogate.value(&logits[1..], Aim { label: 0, target: 1 }, &mut slope).is_nan(), "{surrogate:?}");
            assert!(surrogate.value(&logits, Aim::away_from(9), &mut slope).is_nan(), "{surrogate:?}");
        }
    }
}
