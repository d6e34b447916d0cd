//! Ascent by estimated gradients, from logits alone.

use planish_contract::{Failure, Invalid};
use planish_nn::Stream;

use crate::attack::{Case, Cost, Proposals, Round, check_count};
use crate::optimizer::{Memory, Optimizer};
use crate::search::{Search, slice, slice_mut};

/// Which directions are tried.
#[derive(Clone, Copy, Debug)]
pub(in crate::attacks) enum Directions {
    /// Random signs.
    Signs,
    /// Normal numbers.
    Normal,
}

/// How a gradient of the margin is estimated: (1/n) Σ f(x + σu)·u/σ over directions u and their mirror images.
pub(in crate::attacks) struct Estimate {
    pub(in crate::attacks) directions: Directions,
    /// Queries: half of them mirror the others.
    pub(in crate::attacks) samples: u32,
    /// σ, in units of pixels.
    pub(in crate::attacks) distance: f64,
}

/// How an estimate turns into a step.
#[derive(Clone, Copy, Debug)]
pub(in crate::attacks) enum Method {
    /// Adam with this step size.
    Adam { rate: f64 },
    /// Steepest ascent by this share of ε along a running mean of the estimates.
    Momentum { step: f64, momentum: f64 },
}

pub(in crate::attacks) fn check_samples(samples: u32) -> Result<(), Invalid> {
    check_count("samples", samples)?;
    if samples.is_multiple_of(2) {
        return Ok(());
    }
    Err(Invalid::at("samples", format!("`samples` must be even, not {samples}: half of them mirror the others")))
}

pub(in crate::attacks) fn cost(steps: u32, samples: u32) -> Cost {
    Cost { gradients: 0, queries: u64::from(steps).saturating_mul(u64::from(samples) + 1) + 1 }
}

/// Climbs from the images, after the first restart from random points; proposes for every image the iterate with the lowest score.
///
/// # Errors
/// What the victim reports.
pub(in crate::attacks) fn climb(
    round: &mut Round<'_>,
    estimate: &Estimate,
    (steps, method): (u32, Method),
    purpose: &str,
) -> Result<Proposals, Failure> {
    let (cases, pixels) = (round.cases, round.pixels());
    let key = [u64::from(round.restart)];
    let mut streams: Vec<Stream> = round.cases.iter().map(|case| round.stream(purpose, case, &key)).collect();
    let mut current = round.images.to_vec();
    if round.restart > 0 {
        for (row, stream) in streams.iter_mut().enumerate() {
            let start = round.ball.random_start(stream, slice(round.images, row, pixels));
            slice_mut(&mut current, row, pixels).copy_from_slice(&start);
        }
    }
    let mut search = Search::new(round, current.clone())?;
    let optimizer = if matches!(method, Method::Adam { .. }) { Optimizer::Adam } else { Optimizer::Sign };
    let mut memory = Memory::new(optimizer, (round.cases.len(), pixels), round.ball.norm);
    let mut means = vec![0.0; current.len()];
    for step in 0..=steps {
        let logits = search.logits(round, &current)?;
        search.keep(round, (&current, &logits), step);
        search.leave();
        if search.active.is_empty() || step == steps {
            break;
        }
        for row in search.active.clone() {
            let (Some(case), Some(stream)) = (cases.get(row), streams.get_mut(row)) else { continue };
            let x = slice_mut(&mut current, row, pixels);
            let mut gradient = estimate.gradient(round, (case, x), stream)?;
            let size = match method {
                Method::Adam { rate } => rate,
                Method::Momentum { step, momentum } => {
                    let mean: &mut [f32] = slice_mut(&mut means, row, pixels);
                    mean.iter_mut()
                        .zip(&gradient)
                        .for_each(|(m, g)| *m = (f64::from(*m) * momentum + f64::from(*g) * (1.0 - momentum)) as f32);
                    gradient.copy_from_slice(mean);
                    step * f64::from(round.ball.eps)
                }
            };
            memory.step(row, step, size, (x, &gradient));
            round.ball.project(x, slice(round.images, row, pixels));
        }
        search.queried(round, estimate.samples)?;
    }
    Ok(search.close())
}

impl Estimate {
    /// The estimated gradient of the negated score at `x`. An image's samples are one batch, whatever the images beside it.
    fn gradient(&self, round: &mut Round<'_>, (case, x): (&Case, &[f32]), stream: &mut Stream) -> Result<Vec<f32>, Failure> {
        let half = (self.samples / 2) as usize;
        let draw = |stream: &mut Stream| match self.directions {
            Directions::Signs => {
                if stream.below(2) == 0 {
                    -1.0
                } else {
                    1.0
                }
            }
            Directions::Normal => stream.normal(),
        };
        let directions: Vec<f32> = (0..half * x.len()).map(|_| draw(stream)).collect();
        let distance = self.distance as f32;
        let mut batch = Vec::with_capacity(2 * directions.len());
        for side in [distance, -distance] {
            for direction in directions.chunks_exact(x.len()) {
                batch.extend(x.iter().zip(direction).map(|(x, u)| x + side * u));
            }
        }
        let logits = round.victim.logits(&batch)?;
        let scores: Vec<f64> = logits.chunks_exact(round.victim.classes()).map(|row| case.score(row)).collect();
        let (ahead, behind) = scores.split_at(scores.len().min(half));
        let mut gradient = vec![0.0_f64; x.len()];
        for ((direction, ahead), behind) in directions.chunks_exact(x.len()).zip(ahead).zip(behind) {
            // A falling score is what the attack climbs to.
            let slope = (behind - ahead) / (2.0 * self.distance * half as f64);
            gradient.iter_mut().zip(direction).for_each(|(g, u)| *g += slope * f64::from(*u));
        }
        Ok(gradient.into_iter().map(|g| g as f32).collect())
    }
}
