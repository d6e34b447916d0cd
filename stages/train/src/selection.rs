//! Validation during training, and the choice of the `selected` checkpoint. Never the test split.

use planish_contract::{Failure, Invalid};
use planish_formats::Validation;
use planish_nn::loss::{cross_entropy, margin};
use planish_nn::{Parameters, Statistics, StepSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ascent::{Ascent, Optimizer};
use crate::held_out::{HeldOut, Rows, correct, in_both};
use crate::input_gradient::InputGradient;
use crate::objective::{label_tensor, to_host};

/// What makes one epoch's weights better than another's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Criterion {
    /// Robust accuracy for robust objectives where it is measured, accuracy otherwise.
    #[default]
    Automatic,
    /// Accuracy on the clean validation images.
    Accuracy,
    /// Accuracy on the attacked validation images.
    RobustAccuracy,
}

/// How often and how the network is validated, and by what it is selected. Of equal epochs the earliest is selected.
///
/// The attack is PGD on the margin loss with sign steps from a uniform start that is the same in every epoch, at the full radius and
/// under the running statistics; an image stands if it is right before the attack and at its end.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Selection {
    /// After how many epochs the network is validated; the last epoch always is.
    pub every: u32,
    /// What the choice goes by.
    pub criterion: Criterion,
    /// How many validation images are attacked, the first ones; 0 = robust accuracy is not measured.
    pub images: usize,
    /// Steps of the attack.
    pub steps: u32,
    /// Its step. Unit of the image, or a part of ε.
    pub step_size: StepSize,
}

impl Default for Selection {
    fn default() -> Self {
        Selection { every: 1, criterion: Criterion::Automatic, images: 500, steps: 10, step_size: StepSize::Relative(0.25) }
    }
}

impl Selection {
    fn ascent(&self) -> Ascent {
        Ascent { steps: self.steps, step_size: self.step_size, optimizer: Optimizer::Sign, scale: 1.0 }
    }

    /// Checks the ranges; `path` is where they stand in the parameters.
    ///
    /// # Errors
    /// The first value that can't be used.
    pub fn validate(&self, path: &str) -> Result<(), Invalid> {
        if self.every == 0 {
            return Err(Invalid::at(&format!("{path}.every"), "0 is no interval").hint("write at least 1"));
        }
        if self.images > 0 {
            return self.ascent().validate(path);
        }
        if self.criterion == Criterion::RobustAccuracy {
            return Err(Invalid::at(&format!("{path}.images"), "robust accuracy is the criterion, but no image is attacked"));
        }
        Ok(())
    }

    /// The number that the choice goes by, for an objective that aims at robustness or not.
    #[must_use]
    pub fn score(&self, robust: bool, measured: &Validation) -> f64 {
        match (self.criterion, measured.robust_accuracy) {
            (Criterion::RobustAccuracy, Some(accuracy)) => accuracy,
            (Criterion::Automatic, Some(accuracy)) if robust => accuracy,
            _ => measured.accuracy,
        }
    }
}

impl Selection {
    /// Accuracy, mean cross-entropy and robust accuracy of (weights, running statistics).
    ///
    /// # Errors
    /// Those of the passes through the network.
    pub(crate) fn measure(&self, held: &HeldOut<'_>, (weights, running): (&Parameters, &Statistics)) -> Result<Validation, Failure> {
        let frozen = weights.constant_on_autodiff();
        let network = InputGradient::new(held.network, &frozen, running, held.device);
        let (mut right, mut loss) = (0_usize, 0.0);
        for rows in held.rows(held.split.len()) {
            let logits = network.logits(&rows.images);
            loss +=
                to_host(cross_entropy(logits.clone(), &label_tensor(rows.labels, held.device)))?.iter().map(|l| f64::from(*l)).sum::<f64>();
            right += correct(logits, rows.labels)?.iter().filter(|right| **right).count();
        }
        let images = held.split.len().max(1) as f64;
        let attacked = self.images.min(held.split.len());
        let mut standing = 0_usize;
        for rows in held.rows(attacked) {
            standing += self.standing(held, &network, &rows)?;
        }
        let robust_accuracy = (attacked > 0).then(|| standing as f64 / attacked as f64);
        Ok(Validation { accuracy: right as f64 / images, loss: loss / images, robust_accuracy })
    }

    /// How many of the rows are right before the attack and at its end.
    fn standing(&self, held: &HeldOut<'_>, network: &InputGradient<'_>, rows: &Rows<'_>) -> Result<usize, Failure> {
        let labels = label_tensor(rows.labels, held.device);
        let start = held.start(rows, "validation start");
        let slope = &mut |images: &[f32]| Ok(network.at(images, &|logits| margin(logits, &labels))?.gradient);
        let attacked = self.ascent().climb(&held.ball, rows.original(), start, slope)?;
        let before = correct(network.logits(&rows.images), rows.labels)?;
        let after = correct(network.logits(&attacked), rows.labels)?;
        Ok(in_both(&before, &after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(accuracy: f64, robust_accuracy: Option<f64>) -> Validation {
        Validation { accuracy, loss: 1.0, robust_accuracy }
    }

    #[test]
    fn the_criterion_follows_the_objective() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        let automatic = Selection::default();
        assert!(close(automatic.score(true, &measured(0.9, Some(0.3))), 0.3));
        assert!(close(automatic.score(false, &measured(0.9, Some(0.3))), 0.9));
        assert!(close(automatic.score(true, &measured(0.9, None)), 0.9));
        let fixed = Selection { criterion: Criterion::Accuracy, ..Selection::default() };
        assert!(close(fixed.score(true, &measured(0.9, Some(0.3))), 0.9));
    }

    #[test]
    fn a_robust_criterion_needs_attacked_images() {
        let selection = Selection { criterion: Criterion::RobustAccuracy, images: 0, ..Selection::default() };
        assert!(selection.validate("selection").is_err());
    }
}
