//! SPSA.

pub(super) mod estimate;

use planish_contract::{Failure, Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::estimate::{Directions, Estimate, Method};
use crate::attack::{Attack, Cost, Goal, Proposals, Round, check_budget, check_positive};

/// Ascent on the margin by gradients estimated from differences along random signs, with Adam (Uesato et al., arXiv 1802.05666; defaults of
/// cleverhans). It asks for logits alone, so masked gradients don't mislead it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Spsa {
    /// Steps per image and restart.
    pub steps: u32,
    /// How often it starts anew on the images that still stand; after the first time from random points.
    pub restarts: u32,
    /// Queries per step, an even number: half of them mirror the others.
    pub samples: u32,
    /// How far the samples are from the iterate in every pixel.
    pub delta: f64,
    /// The step size of Adam.
    pub learning_rate: f64,
}

impl Default for Spsa {
    fn default() -> Self {
        Spsa { steps: 100, restarts: 1, samples: 128, delta: 0.01, learning_rate: 0.01 }
    }
}

impl Attack for Spsa {
    fn goal(&self) -> Goal {
        Goal::Untargeted
    }

    fn restarts(&self) -> u32 {
        self.restarts
    }

    fn rounds(&self, _: usize) -> u32 {
        1
    }

    fn cost(&self, _: usize) -> Cost {
        estimate::cost(self.steps, self.samples)
    }

    fn uses_gradients(&self) -> bool {
        false
    }

    fn validate(&self) -> Result<(), Invalid> {
        check_budget(self.steps, self.restarts)?;
        estimate::check_samples(self.samples)?;
        check_positive("delta", self.delta, 1.0)?;
        check_positive("learning_rate", self.learning_rate, 1.0)
    }

    fn propose(&self, round: &mut Round<'_>) -> Result<Proposals, Failure> {
        let estimate = Estimate { directions: Directions::Signs, samples: self.samples, distance: self.delta };
        estimate::climb(round, &estimate, (self.steps, Method::Adam { rate: self.learning_rate }), "attack spsa")
    }
}
