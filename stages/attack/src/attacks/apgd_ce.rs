//! APGD on the cross-entropy.

pub(super) mod run;
mod schedule;
mod step;

use planish_contract::{Failure, Invalid};
use planish_nn::{Aim, Surrogate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::run::Run;
use crate::attack::{Attack, Cost, Goal, Proposals, Round, check_budget, check_positive};
use crate::search::{RowLoss, Start};

/// APGD on the cross-entropy (Croce and Hein, arXiv 2003.01690; in L1 arXiv 2103.01208; `autopgd_base.py` of fra31/auto-attack).
///
/// The step starts at 2ε (ε in L1), and is halved for an image whose loss rose too seldom or not at all since the last checkpoint, which
/// then goes on from its best point. In L1 the search shrinks from 3ε over 2ε to ε, and its steps are sparse.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApgdCe {
    /// Gradients per image and restart.
    pub steps: u32,
    /// How often it starts anew on the images that still stand.
    pub restarts: u32,
    /// The share of steps that must raise the loss for the step size to stay, in (0, 1].
    pub rho: f64,
    /// Where it starts: by default at distance ε in a random direction.
    pub start: Start,
}

impl Default for ApgdCe {
    fn default() -> Self {
        ApgdCe { steps: 100, restarts: 1, rho: 0.75, start: Start::Uniform }
    }
}

impl Attack for ApgdCe {
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
        run::cost(self.steps)
    }

    fn validate(&self) -> Result<(), Invalid> {
        check_budget(self.steps, self.restarts)?;
        self.start.check(self.restarts)?;
        check_positive("rho", self.rho, 1.0)
    }

    fn propose(&self, round: &mut Round<'_>) -> Result<Proposals, Failure> {
        let aims = round.cases.iter().map(|case| Aim::away_from(case.label)).collect();
        let loss = RowLoss::Standard(Surrogate::CrossEntropy, aims);
        run::run(round, &Run { steps: self.steps, rho: self.rho, start: self.start, loss, purpose: "attack apgd-ce" })
    }
}
