//! What an attack is.

use planish_contract::{Failure, Invalid};
use planish_nn::Ball;
use planish_nn::Stream;
use planish_nn::Victim;

/// What an attack tries to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Any wrong prediction inside the ball.
    Untargeted,
}

impl Goal {
    /// The name that evidence carries.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Goal::Untargeted => "untargeted",
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
}

/// One round of an attack: images that still stand, and what to attack them with.
///
/// What is proposed for an image may depend on that image, on the round and on the seed, never on the images beside it.
pub struct Round<'a> {
    /// Which round, from 0.
    pub number: u32,
    /// The attack's random streams are keyed by this, see [`Round::stream`].
    pub seed: u64,
    /// The images, `[n, c, h, w]` flat, in `[0,1]`.
    pub images: &'a [f32],
    /// What is known of each of the `n` images.
    pub cases: &'a [Case],
    /// Where candidates must lie (together with `[0,1]`); the judge projects them anyway.
    pub ball: &'a Ball,
    /// Whose gradients the attack may use.
    pub victim: &'a mut dyn Victim,
    /// To be called with the number of gradients just spent (summed over images).
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
}

/// An attack. One file in `attacks/` each.
pub trait Attack: std::fmt::Debug + Send + Sync {
    /// What it tries to reach.
    fn goal(&self) -> Goal;

    /// How many rounds it takes on a model with that many classes. After each one the judge takes out the images that fell.
    fn rounds(&self, classes: usize) -> u32;

    /// Which restart round `round` belongs to.
    fn restart(&self, round: u32, classes: usize) -> u32;

    /// The most gradients (forward and backward passes) that one image can cost, over all rounds.
    fn gradients(&self, classes: usize) -> u64;

    /// Checks its parameters.
    ///
    /// # Errors
    /// The first that can't be used; its path is relative to the attack.
    fn validate(&self) -> Result<(), Invalid>;

    /// Makes one candidate for each image of the round.
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
    const MOST: u32 = 1_000_000;
    for (name, value) in [("steps", steps), ("restarts", restarts)] {
        if value == 0 || value > MOST {
            return Err(Invalid::at(name, format!("`{name}` must lie between 1 and {MOST}, not {value}")));
        }
    }
    Ok(())
}
