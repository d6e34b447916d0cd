//! Targeted FAB.

use planish_contract::{Failure, Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fab::run::{self, Run};
use crate::attack::{Attack, Cost, Goal, Proposals, Round, check_budget, check_count};

/// FAB that looks at the boundary to one wrong class after the other, the likeliest first (Croce and Hein, arXiv 2003.01690, section 4; `fab_base.py`
/// of fra31/auto-attack). An image falls to any wrong class. A step costs one gradient.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FabT {
    /// Steps per image, restart and class.
    pub steps: u32,
    /// How often it goes through the classes, after the first time from random points, on the images that still stand.
    pub restarts: u32,
    /// How many classes it aims at; all wrong ones where the model has fewer.
    pub targets: u32,
    /// The most weight that a step gives to the projection of the image itself, in (0, 1].
    pub alpha_max: f64,
    /// How far steps go beyond the boundary: 1 is to it.
    pub eta: f64,
    /// Where the search goes on after a success: this share of the way from the image, in (0, 1].
    pub beta: f64,
}

impl Default for FabT {
    fn default() -> Self {
        FabT { steps: 100, restarts: 1, targets: 9, alpha_max: 0.1, eta: 1.05, beta: 0.9 }
    }
}

impl Attack for FabT {
    fn goal(&self) -> Goal {
        Goal::MinimalNorm
    }

    fn restarts(&self) -> u32 {
        self.restarts
    }

    fn rounds(&self, classes: usize) -> u32 {
        self.targets.min(super::multi_targeted::targets(classes))
    }

    fn cost(&self, classes: usize) -> Cost {
        let steps = u64::from(self.steps);
        Cost { gradients: steps, queries: steps }.times(u64::from(self.rounds(classes)))
    }

    fn validate(&self) -> Result<(), Invalid> {
        check_budget(self.steps, self.restarts)?;
        check_count("targets", self.targets)?;
        run::validate(self.alpha_max, self.eta, self.beta)
    }

    fn propose(&self, round: &mut Round<'_>) -> Result<Proposals, Failure> {
        let rank = round.number as usize;
        let run = Run { steps: self.steps, alpha_max: self.alpha_max, eta: self.eta, beta: self.beta, purpose: "attack fab-t" };
        run.run(round, &|case| case.rivals.get(rank).copied().into_iter().collect())
    }
}
