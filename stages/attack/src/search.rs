//! What the searches of all attacks share: which images are still searched for, what was best, what was spent.

use planish_contract::{Failure, Invalid};
use planish_nn::{Aim, GradientPass, Surrogate, Victim};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attack::{Case, Proposals, Round};

/// A candidate whose score ([`Case::score`]) in the victim is below minus this (in logits) ends the search for its image.
///
/// It is more than victim and judge may differ by, so that the judge seldom refutes what ended a search.
pub const HEADROOM: f64 = 2e-3;

/// A loss of the image with an index into the round and its logits, which writes its derivative with respect to them into the last argument.
pub type OtherLoss<'a> = dyn Fn(usize, &[f32], &mut [f32]) -> f32 + 'a;

/// The loss to maximise.
pub enum RowLoss<'a> {
    /// A standard loss, and the aim of each image of the round; the quick way, as the victim computes it beside the network.
    Standard(Surrogate, Vec<Aim>),
    /// Any other.
    Other(&'a OtherLoss<'a>),
}

impl RowLoss<'_> {
    /// Loss, logits and gradient of `batch`: the images of the round with the indices `active`.
    fn gradient(&self, victim: &mut dyn Victim, batch: &[f32], active: &[usize]) -> Result<GradientPass, Failure> {
        match self {
            RowLoss::Standard(surrogate, aims) => {
                let aims: Vec<Aim> = active.iter().filter_map(|&row| aims.get(row).copied()).collect();
                victim.surrogate_gradient(batch, *surrogate, &aims)
            }
            RowLoss::Other(loss) => victim.gradient(batch, &mut |index, logits, slope| match active.get(index) {
                Some(&row) => loss(row, logits, slope),
                None => 0.0,
            }),
        }
    }
}

/// Where an attack starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At a random point of the ball, clipped to `[0,1]`; the attack says how it is drawn.
    #[default]
    Uniform,
    /// At the image itself; more than one restart would repeat the first.
    Zero,
}

impl Start {
    /// Refuses restarts that would all find the same.
    ///
    /// # Errors
    /// More than one restart from the image itself.
    pub fn check(self, restarts: u32) -> Result<(), Invalid> {
        if self == Start::Zero && restarts > 1 {
            return Err(Invalid::at("restarts", "restarts from the image itself all find the same")
                .hint("use `start = \"uniform\"`, or one restart"));
        }
        Ok(())
    }
}

/// The state of a search over the images of a round.
pub struct Search {
    /// Values of one image.
    pub pixels: usize,
    /// The rows (indices into the round) that are still searched for, ascending.
    pub active: Vec<usize>,
    scores: Vec<f64>,
    best: Proposals,
}

impl Search {
    /// All images of the round; until something better is kept, `start` `[n, c, h, w]` is proposed.
    ///
    /// # Errors
    /// [`Failure::Internal`] when `start` is not one image for each of the round.
    pub fn new(round: &Round<'_>, start: Vec<f32>) -> Result<Self, Failure> {
        let (rows, pixels) = (round.cases.len(), round.pixels());
        if start.len() != rows * pixels || round.images.len() != rows * pixels {
            return Err(Failure::internal(format!("{rows} images of {pixels} values, but {} values to start from", start.len())));
        }
        let none = || vec![0; rows];
        let best = Proposals { images: start, steps: none(), gradients: none(), queries: none() };
        Ok(Search { pixels, active: (0..rows).collect(), scores: vec![f64::INFINITY; rows], best })
    }

    /// The active rows of `values`, one after the other.
    #[must_use]
    pub fn gather(&self, values: &[f32]) -> Vec<f32> {
        let mut batch = Vec::with_capacity(self.active.len() * self.pixels);
        for &row in &self.active {
            batch.extend_from_slice(slice(values, row, self.pixels));
        }
        batch
    }

    /// Loss, logits and gradient at the active rows of `current`, in their order.
    ///
    /// # Errors
    /// What the victim or [`Round::spent`] reports; [`Failure::Diverged`] when a loss is not finite.
    pub fn gradient(&mut self, round: &mut Round<'_>, current: &[f32], loss: &RowLoss<'_>) -> Result<GradientPass, Failure> {
        let pass = loss.gradient(round.victim, &self.gather(current), &self.active)?;
        (round.spent)(self.active.len() as u64)?;
        for &row in &self.active {
            count(&mut self.best.gradients, row, 1);
        }
        check_losses(round.cases, &self.active, &pass.losses)?;
        Ok(pass)
    }

    /// Logits at the active rows of `current`, in their order.
    ///
    /// # Errors
    /// What the victim or [`Round::spent`] reports.
    pub fn logits(&mut self, round: &mut Round<'_>, current: &[f32]) -> Result<Vec<f32>, Failure> {
        let logits = round.victim.logits(&self.gather(current))?;
        (round.spent)(self.active.len() as u64)?;
        for &row in &self.active {
            count(&mut self.best.queries, row, 1);
        }
        Ok(logits)
    }

    /// Notes `queries` forward passes for each active row that were made elsewhere.
    ///
    /// # Errors
    /// What [`Round::spent`] reports.
    pub fn queried(&mut self, round: &mut Round<'_>, queries: u32) -> Result<(), Failure> {
        for &row in &self.active {
            count(&mut self.best.queries, row, queries);
        }
        (round.spent)(self.active.len() as u64 * u64::from(queries))
    }

    /// Keeps the current iterate of each active row where its score is the lowest so far.
    pub fn keep(&mut self, round: &Round<'_>, (current, logits): (&[f32], &[f32]), step: u32) {
        let classes = round.victim.classes();
        for index in 0..self.active.len() {
            let Some(&row) = self.active.get(index) else { continue };
            let Some(case) = round.cases.get(row) else { continue };
            let score = case.score(slice(logits, index, classes));
            self.offer(row, score, (slice(current, row, self.pixels), step));
        }
    }

    /// Keeps `image` for `row` if `score` is the lowest so far; says whether it was.
    pub fn offer(&mut self, row: usize, score: f64, (image, step): (&[f32], u32)) -> bool {
        let Some((lowest, steps)) = self.scores.get_mut(row).zip(self.best.steps.get_mut(row)) else { return false };
        if score >= *lowest {
            return false;
        }
        (*lowest, *steps) = (score, step);
        slice_mut(&mut self.best.images, row, self.pixels).copy_from_slice(image);
        true
    }

    /// The lowest score of `row`.
    #[must_use]
    pub fn score(&self, row: usize) -> f64 {
        self.scores.get(row).copied().unwrap_or(f64::INFINITY)
    }

    /// Whether nothing more is searched for `row`.
    #[must_use]
    pub fn found(&self, row: usize) -> bool {
        self.score(row) < -HEADROOM
    }

    /// Takes out the rows for which enough was found.
    pub fn leave(&mut self) {
        let scores = &self.scores;
        self.active.retain(|&row| scores.get(row).is_some_and(|score| *score >= -HEADROOM));
    }

    /// What to propose.
    #[must_use]
    pub fn close(self) -> Proposals {
        self.best
    }
}

fn count(counts: &mut [u32], row: usize, by: u32) {
    if let Some(count) = counts.get_mut(row) {
        *count = count.saturating_add(by);
    }
}

fn check_losses(cases: &[Case], active: &[usize], losses: &[f32]) -> Result<(), Failure> {
    let bad = active.iter().zip(losses).find(|(_, loss)| !loss.is_finite());
    bad.map_or(Ok(()), |(&row, loss)| {
        let id = cases.get(row).map_or(0, |case| case.id);
        Err(Failure::Diverged(format!("the attacked loss of image {id} is {loss}, not a finite number")))
    })
}

/// Row `row` of rows of `width` values; empty when there is no such row.
#[must_use]
pub fn slice(values: &[f32], row: usize, width: usize) -> &[f32] {
    values.get(row * width..(row + 1) * width).unwrap_or(&[])
}

/// The same, to be changed.
pub fn slice_mut(values: &mut [f32], row: usize, width: usize) -> &mut [f32] {
    values.get_mut(row * width..(row + 1) * width).unwrap_or(&mut [])
}

/// A point for every image of the round, drawn from the ball around it and clipped to `[0,1]`.
///
/// The stream of an image is keyed by the seed, `purpose`, the image's id and `key` of the image (restart, class).
pub fn uniform_start(round: &Round<'_>, purpose: &str, key: impl Fn(&Case) -> Vec<u64>) -> Vec<f32> {
    let pixels = round.pixels();
    let mut start = Vec::with_capacity(round.images.len());
    for (row, case) in round.cases.iter().enumerate() {
        let mut stream = round.stream(purpose, case, &key(case));
        start.extend(round.ball.random_start(&mut stream, slice(round.images, row, pixels)));
    }
    start
}
