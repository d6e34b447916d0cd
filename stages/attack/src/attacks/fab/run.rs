//! The search of FAB (Croce and Hein, arXiv 1907.02044, algorithm 1).

use planish_contract::{Failure, Invalid};
use planish_formats::Norm;
use planish_nn::{Aim, Ball, Stream, Surrogate};

use super::projection::project;
use crate::attack::{Case, Proposals, Round, check_positive};
use crate::loss::margin;
use crate::search::{RowLoss, Search, slice, slice_mut};

/// Checks the numbers of FAB.
pub(in crate::attacks) fn validate(alpha_max: f64, eta: f64, beta: f64) -> Result<(), Invalid> {
    check_positive("alpha_max", alpha_max, 1.0)?;
    check_positive("beta", beta, 1.0)?;
    super::check_eta(eta)
}

/// What a run does.
pub(in crate::attacks) struct Run {
    pub(in crate::attacks) steps: u32,
    pub(in crate::attacks) alpha_max: f64,
    pub(in crate::attacks) eta: f64,
    pub(in crate::attacks) beta: f64,
    /// The purpose of its random streams.
    pub(in crate::attacks) purpose: &'static str,
}

/// The nearest boundary of one image: the logit difference to a class and its gradient.
#[derive(Clone, Default)]
struct Boundary {
    distance: f64,
    difference: f32,
    gradient: Vec<f32>,
}

impl Run {
    /// Searches for the nearest adversarial image beyond the boundaries to the classes `targets`; proposes the image itself where it finds none.
    ///
    /// # Errors
    /// What the victim reports; [`Failure::Diverged`] when a logit is not finite.
    pub(in crate::attacks) fn run(&self, round: &mut Round<'_>, targets: &dyn Fn(&Case) -> Vec<u32>) -> Result<Proposals, Failure> {
        let pixels = round.pixels();
        let mut search = Search::new(round, round.images.to_vec())?;
        let targets: Vec<Vec<u32>> = round.cases.iter().map(targets).collect();
        let mut current = self.start(round);
        for step in 1..=self.steps {
            let boundaries = nearest(round, &mut search, &current, &targets)?;
            for (&row, boundary) in search.active.iter().zip(&boundaries) {
                let original = slice(round.images, row, pixels);
                self.step(round.ball.norm, slice_mut(&mut current, row, pixels), (original, boundary));
            }
            let logits = search.logits(round, &current)?;
            let classes = round.victim.classes();
            for (index, row) in search.active.clone().into_iter().enumerate() {
                let label = round.cases.get(row).map_or(0, |case| case.label);
                if margin(slice(&logits, index, classes), label) > 0.0 {
                    continue;
                }
                let (x, original) = (slice_mut(&mut current, row, pixels), slice(round.images, row, pixels));
                search.offer(row, round.ball.distance(x, original), (x, step));
                x.iter_mut().zip(original).for_each(|(x, x0)| *x = x0 + (*x - x0) * self.beta as f32);
            }
        }
        Ok(search.close())
    }

    /// The image itself, and after the first restart a point at half the radius in a random direction.
    fn start(&self, round: &Round<'_>) -> Vec<f32> {
        if round.restart == 0 {
            return round.images.to_vec();
        }
        let pixels = round.pixels();
        let random = |(row, case): (usize, &Case)| {
            let mut stream = round.stream(self.purpose, case, &[u64::from(round.restart), u64::from(round.number)]);
            half_way(*round.ball, &mut stream, slice(round.images, row, pixels))
        };
        round.cases.iter().enumerate().flat_map(random).collect()
    }

    /// A step to the boundary, biased towards the image by as much as its own projection is nearer, but at most `alpha_max`.
    fn step(&self, norm: Norm, x: &mut [f32], (original, boundary): (&[f32], &Boundary)) {
        let w = &boundary.gradient;
        let offset = |point: &[f32]| point.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>();
        let level = offset(x) - f64::from(boundary.difference);
        let (here, there) = (project(norm, x, w, level), project(norm, original, w, level));
        let (near, far) = (length(norm, &here).max(1e-8), length(norm, &there).max(1e-8));
        let alpha = (near / (near + far)).clamp(0.0, self.alpha_max);
        for (((x, x0), here), there) in x.iter_mut().zip(original).zip(here).zip(there) {
            let mixed = (f64::from(*x) + self.eta * here) * (1.0 - alpha) + (f64::from(*x0) + self.eta * there) * alpha;
            *x = mixed.clamp(0.0, 1.0) as f32;
        }
    }
}

/// For every active row the nearest of the linearised boundaries to its targets.
fn nearest(round: &mut Round<'_>, search: &mut Search, current: &[f32], targets: &[Vec<u32>]) -> Result<Vec<Boundary>, Failure> {
    let most = targets.iter().map(Vec::len).max().unwrap_or(0);
    let mut found = vec![Boundary { distance: f64::INFINITY, ..Boundary::default() }; search.active.len()];
    for rank in 0..most {
        let aim = |(case, targets): (&Case, &Vec<u32>)| Aim { label: case.label, target: targets.get(rank).copied().unwrap_or(case.label) };
        let aims: Vec<Aim> = round.cases.iter().zip(targets).map(aim).collect();
        // The true class is no boundary; where every image has this rank as its own class there is nothing to ask.
        let own: Vec<bool> = aims.iter().map(|aim| aim.target == aim.label).collect();
        let all = search.active.clone();
        search.active.retain(|&row| own.get(row) == Some(&false));
        let asked = search.active.clone();
        if !asked.is_empty() {
            let pass = search.gradient(round, current, &RowLoss::Standard(Surrogate::LogitDifference, aims))?;
            for (index, row) in asked.iter().enumerate() {
                let gradient = slice(&pass.gradient, index, search.pixels);
                let difference = pass.losses.get(index).copied().unwrap_or_default();
                let distance = f64::from(difference.abs()) / (1e-12 + dual(round.ball.norm, gradient));
                let Some(boundary) = all.binary_search(row).ok().and_then(|at| found.get_mut(at)) else { continue };
                if distance < boundary.distance {
                    *boundary = Boundary { distance, difference, gradient: gradient.to_vec() };
                }
            }
        }
        search.active = all;
    }
    Ok(found)
}

/// The norm of a gradient that a perturbation of norm 1 can make the most of.
fn dual(norm: Norm, gradient: &[f32]) -> f64 {
    match norm {
        Norm::Linf => gradient.iter().map(|g| f64::from(g.abs())).sum(),
        Norm::L2 => gradient.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt(),
        Norm::L1 => gradient.iter().map(|g| f64::from(g.abs())).fold(0.0, f64::max),
    }
}

fn length(norm: Norm, change: &[f64]) -> f64 {
    match norm {
        Norm::Linf => change.iter().map(|d| d.abs()).fold(0.0, f64::max),
        Norm::L2 => change.iter().map(|d| d * d).sum::<f64>().sqrt(),
        Norm::L1 => change.iter().map(|d| d.abs()).sum(),
    }
}

fn half_way(ball: Ball, stream: &mut Stream, original: &[f32]) -> Vec<f32> {
    let direction: Vec<f64> = match ball.norm {
        Norm::Linf => original.iter().map(|_| f64::from(stream.uniform(-1.0, 1.0))).collect(),
        Norm::L2 | Norm::L1 => original.iter().map(|_| f64::from(stream.normal())).collect(),
    };
    let factor = 0.5 * f64::from(ball.eps) / length(ball.norm, &direction).max(f64::MIN_POSITIVE);
    original.iter().zip(&direction).map(|(x, d)| (f64::from(*x) + d * factor).clamp(0.0, 1.0) as f32).collect()
}
