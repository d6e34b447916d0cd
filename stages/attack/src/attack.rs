//! What an attack is.

use planish_contract::{Failure, Invalid};
use planish_formats::Norm;
use planish_nn::{Ball, Stream, Victim};

use crate::attacks::AnyAttack;
use crate::loss::{margin, shortfall};

/// What an attack tries to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Any wrong prediction within the threat model.
    Untargeted,
    /// The prediction [`Case::target`] within the threat model.
    Targeted,
    /// Any wrong prediction at the smallest distance, which may exceed the radius.
    MinimalNorm,
}

impl Goal {
    /// The name that evidence carries.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Goal::Untargeted => "untargeted",
            Goal::Targeted => "targeted",
            Goal::MinimalNorm => "minimal-norm",
        }
    }
}

/// What an attack may know of an image besides its pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its index in the official split.
    pub id: u32,
    /// Its class.
    pub label: u32,
    /// The other classes, the one with the largest logit on the clean image first (equal logits: the lower class first).
    pub rivals: Vec<u32>,
    /// The class that a targeted attack is to lead it to.
    pub target: Option<u32>,
}

impl Case {
    /// How far the logits are from what the attack wants: below 0 it is reached. The margin, or the target's shortfall.
    #[must_use]
    pub fn score(&self, logits: &[f32]) -> f64 {
        self.target.map_or_else(|| margin(logits, self.label), |target| shortfall(logits, target))
    }
}

/// One round of an attack: images that still stand, and what to attack them with.
///
/// What is proposed for an image may depend on that image, on the round and on the seed, never on the images beside it.
pub struct Round<'a> {
    /// Which restart, from 0.
    pub restart: u32,
    /// Which round of the restart, from 0.
    pub number: u32,
    /// The attack's random streams are keyed by this, see [`Round::stream`].
    pub seed: u64,
    /// The images, `[n, c, h, w]` flat, in `[0,1]`.
    pub images: &'a [f32],
    /// What is known of each of the `n` images.
    pub cases: &'a [Case],
    /// Where candidates must lie (together with `[0,1]`), unless the goal is the minimal norm; the judge projects them anyway.
    pub ball: &'a Ball,
    /// Whose gradients the attack may use.
    pub victim: &'a mut dyn Victim,
    /// To be called with the number of passes through the victim just spent (summed over images).
    ///
    /// Its error ends the attack: the run was asked to stop.
    pub spent: &'a mut dyn FnMut(u64) -> Result<(), Failure>,
}

impl Round<'_> {
    /// Values of one image, `c * h * w`.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.victim.shape().iter().product()
    }

    /// The random stream of image `case` for `purpose`: keyed by the seed, the image's id and `key` (restart, class).
    #[must_use]
    pub fn stream(&self, purpose: &str, case: &Case, key: &[u64]) -> Stream {
        let mut words = vec![u64::from(case.id)];
        words.extend_from_slice(key);
        Stream::new(self.seed, purpose, &words)
    }
}

/// What an attack proposes for the `n` images of a [`Round`]. There is no room for a claim of success.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposals {
    /// One candidate for each image, `[n, c, h, w]` flat.
    pub images: Vec<f32>,
    /// After how many steps each candidate was met (0: the start).
    pub steps: Vec<u32>,
    /// Forward-and-backward passes spent on each image.
    pub gradients: Vec<u32>,
    /// Forward passes without a backward pass spent on each image.
    pub queries: Vec<u32>,
}

/// The most passes through the victim that one image can cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Forward and backward.
    pub gradients: u64,
    /// Forward only.
    pub queries: u64,
}

impl Cost {
    /// The cost of doing it `times`.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Cost { gradients: self.gradients.saturating_mul(times), queries: self.queries.saturating_mul(times) }
    }

    /// Passes of both kinds.
    #[must_use]
    pub fn passes(self) -> u64 {
        self.gradients.saturating_add(self.queries)
    }
}

/// An attack. One file in `attacks/` each.
pub trait Attack: std::fmt::Debug + Send + Sync {
    /// What it tries to reach.
    fn goal(&self) -> Goal;

    /// How often it starts anew on the images that still stand.
    fn restarts(&self) -> u32;

    /// How many rounds a restart takes on a model with that many classes. After each one the judge takes out the images that fell.
    fn rounds(&self, classes: usize) -> u32;

    /// What one restart costs at most, over all its rounds.
    fn cost(&self, classes: usize) -> Cost;

    /// Whether it uses gradients; those that don't tell masked gradients from robustness.
    fn uses_gradients(&self) -> bool {
        true
    }

    /// Checks its parameters.
    ///
    /// # Errors
    /// The first that can't be used; its path is relative to the attack.
    fn validate(&self) -> Result<(), Invalid>;

    /// The norms for which it is defined.
    fn norms(&self) -> &'static [Norm] {
        &Norm::ALL
    }

    /// The class to lead an image to, for attacks with [`Goal::Targeted`]; the same in every restart.
    fn target(&self, _: &Case, _seed: u64) -> Option<u32> {
        None
    }

    /// What it consists of, for attacks that are compositions: those run instead of it, in order, each on the images that still stand.
    fn components(&self, _: Norm) -> Vec<AnyAttack> {
        Vec::new()
    }

    /// Makes one candidate for each image of the round. Never called on a composition.
    ///
    /// # Errors
    /// Whatever the victim or [`Round::spent`] reports, and [`Failure::Diverged`] when a loss or gradient is not finite.
    fn propose(&self, round: &mut Round<'_>) -> Result<Proposals, Failure>;
}

/// Checks the numbers that every iterative attack has.
///
/// # Errors
/// The first that can't be used.
pub fn check_budget(steps: u32, restarts: u32) -> Result<(), Invalid> {
    for (name, value) in [("steps", steps), ("restarts", restarts)] {
        check_count(name, value)?;
    }
    Ok(())
}

/// Checks a number of things to do.
///
/// # Errors
/// One that is 0 or absurd.
pub fn check_count(name: &str, value: u32) -> Result<(), Invalid> {
    const MOST: u32 = 1_000_000;
    if value == 0 || value > MOST {
        return Err(Invalid::at(name, format!("`{name}` must lie between 1 and {MOST}, not {value}")));
    }
    Ok(())
}

/// Checks a number that must lie above 0 and at most at `most`.
///
/// # Errors
/// One that does not.
pub fn check_positive(name: &str, value: f64, most: f64) -> Result<(), Invalid> {
    if value > 0.0 && value <= most {
        return Ok(());
    }
    Err(Invalid::at(name, format!("`{name}` must be above 0 and at most {most}, not {value}")))
}
