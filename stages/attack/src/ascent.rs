//! The iterative search that gradient attacks share: step uphill, project, remember the best.

use planish_contract::Failure;
use planish_nn::{Aim, GradientPass, Surrogate, Victim};

use crate::attack::{Case, Proposals, Round};
use crate::loss::margin;
use crate::optimizer::{Memory, Update};

/// A candidate whose margin in the victim is below minus this (in logits) ends the search for its image.
///
/// It is more than victim and judge may differ by, so that the judge seldom refutes what ended a search.
pub const HEADROOM: f64 = 2e-3;

/// The loss to maximise.
pub enum RowLoss<'a> {
    /// A standard loss, and the aim of each image of the round; the quick way, as the victim computes it beside the network.
    Standard(Surrogate, Vec<Aim>),
    /// Any other: index of the image in the round, its logits, where to write the derivative.
    Other(&'a dyn Fn(usize, &[f32], &mut [f32]) -> f32),
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

/// What an ascent does.
pub struct Ascent<'a> {
    /// Gradients per image.
    pub steps: u32,
    /// How steps are made.
    pub update: Update,
    /// Where it starts, `[n, c, h, w]` flat, inside the ball and `[0,1]`.
    pub start: Vec<f32>,
    /// What it maximises.
    pub loss: RowLoss<'a>,
}

/// Climbs from the start; proposes for every image the iterate with the lowest margin, the start included.
///
/// An image leaves the batch as soon as the victim misclassifies it by [`HEADROOM`]. Every step costs one gradient for each image
/// that is left; the last iterate is scored without one.
///
/// # Errors
/// What the victim or [`Round::spent`] reports; [`Failure::Diverged`] when a loss or gradient is not finite.
pub fn climb(round: &mut Round<'_>, ascent: Ascent<'_>) -> Result<Proposals, Failure> {
    let mut climb = Climb::new(round, ascent.start)?;
    let mut memory = Memory::new(ascent.update.optimizer, climb.rows, climb.pixels);
    for step in 0..ascent.steps {
        if climb.active.is_empty() {
            return Ok(climb.best);
        }
        let active = std::mem::take(&mut climb.active);
        let batch = climb.gather(&active);
        let pass = ascent.loss.gradient(round.victim, &batch, &active)?;
        (round.spent)(active.len() as u64)?;
        check_losses(round, &active, &pass.losses)?;
        let standing = climb.keep_best(round, &active, (&pass.logits, step));
        let size = ascent.update.size(step, ascent.steps, f64::from(round.ball.eps));
        for (index, &row) in active.iter().enumerate() {
            if !standing.get(index).copied().unwrap_or(false) {
                continue;
            }
            climb.active.push(row);
            let x = slice_mut(&mut climb.current, row, climb.pixels);
            memory.step(row, step, size, (x, slice(&pass.gradient, index, climb.pixels)));
            round.ball.project(x, slice(round.images, row, climb.pixels));
        }
    }
    climb.finish(round, ascent.steps)
}

struct Climb {
    rows: usize,
    pixels: usize,
    current: Vec<f32>,
    active: Vec<usize>,
    margins: Vec<f64>,
    best: Proposals,
}

impl Climb {
    fn new(round: &Round<'_>, start: Vec<f32>) -> Result<Self, Failure> {
        let (rows, pixels) = (round.cases.len(), round.pixels());
        if start.len() != rows * pixels || round.images.len() != rows * pixels {
            return Err(Failure::internal(format!("{rows} images of {pixels} values, but {} values to start from", start.len())));
        }
        Ok(Climb {
            rows,
            pixels,
            current: start.clone(),
            active: (0..rows).collect(),
            margins: vec![f64::INFINITY; rows],
            best: Proposals { images: start, steps: vec![0; rows] },
        })
    }

    /// The current iterates of the `active` images, one after the other.
    fn gather(&self, active: &[usize]) -> Vec<f32> {
        let mut batch = Vec::with_capacity(active.len() * self.pixels);
        for &row in active {
            batch.extend_from_slice(slice(&self.current, row, self.pixels));
        }
        batch
    }

    /// Keeps the current iterate of each image where its margin is the lowest so far; says which images still stand.
    fn keep_best(&mut self, round: &Round<'_>, active: &[usize], (logits, step): (&[f32], u32)) -> Vec<bool> {
        let classes = round.victim.classes();
        let mut standing = Vec::with_capacity(active.len());
        for (index, &row) in active.iter().enumerate() {
            let Some(case) = round.cases.get(row) else { continue };
            let found = margin(slice(logits, index, classes), case.label);
            if let (Some(lowest), Some(steps)) = (self.margins.get_mut(row), self.best.steps.get_mut(row))
                && found < *lowest
            {
                (*lowest, *steps) = (found, step);
                slice_mut(&mut self.best.images, row, self.pixels).copy_from_slice(slice(&self.current, row, self.pixels));
            }
            standing.push(found >= -HEADROOM);
        }
        standing
    }

    /// Scores the last iterates.
    fn finish(mut self, round: &mut Round<'_>, steps: u32) -> Result<Proposals, Failure> {
        let active = std::mem::take(&mut self.active);
        if !active.is_empty() {
            let logits = round.victim.logits(&self.gather(&active))?;
            self.keep_best(round, &active, (&logits, steps));
        }
        Ok(self.best)
    }
}

fn check_losses(round: &Round<'_>, active: &[usize], losses: &[f32]) -> Result<(), Failure> {
    let bad = active.iter().zip(losses).find(|(_, loss)| !loss.is_finite());
    bad.map_or(Ok(()), |(&row, loss)| {
        let id = round.cases.get(row).map_or(0, |case| case.id);
        Err(Failure::Diverged(format!("the attacked loss of image {id} is {loss}, not a finite number")))
    })
}

/// Row `row` of rows of `width` values; empty when there is no such row.
#[must_use]
pub fn slice(values: &[f32], row: usize, width: usize) -> &[f32] {
    values.get(row * width..(row + 1) * width).unwrap_or(&[])
}

fn slice_mut(values: &mut [f32], row: usize, width: usize) -> &mut [f32] {
    values.get_mut(row * width..(row + 1) * width).unwrap_or(&mut [])
}

/// A point drawn uniformly from the ball around every image of the round, clipped to `[0,1]`.
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
