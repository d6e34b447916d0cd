//! Projected gradient ascent: step uphill, project, remember the best.

use planish_contract::Failure;

use crate::attack::{Proposals, Round};
use crate::optimizer::{Memory, Update};
use crate::search::{RowLoss, Search, slice, slice_mut};

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

/// Climbs from the start; proposes for every image the iterate with the lowest score, the start included.
///
/// An image leaves the batch as soon as the victim is misled by [`crate::search::HEADROOM`]. Every step costs one gradient for each image
/// that is left; the last iterate is scored without one.
///
/// # Errors
/// What the victim or [`Round::spent`] reports; [`Failure::Diverged`] when a loss or gradient is not finite.
pub fn climb(round: &mut Round<'_>, ascent: Ascent<'_>) -> Result<Proposals, Failure> {
    let Ascent { steps, update, start: mut current, loss } = ascent;
    let mut search = Search::new(round, current.clone())?;
    let pixels = search.pixels;
    let mut memory = Memory::new(update.optimizer, (round.cases.len(), pixels), round.ball.norm);
    for step in 0..steps {
        if search.active.is_empty() {
            return Ok(search.close());
        }
        let pass = search.gradient(round, &current, &loss)?;
        search.keep(round, (&current, &pass.logits), step);
        let size = update.size(step, steps, f64::from(round.ball.eps));
        for (index, &row) in search.active.iter().enumerate() {
            if !search.found(row) {
                let x = slice_mut(&mut current, row, pixels);
                memory.step(row, step, size, (x, slice(&pass.gradient, index, pixels)));
                round.ball.project(x, slice(round.images, row, pixels));
            }
        }
        search.leave();
    }
    if !search.active.is_empty() {
        let logits = search.logits(round, &current)?;
        search.keep(round, (&current, &logits), steps);
    }
    Ok(search.close())
}
