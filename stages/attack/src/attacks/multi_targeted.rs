//! The Multi-Targeted attack.

use planish_contract::{Failure, Invalid};
use planish_nn::{Aim, StepSize, Surrogate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ascent::{Ascent, climb};
use crate::attack::{Attack, Case, Cost, Goal, Proposals, Round};
use crate::optimizer::{Optimizer, Update};
use crate::search::{RowLoss, uniform_start};

/// For every wrong class, projected gradient ascent on its logit minus the true logit; an image falls when any wrong class wins
/// (Gowal et al., arXiv 1910.09338; llr.md §5).
///
/// A round aims each image at one class; the classes come in the order of the clean logits, the likeliest first, and a fallen image
/// is spared the rest. Each restart goes through all classes. So an image costs at most `steps · restarts · (classes − 1)` gradients.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written")]
pub struct MultiTargeted {
    /// Gradients per image, restart and class.
    pub steps: u32,
    /// How often it goes through all classes on the images that still stand.
    pub restarts: u32,
    /// How it steps.
    pub optimizer: Optimizer,
    /// Size of the first step, in pixels (`[0,1]`) or in ε; `"0.25 eps"` for sign steps and 0.1 for Adam unless given.
    pub step_size: StepSize,
    /// Size of the last step over that of the first, in (0, 1]; 1 for sign steps and 0.1 for Adam unless given.
    pub decay: f64,
}

/// The parameters as they are written: defaults may depend on the optimiser.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Written {
    steps: u32,
    restarts: u32,
    optimizer: Optimizer,
    step_size: Option<StepSize>,
    decay: Option<f64>,
}

impl Default for Written {
    fn default() -> Self {
        Written { steps: 100, restarts: 1, optimizer: Optimizer::Adam, step_size: None, decay: None }
    }
}

impl From<Written> for MultiTargeted {
    fn from(written: Written) -> Self {
        let Written { steps, restarts, optimizer, step_size, decay } = written;
        MultiTargeted {
            steps,
            restarts,
            optimizer,
            step_size: step_size.unwrap_or(optimizer.default_step_size()),
            decay: decay.unwrap_or(optimizer.default_decay()),
        }
    }
}

impl Default for MultiTargeted {
    fn default() -> Self {
        Written::default().into()
    }
}

/// How many classes there are to aim at.
pub(super) fn targets(classes: usize) -> u32 {
    u32::try_from(classes.saturating_sub(1)).unwrap_or(u32::MAX).max(1)
}

impl MultiTargeted {
    fn update(&self) -> Update {
        Update { optimizer: self.optimizer, step_size: self.step_size, decay: self.decay }
    }
}

impl Attack for MultiTargeted {
    fn goal(&self) -> Goal {
        Goal::Untargeted
    }

    fn restarts(&self) -> u32 {
        self.restarts
    }

    fn rounds(&self, classes: usize) -> u32 {
        targets(classes)
    }

    fn cost(&self, classes: usize) -> Cost {
        Cost { gradients: u64::from(self.steps), queries: 1 }.times(u64::from(targets(classes)))
    }

    fn validate(&self) -> Result<(), Invalid> {
        crate::attack::check_budget(self.steps, self.restarts)?;
        self.update().validate()
    }

    fn propose(&self, round: &mut Round<'_>) -> Result<Proposals, Failure> {
        let (restart, rank) = (round.restart, round.number as usize);
        // An image without a class of this rank aims at its own: a loss of zero everywhere.
        let aim = |case: &Case| Aim { label: case.label, target: case.rivals.get(rank).copied().unwrap_or(case.label) };
        let loss = RowLoss::Standard(Surrogate::LogitDifference, round.cases.iter().map(aim).collect());
        let start = uniform_start(round, "attack multi-targeted", |case| {
            vec![u64::from(restart), case.rivals.get(rank).copied().map_or(u64::MAX, u64::from)]
        });
        climb(round, Ascent { steps: self.steps, update: self.update(), start, loss })
    }
}
