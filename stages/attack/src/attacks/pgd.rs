//! Projected gradient descent.

use planish_contract::{Failure, Invalid};
use planish_nn::{Aim, StepSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ascent::{Ascent, climb};
use crate::attack::{Attack, Cost, Goal, Proposals, Round};
use crate::loss::Loss;
use crate::optimizer::{Optimizer, Update};
use crate::search::{RowLoss, Start, uniform_start};

/// Projected gradient ascent on a loss from one or several starts (Madry et al., arXiv 1706.06083).
///
/// The weak attack of the LLR paper, FGSM-20, is `{ steps = 20, step_size = 0.003, loss = "cross-entropy" }`; its strong one,
/// Untargeted, is `{ steps = 200, restarts = 20, loss = "margin", optimizer = "adam" }` (llr.md §5). The released monitor clips the
/// margin where an image is already lost by 30 logits; here such an image has left the batch, so there is nothing to clip.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written")]
pub struct Pgd {
    /// Gradients per image and restart.
    pub steps: u32,
    /// How often it starts anew on the images that still stand.
    pub restarts: u32,
    /// What it maximises.
    pub loss: Loss,
    /// How it steps.
    pub optimizer: Optimizer,
    /// Size of the first step, in pixels (`[0,1]`) or in ε; `"0.25 eps"` for sign steps and 0.1 for Adam unless given.
    pub step_size: StepSize,
    /// Size of the last step over that of the first, in (0, 1]; 1 for sign steps and 0.1 for Adam unless given.
    pub decay: f64,
    /// Where it starts.
    pub start: Start,
}

/// The parameters as they are written: defaults may depend on the optimiser.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Written {
    steps: u32,
    restarts: u32,
    loss: Loss,
    optimizer: Optimizer,
    step_size: Option<StepSize>,
    decay: Option<f64>,
    start: Start,
}

impl Default for Written {
    fn default() -> Self {
        Written {
            steps: 20,
            restarts: 1,
            loss: Loss::CrossEntropy,
            optimizer: Optimizer::Sign,
            step_size: None,
            decay: None,
            start: Start::Uniform,
        }
    }
}

impl From<Written> for Pgd {
    fn from(written: Written) -> Self {
        let Written { steps, restarts, loss, optimizer, step_size, decay, start } = written;
        Pgd {
            steps,
            restarts,
            loss,
            optimizer,
            step_size: step_size.unwrap_or(optimizer.default_step_size()),
            decay: decay.unwrap_or(optimizer.default_decay()),
            start,
        }
    }
}

impl Default for Pgd {
    fn default() -> Self {
        Written::default().into()
    }
}

impl Pgd {
    fn update(&self) -> Update {
        Update { optimizer: self.optimizer, step_size: self.step_size, decay: self.decay }
    }

    fn start(&self, round: &Round<'_>) -> Vec<f32> {
        match self.start {
            Start::Uniform => uniform_start(round, "attack pgd", |_| vec![u64::from(round.restart)]),
            Start::Zero => round.images.to_vec(),
        }
    }
}

impl Attack for Pgd {
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
        Cost { gradients: u64::from(self.steps), queries: 1 }
    }

    fn validate(&self) -> Result<(), Invalid> {
        crate::attack::check_budget(self.steps, self.restarts)?;
        self.start.check(self.restarts)?;
        self.update().validate()
    }

    fn propose(&self, round: &mut Round<'_>) -> Result<Proposals, Failure> {
        let aims = round.cases.iter().map(|case| Aim::away_from(case.label)).collect();
        let start = self.start(round);
        climb(round, Ascent { steps: self.steps, update: self.update(), start, loss: RowLoss::Standard(self.loss.surrogate(), aims) })
    }
}
