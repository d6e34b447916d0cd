//! The search of APGD (Croce and Hein, arXiv 2003.01690, algorithm 1), for any loss.

use planish_contract::Failure;
use planish_formats::Norm;
use planish_nn::Ball;

use super::schedule::Schedule;
use super::step::{self, Place};
use crate::attack::{Cost, Proposals, Round};
use crate::search::{RowLoss, Search, Start, slice};

/// What a run does.
pub(in crate::attacks) struct Run<'a> {
    /// Gradients per image.
    pub(in crate::attacks) steps: u32,
    /// The share of steps that must raise the loss.
    pub(in crate::attacks) rho: f64,
    /// Where it starts.
    pub(in crate::attacks) start: Start,
    /// What it maximises.
    pub(in crate::attacks) loss: RowLoss<'a>,
    /// The purpose of its random streams.
    pub(in crate::attacks) purpose: &'static str,
}

/// What a run costs: in the official code the last iterate costs a gradient as well, which is never used.
pub(in crate::attacks) fn cost(steps: u32) -> Cost {
    // In L1 each of the three radii scores its last iterate.
    Cost { gradients: u64::from(steps), queries: 3 }
}

/// Searches once from a random start; proposes the iterate with the lowest score.
///
/// # Errors
/// What the victim reports; [`Failure::Diverged`] when a loss is not finite.
pub(in crate::attacks) fn run(round: &mut Round<'_>, run: &Run<'_>) -> Result<Proposals, Failure> {
    let pixels = round.pixels();
    let mut start = match run.start {
        Start::Zero => round.images.to_vec(),
        Start::Uniform => random_start(round, run.purpose),
    };
    let mut search = Search::new(round, start.clone())?;
    let stages = stages(*round.ball, run.steps);
    let last = stages.len() - 1;
    for (number, (ball, steps)) in stages.into_iter().enumerate() {
        let shrunk = round.ball.norm == Norm::L1;
        for (x, original) in start.chunks_exact_mut(pixels.max(1)).zip(round.images.chunks_exact(pixels.max(1))) {
            ball.project(x, original);
        }
        let stage = Stage { ball, steps, sparse_from_start: shrunk, counts: number == last, rho: run.rho };
        start = stage.run(round, &mut search, (start, &run.loss))?;
    }
    Ok(search.close())
}

fn random_start(round: &Round<'_>, purpose: &str) -> Vec<f32> {
    let mut start = Vec::with_capacity(round.images.len());
    for (row, case) in round.cases.iter().enumerate() {
        let mut stream = round.stream(purpose, case, &[u64::from(round.restart), u64::from(round.number)]);
        start.extend(step::start(*round.ball, &mut stream, slice(round.images, row, round.pixels())));
    }
    start
}

/// The radii and numbers of steps: one, or in L1 three that shrink (`use_largereps` of the official code, which AutoAttack sets there).
fn stages(ball: Ball, steps: u32) -> Vec<(Ball, u32)> {
    if ball.norm != Norm::L1 {
        return vec![(ball, steps)];
    }
    let early = steps.saturating_mul(3).div_ceil(10);
    let left = steps.saturating_sub(2 * early);
    let wide = |times: f64| Ball::new(ball.norm, f64::from(ball.eps) * times);
    [(wide(3.0), early), (wide(2.0), early.min(steps - early.min(steps))), (ball, left)]
        .into_iter()
        .filter(|(_, steps)| *steps > 0)
        .collect()
}

/// The search at one radius.
struct Stage {
    ball: Ball,
    steps: u32,
    /// Whether the sparsity of L1 steps follows the start.
    sparse_from_start: bool,
    /// Whether what it finds lies within the threat model.
    counts: bool,
    rho: f64,
}

impl Stage {
    /// Returns the point with the largest loss of every image.
    fn run(&self, round: &mut Round<'_>, search: &mut Search, (mut current, loss): (Vec<f32>, &RowLoss<'_>)) -> Result<Vec<f32>, Failure> {
        let pixels = search.pixels;
        let mut places: Vec<Place> = (0..round.cases.len())
            .map(|row| Place::new(self.ball, self.sparse_from_start, slice(&current, row, pixels), slice(round.images, row, pixels)))
            .collect();
        let mut schedules: Vec<Schedule> = places.iter().map(|_| Schedule::new(self.ball.norm, self.steps, self.rho)).collect();
        for number in 0..=self.steps {
            if search.active.is_empty() {
                break;
            }
            let last = number == self.steps;
            if last && self.counts {
                // Only its score is of use.
                let logits = search.logits(round, &current)?;
                search.keep(round, (&current, &logits), number);
                search.leave();
                break;
            }
            let pass = search.gradient(round, &current, loss)?;
            if self.counts {
                search.keep(round, (&current, &pass.logits), number);
            }
            for (index, &row) in search.active.iter().enumerate() {
                let Some((place, schedule)) = places.get_mut(row).zip(schedules.get_mut(row)) else { continue };
                let value = pass.losses.get(index).copied().unwrap_or(f32::NEG_INFINITY);
                place.arrive(value, slice(&pass.gradient, index, pixels));
                schedule.note(number, value, place);
                if !last {
                    place.go(self.ball, number, slice(round.images, row, pixels));
                }
            }
            for (row, place) in places.iter().enumerate() {
                crate::search::slice_mut(&mut current, row, pixels).copy_from_slice(&place.x);
            }
            if self.counts {
                search.leave();
            }
            if last {
                break;
            }
        }
        Ok(places.into_iter().flat_map(|place| place.best).collect())
    }
}
