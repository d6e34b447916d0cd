//! Validation during training, and the choice of the `selected` checkpoint. Never the test split.

use burn::tensor::Tensor;
use planish_contract::{Failure, Invalid};
use planish_formats::{Split, Validation};
use planish_nn::loss::{cross_entropy, margin};
use planish_nn::{Ball, Device, Network, Parameters, Statistics, StepSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ascent::{Ascent, Optimizer, Start, StartKey};
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

/// Measures a network on the validation split.
pub struct Validator<'a> {
    /// How.
    pub selection: &'a Selection,
    /// The validation split.
    pub split: &'a Split,
    /// The network.
    pub network: &'a Network,
    /// The full ball.
    pub ball: Ball,
    /// The training's seed.
    pub seed: u64,
    /// Images in a pass.
    pub batch_size: usize,
    /// Where tensors live, with automatic differentiation.
    pub device: &'a Device,
}

impl Validator<'_> {
    /// Accuracy, mean cross-entropy and robust accuracy under the running statistics.
    ///
    /// # Errors
    /// Those of the passes through the network.
    pub fn measure(&self, parameters: &Parameters, running: &Statistics) -> Result<Validation, Failure> {
        let frozen = parameters.constant_on_autodiff();
        let network = InputGradient::new(self.network, &frozen, running, self.device);
        let (mut right, mut loss) = (0_usize, 0.0);
        for range in self.ranges(self.split.len()) {
            let rows = Rows::of(self.split, range);
            let logits = network.logits(&rows.images);
            loss +=
                to_host(cross_entropy(logits.clone(), &label_tensor(rows.labels, self.device)))?.iter().map(|l| f64::from(*l)).sum::<f64>();
            right += correct(logits, rows.labels)?.iter().filter(|right| **right).count();
        }
        let images = self.split.len().max(1) as f64;
        let attacked = self.selection.images.min(self.split.len());
        let mut standing = 0_usize;
        for range in self.ranges(attacked) {
            standing += self.standing(&network, &Rows::of(self.split, range))?;
        }
        let robust_accuracy = (attacked > 0).then(|| standing as f64 / attacked as f64);
        Ok(Validation { accuracy: right as f64 / images, loss: loss / images, robust_accuracy })
    }

    /// How many of the rows are right before the attack and at its end.
    fn standing(&self, network: &InputGradient<'_>, rows: &Rows<'_>) -> Result<usize, Failure> {
        let key = StartKey { seed: self.seed, purpose: "validation start", epoch: 0 };
        let start = Start::Uniform.images(&rows.images, rows.ids, &self.ball, &key);
        let labels = label_tensor(rows.labels, self.device);
        let attacked = self
            .selection
            .ascent()
            .climb(&self.ball, rows.original(), start, &mut |images| Ok(network.at(images, &|logits| margin(logits, &labels))?.gradient))?;
        let before = correct(network.logits(&rows.images), rows.labels)?;
        let after = correct(network.logits(&attacked), rows.labels)?;
        Ok(before.iter().zip(&after).filter(|(before, after)| **before && **after).count())
    }

    fn ranges(&self, images: usize) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let size = self.batch_size.max(1);
        (0..images).step_by(size).map(move |start| start..images.min(start + size))
    }
}

/// Some images of a split.
pub(crate) struct Rows<'a> {
    /// `[n, c, h, w]`, in `[0,1]`.
    pub(crate) images: Vec<f32>,
    /// The true classes, `[n]`.
    pub(crate) labels: &'a [u32],
    /// The images' indices in the official split, `[n]`.
    pub(crate) ids: &'a [u32],
}

impl<'a> Rows<'a> {
    /// The images of `range`, which lies within `split`.
    pub(crate) fn of(split: &'a Split, range: std::ops::Range<usize>) -> Self {
        let labels = split.labels.get(range.clone()).unwrap_or_default();
        let ids = split.ids.get(range.clone()).unwrap_or_default();
        Rows { images: split.pixels(range), labels, ids }
    }

    /// The images and how many there are.
    pub(crate) fn original(&self) -> (&[f32], usize) {
        (&self.images, self.ids.len())
    }
}

/// Whether each row of the logits `[n, classes]` is largest at its label; of equal logits the first counts.
///
/// # Errors
/// [`Failure::Internal`] when the device does not give the numbers back.
pub fn correct(logits: Tensor<2>, labels: &[u32]) -> Result<Vec<bool>, Failure> {
    let classes = logits.dims()[1];
    let values = to_host(logits)?;
    let right = values.chunks_exact(classes.max(1)).zip(labels).map(|(row, label)| {
        let largest = row
            .iter()
            .enumerate()
            .fold((0, f32::NEG_INFINITY), |best, (class, value)| if *value > best.1 { (class, *value) } else { best });
        largest.0 == *label as usize
    });
    Ok(right.collect())
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
