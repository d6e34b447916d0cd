//! `DeepFool`.

use planish_contract::{Failure, Invalid};
use planish_formats::Norm;
use planish_nn::{Aim, Surrogate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attack::{Attack, Cost, Goal, Proposals, Round, check_budget};
use crate::loss::margin;
use crate::search::{RowLoss, Search, slice, slice_mut};

/// Steps to the nearest of the linearised decision boundaries until the prediction changes (Moosavi-Dezfooli et al., arXiv 1511.04599). The
/// smallest perturbation that it finds counts, wherever it lies.
///
/// Unlike the authors' code it keeps pixels within `[0,1]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Deepfool {
    /// The most steps per image.
    pub steps: u32,
    /// How many classes are considered, the true one included: those with the largest logits on the image.
    pub candidates: u32,
    /// How much further than to the boundary the perturbation goes, as a share of it.
    pub overshoot: f64,
}

impl Default for Deepfool {
    fn default() -> Self {
        Deepfool { steps: 50, candidates: 10, overshoot: 0.02 }
    }
}

impl Deepfool {
    fn rivals(&self, classes: usize) -> u32 {
        super::multi_targeted::targets(classes).min(self.candidates.saturating_sub(1))
    }

    /// The gradients with respect to all candidates; for every active row the nearest boundary's step.
    fn steps(&self, round: &mut Round<'_>, search: &mut Search, current: &[f32]) -> Result<Vec<(f64, Vec<f64>)>, Failure> {
        let mut nearest = vec![(f64::INFINITY, Vec::new()); search.active.len()];
        for rank in 0..self.rivals(round.victim.classes()) as usize {
            let aims =
                round.cases.iter().map(|case| Aim { label: case.label, target: case.rivals.get(rank).copied().unwrap_or(case.label) });
            let pass = search.gradient(round, current, &RowLoss::Standard(Surrogate::LogitDifference, aims.collect()))?;
            for (index, nearest) in nearest.iter_mut().enumerate() {
                let gap = f64::from(pass.losses.get(index).copied().unwrap_or_default().abs());
                let step = to_boundary(round.ball.norm, gap, slice(&pass.gradient, index, search.pixels));
                if step.0 < nearest.0 {
                    *nearest = step;
                }
            }
        }
        Ok(nearest)
    }
}

/// The distance to a boundary and the step there, a little too long as in the authors' code.
fn to_boundary(norm: Norm, gap: f64, gradient: &[f32]) -> (f64, Vec<f64>) {
    const NUDGE: f64 = 1e-4;
    let sum = |value: fn(f64) -> f64| gradient.iter().map(|&g| value(f64::from(g))).sum::<f64>();
    if norm == Norm::L2 {
        let length = sum(|g| g * g).sqrt().max(1e-12);
        return (gap / length, gradient.iter().map(|&g| (gap / length + NUDGE) * f64::from(g) / length).collect());
    }
    let length = sum(f64::abs).max(1e-12);
    let sign = |g: f32| if g == 0.0 { 0.0 } else { f64::from(g.signum()) };
    (gap / length, gradient.iter().map(|&g| (gap / length + NUDGE) * sign(g)).collect())
}

impl Attack for Deepfool {
    fn goal(&self) -> Goal {
        Goal::MinimalNorm
    }

    fn restarts(&self) -> u32 {
        1
    }

    fn rounds(&self, _: usize) -> u32 {
        1
    }

    fn cost(&self, classes: usize) -> Cost {
        Cost { gradients: u64::from(self.steps) * u64::from(self.rivals(classes)), queries: u64::from(self.steps) }
    }

    fn norms(&self) -> &'static [Norm] {
        &[Norm::Linf, Norm::L2]
    }

    fn validate(&self) -> Result<(), Invalid> {
        check_budget(self.steps, 1)?;
        if self.candidates < 2 {
            return Err(Invalid::at("candidates", "at least two classes must be considered, the true one included"));
        }
        if !(0.0..=1.0).contains(&self.overshoot) {
            return Err(Invalid::at("overshoot", format!("`overshoot` must lie in [0, 1], not {}", self.overshoot)));
        }
        Ok(())
    }

    fn propose(&self, round: &mut Round<'_>) -> Result<Proposals, Failure> {
        let pixels = round.pixels();
        let mut search = Search::new(round, round.images.to_vec())?;
        let mut current = round.images.to_vec();
        let mut total = vec![0.0; current.len()];
        for step in 1..=self.steps {
            if search.active.is_empty() {
                break;
            }
            let steps = self.steps(round, &mut search, &current)?;
            for (&row, (_, step)) in search.active.iter().zip(steps) {
                let places = total.iter_mut().skip(row * pixels).zip(slice(round.images, row, pixels));
                for ((x, (total, x0)), step) in slice_mut(&mut current, row, pixels).iter_mut().zip(places).zip(step) {
                    *total += step;
                    *x = (f64::from(*x0) + (1.0 + self.overshoot) * *total).clamp(0.0, 1.0) as f32;
                }
            }
            let logits = search.logits(round, &current)?;
            let classes = round.victim.classes();
            let mut left = Vec::new();
            for (index, row) in search.active.clone().into_iter().enumerate() {
                let label = round.cases.get(row).map_or(0, |case| case.label);
                let (x, original) = (slice(&current, row, pixels), slice(round.images, row, pixels));
                if margin(slice(&logits, index, classes), label) > 0.0 {
                    left.push(row);
                } else {
                    search.offer(row, round.ball.distance(x, original), (x, step));
                }
            }
            search.active = left;
        }
        Ok(search.close())
    }
}
