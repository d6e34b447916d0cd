//! The radius of the ball over a training.

use planish_contract::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long the radius of the threat rises linearly from 0 before it is full. `{ steps = 0 }` means not at all.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Warmup {
    /// So many steps (batches). The default, 500, is the released code of LLR.
    Steps(u64),
    /// So many epochs, or parts of one. LLR's paper: 15 (seen in later work only).
    Epochs(f64),
}

impl Default for Warmup {
    fn default() -> Self {
        Warmup::Steps(500)
    }
}

impl Warmup {
    /// The share of the radius, in `[0,1]`, that step `step` (from 0) uses; an epoch has `per_epoch` steps.
    #[must_use]
    pub fn factor(self, step: u64, per_epoch: u64) -> f64 {
        let length = match self {
            Warmup::Steps(steps) => steps as f64,
            Warmup::Epochs(epochs) => epochs * per_epoch as f64,
        };
        if step as f64 >= length { 1.0 } else { step as f64 / length }
    }

    /// Checks the range; `path` is where the warm-up stands in the parameters.
    ///
    /// # Errors
    /// A number of epochs that is negative or not finite.
    pub fn validate(self, path: &str) -> Result<(), Invalid> {
        match self {
            Warmup::Epochs(epochs) if !(epochs >= 0.0 && epochs.is_finite()) => {
                Err(Invalid::at(&format!("{path}.epochs"), format!("{epochs} is not a number of epochs, at least 0")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_radius_rises_linearly_from_zero() {
        let factors: Vec<f64> = (0..6).map(|step| Warmup::Steps(4).factor(step, 100)).collect();
        assert_eq!(factors, [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]);
        assert_eq!(Warmup::Epochs(0.5).factor(2, 8).to_bits(), 0.5_f64.to_bits());
        assert_eq!(Warmup::Steps(0).factor(0, 8).to_bits(), 1.0_f64.to_bits());
    }

    #[test]
    fn negative_lengths_are_refused() {
        assert!(Warmup::Epochs(-1.0).validate("warmup").is_err());
        assert!(Warmup::Epochs(f64::NAN).validate("warmup").is_err());
        assert!(Warmup::Epochs(0.0).validate("warmup").is_ok());
    }
}
