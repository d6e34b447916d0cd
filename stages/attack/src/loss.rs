//! What attacks maximise, per image, as functions of the logits.

use planish_nn::{Aim, Surrogate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use planish_nn::best_rival;

/// A loss to maximise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// −ln of the probability of the true class.
    CrossEntropy,
    /// The largest wrong logit minus the true logit (Carlini and Wagner's loss, arXiv 1608.04644, f₆ untruncated);
    /// which class is the largest may change from step to step.
    Margin,
    /// Difference of logits ratio (Croce and Hein, arXiv 2003.01690, equation 6); with a target its targeted form, equation 7.
    Dlr,
}

impl Loss {
    /// The loss as victims know it.
    #[must_use]
    pub fn surrogate(self) -> Surrogate {
        match self {
            Loss::CrossEntropy => Surrogate::CrossEntropy,
            Loss::Margin => Surrogate::Margin,
            Loss::Dlr => Surrogate::Dlr,
        }
    }

    /// The loss of one image; writes its derivative with respect to the logits `[k]` to `slope` `[k]`.
    pub fn value(self, logits: &[f32], label: u32, slope: &mut [f32]) -> f32 {
        self.surrogate().value(logits, Aim::away_from(label), slope)
    }
}

/// The largest other logit minus that of class `target`: below 0 the model predicts the target, and a tie is not enough.
#[must_use]
pub fn shortfall(logits: &[f32], target: u32) -> f64 {
    -margin(logits, target)
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
mod tests {
    use super::*;

    #[test]
    fn a_tie_is_an_error() {
        assert!(margin(&[0.0, 0.0], 0) <= 0.0);
        assert_eq!(prediction(&[0.0, 0.0], 0), 1);
        assert_eq!(prediction(&[0.0, 0.0], 1), 0);
        assert_eq!(prediction(&[0.0, 2.0, 1.0], 1), 1);
    }
}
