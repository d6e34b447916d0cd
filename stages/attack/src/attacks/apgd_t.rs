//! Targeted APGD.

use planish_contract::{Failure, Invalid};
use planish_nn::{Aim, Surrogate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::apgd_ce::run::{self, Run};
use crate::attack::{Attack, Case, Cost, Goal, Proposals, Round, check_budget, check_count, check_positive};
use crate::search::{RowLoss, Start};

/// APGD towards one wrong class after the other, the likeliest first, on the targeted difference of logits ratio (Croce and Hein, arXiv
/// 2003.01690, equation 7). An image falls to any wrong class and is spared the rest. It needs four classes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApgdT {
    /// Gradients per image, restart and class.
    pub steps: u32,
    /// How often it goes through the classes on the images that still stand.
    pub restarts: u32,
    /// The share of steps that must raise the loss for the step size to stay, in (0, 1].
    pub rho: f64,
    /// Where it starts: by default at distance ε in a random direction.
    pub start: Start,
    /// How many classes it aims at; all wrong ones where the model has fewer.
    pub targets: u32,
}

impl Default for ApgdT {
    fn default() -> Self {
        ApgdT { steps: 100, restarts: 1, rho: 0.75, start: Start::Uniform, targets: 9 }
    }
}

impl Attack for ApgdT {
    fn goal(&self) -> Goal {
        Goal::Untargeted
    }

    fn restarts(&self) -> u32 {
        self.restarts
    }

    fn rounds(&self, classes: usize) -> u32 {
        self.targets.min(super::multi_targeted::targets(classes))
    }

    fn cost(&self, classes: usize) -> Cost {
        run::cost(self.steps).times(u64::from(self.rounds(classes)))
    }

    fn validate(&self) -> Result<(), Invalid> {
        check_budget(self.steps, self.restarts)?;
        check_count("targets", self.targets)?;
        self.start.check(self.restarts)?;
        check_positive("rho", self.rho, 1.0)
    }

    fn propose(&self, round: &mut Round<'_>) -> Result<Proposals, Failure> {
        let rank = round.number as usize;
        let aim = |case: &Case| Aim { label: case.label, target: case.rivals.get(rank).copied().unwrap_or(case.label) };
        let loss = RowLoss::Standard(Surrogate::TargetedDlr, round.cases.iter().map(aim).collect());
        run::run(round, &Run { steps: self.steps, rho: self.rho, start: self.start, loss, purpose: "attack apgd-t" })
    }
}
