//! FAB.

mod projection;
pub(super) mod run;

use planish_contract::{Failure, Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::run::Run;
use crate::attack::{Attack, Cost, Goal, Proposals, Round, check_budget, check_positive};

/// The fast adaptive boundary attack: steps to the nearest of the linearised decision boundaries, biased towards the image, that look for
/// the smallest perturbation (Croce and Hein, arXiv 1907.02044; `fab_base.py` of fra31/auto-attack).
///
/// A step costs a gradient for every wrong class.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fab {
    /// Steps per image and restart.
    pub steps: u32,
    /// How often it starts anew, after the first time from random points, on the images that still stand.
    pub restarts: u32,
    /// The most weight that a step gives to the projection of the image itself, in (0, 1].
    pub alpha_max: f64,
    /// How far steps go beyond the boundary: 1 is to it.
    pub eta: f64,
    /// Where the search goes on after a success: this share of the way from the image, in (0, 1].
    pub beta: f64,
}

impl Default for Fab {
    fn default() -> Self {
        Fab { steps: 100, restarts: 1, alpha_max: 0.1, eta: 1.05, beta: 0.9 }
    }
}

impl Attack for Fab {
    fn goal(&self) -> Goal {
        Goal::MinimalNorm
    }

    fn restarts(&self) -> u32 {
        self.restarts
    }

    fn rounds(&self, _: usize) -> u32 {
        1
    }

    fn cost(&self, classes: usize) -> Cost {
        let rivals = u64::from(super::multi_targeted::targets(classes));
        Cost { gradients: u64::from(self.steps).saturating_mul(rivals), queries: u64::from(self.steps) }
    }

    fn validate(&self) -> Result<(), Invalid> {
        check_budget(self.steps, self.restarts)?;
        run::validate(self.alpha_max, self.eta, self.beta)
    }

    fn propose(&self, round: &mut Round<'_>) -> Result<Proposals, Failure> {
        let targets = 0..round.victim.classes() as u32;
        let run = Run { steps: self.steps, alpha_max: self.alpha_max, eta: self.eta, beta: self.beta, purpose: "attack fab" };
        run.run(round, &|_| targets.clone().collect())
    }
}

/// Checks eta and beta where they are written.
pub(super) fn check_eta(eta: f64) -> Result<(), Invalid> {
    if eta < 1.0 {
        return Err(Invalid::at("eta", format!("`eta` must be at least 1, not {eta}: a shorter step ends before the boundary")));
    }
    check_positive("eta", eta, 10.0)
}
