//! The Random-Targeted attack.

use planish_contract::{Failure, Invalid};
use planish_nn::{Aim, StepSize, Surrogate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ascent::{Ascent, climb};
use crate::attack::{Attack, Case, Cost, Goal, Proposals, Round, check_budget};
use crate::optimizer::{Optimizer, Update};
use crate::search::{RowLoss, uniform_start};

/// Projected gradient ascent that leads every image to one wrong class, by default a random one that stays the same for the whole attack
/// (the LLR paper's attack on `ImageNet`; llr.md §5). What counts is how many images it leads there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written")]
pub struct RandomTargeted {
    /// Which class an image is led to.
    pub target: Target,
    /// What it maximises.
    pub loss: TargetedLoss,
    /// Gradients per image and restart.
    pub steps: u32,
    /// How often it starts anew on the images that were not led there yet.
    pub restarts: u32,
    /// How it steps.
    pub optimizer: Optimizer,
    /// Size of the first step, in pixels (`[0,1]`) or in ε; `"0.25 eps"` for sign steps and 0.1 for Adam unless given.
    pub step_size: StepSize,
    /// Size of the last step over that of the first, in (0, 1]; 1 for sign steps and 0.1 for Adam unless given.
    pub decay: f64,
}

/// Which class an image is led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// A wrong class drawn uniformly, by seed and image.
    #[default]
    Random,
    /// The wrong class with the largest logit on the image.
    Likeliest,
    /// The class with the smallest one.
    LeastLikely,
}

/// What is maximised, with z the logits, y the true class and t the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetedLoss {
    /// `z_t − z_y`.
    #[default]
    LogitDifference,
    /// The logarithm of the target's probability.
    CrossEntropy,
    /// The targeted difference of logits ratio (arXiv 2003.01690, equation 7); it needs four classes.
    Dlr,
}

/// The parameters as they are written: defaults may depend on the optimiser.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Written {
    target: Target,
    loss: TargetedLoss,
    steps: u32,
    restarts: u32,
    optimizer: Optimizer,
    step_size: Option<StepSize>,
    decay: Option<f64>,
}

impl Default for Written {
    fn default() -> Self {
        let (target, loss) = (Target::default(), TargetedLoss::default());
        Written { target, loss, steps: 200, restarts: 20, optimizer: Optimizer::Adam, step_size: None, decay: None }
    }
}

impl From<Written> for RandomTargeted {
    fn from(written: Written) -> Self {
        let Written { target, loss, steps, restarts, optimizer, step_size, decay } = written;
        RandomTargeted {
            target,
            loss,
            steps,
            restarts,
            optimizer,
            step_size: step_size.unwrap_or(optimizer.default_step_size()),
            decay: decay.unwrap_or(optimizer.default_decay()),
        }
    }
}

impl Default for RandomTargeted {
    fn default() -> Self {
        Written::default().into()
    }
}

impl RandomTargeted {
    fn update(&self) -> Update {
        Update { optimizer: self.optimizer, step_size: self.step_size, decay: self.decay }
    }
}

impl Attack for RandomTargeted {
    fn goal(&self) -> Goal {
        Goal::Targeted
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
        check_budget(self.steps, self.restarts)?;
        self.update().validate()
    }

    fn target(&self, case: &Case, seed: u64) -> Option<u32> {
        match self.target {
            Target::Likeliest => case.rivals.first().copied(),
            Target::LeastLikely => case.rivals.last().copied(),
            Target::Random => {
                // Rivals are ordered by logits; the draw must not depend on them.
                let mut rivals = case.rivals.clone();
                rivals.sort_unstable();
                let drawn = planish_nn::Stream::new(seed, "attack random-targeted class", &[u64::from(case.id)]).below(rivals.len() as u64);
                rivals.get(usize::try_from(drawn).ok()?).copied()
            }
        }
    }

    fn propose(&self, round: &mut Round<'_>) -> Result<Proposals, Failure> {
        let cases = round.cases;
        let aims = || cases.iter().map(|case| Aim { label: case.label, target: case.target.unwrap_or(case.label) }).collect();
        let towards = |row: usize, logits: &[f32], slope: &mut [f32]| {
            let target = cases.get(row).and_then(|case| case.target).unwrap_or_default();
            let loss = Surrogate::CrossEntropy.value(logits, Aim::away_from(target), slope);
            for entry in slope.iter_mut() {
                *entry = -*entry;
            }
            -loss
        };
        let loss = match self.loss {
            TargetedLoss::LogitDifference => RowLoss::Standard(Surrogate::LogitDifference, aims()),
            TargetedLoss::Dlr => RowLoss::Standard(Surrogate::TargetedDlr, aims()),
            TargetedLoss::CrossEntropy => RowLoss::Other(&towards),
        };
        let start = uniform_start(round, "attack random-targeted", |_| vec![u64::from(round.restart)]);
        climb(round, Ascent { steps: self.steps, update: self.update(), start, loss })
    }
}
