//! NES.

use planish_contract::{Failure, Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spsa::estimate::{self, Directions, Estimate, Method};
use crate::attack::{Attack, Cost, Goal, Proposals, Round, check_budget, check_positive};

/// Ascent on the margin by gradients estimated with natural evolution strategies: differences along normal directions, momentum, steepest steps
/// (Ilyas et al., arXiv 1804.08598). It asks for logits alone.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Nes {
    /// Steps per image and restart.
    pub steps: u32,
    /// How often it starts anew on the images that still stand; after the first time from random points.
    pub restarts: u32,
    /// Queries per step, an even number: half of them mirror the others.
    pub samples: u32,
    /// The standard deviation of the directions, in units of pixels.
    pub sigma: f64,
    /// The size of a step over ε.
    pub step: f64,
    /// How much of the last estimate's mean goes into the next, in (0, 1].
    pub momentum: f64,
}

impl Default for Nes {
    fn default() -> Self {
        Nes { steps: 100, restarts: 1, samples: 50, sigma: 0.001, step: 0.2, momentum: 0.9 }
    }
}

impl Attack for Nes {
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
        check_positive("sigma", self.sigma, 1.0)?;
        check_positive("step", self.step, 2.0)?;
        check_positive("momentum", self.momentum, 1.0)
    }

    fn propose(&self, round: &mut Round<'_>) -> Result<Proposals, Failure> {
        let estimate = Estimate { directions: Directions::Normal, samples: self.samples, distance: self.sigma };
        let method = Method::Momentum { step: self.step, momentum: self.momentum };
        estimate::climb(round, &estimate, (self.steps, method), "attack nes")
    }
}
