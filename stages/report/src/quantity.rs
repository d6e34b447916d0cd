//! What a cell counts, and how its numbers are to be read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the cells of a column are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// The share of images that stand, in percent; of targeted attacks the share that is led to the target, as `success-rate`.
    #[default]
    Accuracy,
    /// The share of images that targeted attacks lead to their target, in percent.
    SuccessRate,
    /// The median, over the images that are classified correctly without an attack, of the smallest perturbation that breaks one, in the
    /// norm of the threat model. Needs attacks that minimise it.
    MedianDistance,
}

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// Percent of images that are classified correctly.
    Accuracy,
    /// Percent of images that are led to a target.
    SuccessRate,
    /// Median distance, in the unit of the images.
    MedianDistance,
    /// Median γ over the images, in nats.
    Linearity,
    /// Forward and backward passes for each training image.
    TrainingGradients,
}

impl From<Value> for Quantity {
    fn from(value: Value) -> Self {
        match value {
            Value::Accuracy => Quantity::Accuracy,
            Value::SuccessRate => Quantity::SuccessRate,
            Value::MedianDistance => Quantity::MedianDistance,
        }
    }
}

impl Quantity {
    /// Whether a larger number speaks for the model; nothing where neither does.
    #[must_use]
    pub fn larger_is_better(self) -> Option<bool> {
        match self {
            Quantity::Accuracy | Quantity::MedianDistance => Some(true),
            Quantity::SuccessRate | Quantity::Linearity => Some(false),
            Quantity::TrainingGradients => None,
        }
    }

    /// Whether it is a share of images, in percent.
    #[must_use]
    pub fn is_share(self) -> bool {
        matches!(self, Quantity::Accuracy | Quantity::SuccessRate)
    }

    /// The unit, for people.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Quantity::Accuracy | Quantity::SuccessRate => "%",
            Quantity::MedianDistance => "unit of the image",
            Quantity::Linearity => "nats",
            Quantity::TrainingGradients => "passes",
        }
    }

    /// A number that others reported, as text.
    #[must_use]
    pub fn show_reported(self, value: f64) -> String {
        if self.is_share() { format!("{value:.2}") } else { value.to_string() }
    }

    /// A number of this quantity from `images` images as text: as many decimals as they support (one image of 5,000 is 0.02 points).
    #[must_use]
    pub fn show(self, value: f64, images: usize) -> String {
        match self {
            Quantity::Accuracy | Quantity::SuccessRate if images >= 5_000 => format!("{value:.2}"),
            Quantity::Accuracy | Quantity::SuccessRate => format!("{value:.1}"),
            Quantity::MedianDistance => format!("{value:.4}"),
            Quantity::Linearity => significant(value),
            Quantity::TrainingGradients => format!("{value:.0}"),
        }
    }
}

/// Three significant digits, without an exponent unless the number is very small.
fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor();
    if magnitude < -5.0 {
        return format!("{value:.1e}");
    }
    let decimals = (2.0 - magnitude).max(0.0) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_they_support() {
        let shown = [0.0, 0.012_345, 1.234_5, 12.345, 1234.5, 1.5e-7].map(|v| Quantity::Linearity.show(v, 500));
        assert_eq!(shown, ["0", "0.0123", "1.23", "12.3", "1234", "1.5e-7"]);
        assert_eq!(Quantity::Accuracy.show(51.125, 500), "51.1");
        assert_eq!(Quantity::Accuracy.show(51.126, 10_000), "51.13");
    }
}
