//! Images where networks are most likely to differ: moved by a small attack to where the original errs, or nearly does.

use planish_contract::{Failure, Fraction};
use planish_formats::Norm;
use planish_nn::vectors::sign;
use planish_nn::{Aim, Ball, Surrogate, Victim};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The attack: projected gradient descent (Madry et al., arXiv 1706.06083) on the cross-entropy of the class that the network
/// predicts, from the image itself, with steps of 2.5 `eps` / `steps` along the sign of the gradient.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ParityAttack {
    /// The radius in the maximum norm, in units of the pixel range.
    pub eps: Fraction,
    /// How many steps.
    pub steps: u32,
    /// How many of the images are attacked.
    pub images: usize,
}

impl Default for ParityAttack {
    fn default() -> Self {
        ParityAttack { eps: Fraction(8.0 / 255.0), steps: 5, images: 64 }
    }
}

impl ParityAttack {
    /// Moves the images `[n, c, h, w]`; no randomness, so the same images give the same.
    ///
    /// # Errors
    /// What the network reports.
    pub(crate) fn apply(&self, network: &mut dyn Victim, images: &[f32]) -> Result<Vec<f32>, Failure> {
        let classes = network.classes();
        let logits = network.logits(images)?;
        let label = |row: &[f32]| u32::try_from(crate::parity::prediction(row).unwrap_or(0)).unwrap_or(0);
        let aims: Vec<Aim> = logits.chunks(classes).map(|row| Aim::away_from(label(row))).collect();
        let ball = Ball::new(Norm::Linf, self.eps.value());
        let step = 2.5 * ball.eps / self.steps.max(1) as f32;
        let mut moved = images.to_vec();
        for _ in 0..self.steps {
            let pass = network.surrogate_gradient(&moved, Surrogate::CrossEntropy, &aims)?;
            for (pixel, slope) in moved.iter_mut().zip(&pass.gradient) {
                *pixel += step * sign(*slope);
            }
            ball.project(&mut moved, images);
        }
        Ok(moved)
    }
}
