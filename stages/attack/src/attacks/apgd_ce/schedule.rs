//! When an image's step size shrinks.

use planish_formats::Norm;

use super::step::Place;

/// The checkpoints of one image.
pub(super) struct Schedule {
    norm: Norm,
    rho: f64,
    /// Steps between checkpoints, now and at the least, and by how many it falls.
    interval: u32,
    least: u32,
    fall: u32,
    since: u32,
    /// The losses of all steps.
    losses: Vec<f32>,
    best_at_check: f32,
    reduced: bool,
}

impl Schedule {
    /// First checkpoint after 22 % of the steps, intervals that shrink by 3 % down to 6 %; in L1 every 4 %.
    pub(super) fn new(norm: Norm, steps: u32, rho: f64) -> Self {
        let share = |percent: u64| u32::try_from(u64::from(steps) * percent / 100).unwrap_or(u32::MAX).max(1);
        let (interval, least, fall) = if norm == Norm::L1 { (share(4), share(4), 0) } else { (share(22), share(6), share(3)) };
        Schedule { norm, rho, interval, least, fall, since: 0, losses: Vec::new(), best_at_check: f32::NEG_INFINITY, reduced: true }
    }

    /// Takes note of the loss of iterate `number` (0: the start), and at a checkpoint changes the step size of `place` and brings it back to
    /// its best point.
    pub(super) fn note(&mut self, number: u32, loss: f32, place: &mut Place) {
        if number == 0 {
            self.best_at_check = loss;
            return;
        }
        self.losses.push(loss);
        self.since += 1;
        if self.since < self.interval {
            return;
        }
        if self.norm == Norm::L1 {
            place.adapt_sparsity();
        } else {
            let stalled = !self.reduced && self.best_at_check >= place.best_loss;
            self.reduced = self.oscillates() || stalled;
            self.best_at_check = place.best_loss;
            if self.reduced {
                place.halve();
            }
            self.interval = self.interval.saturating_sub(self.fall).max(self.least);
        }
        self.since = 0;
    }

    /// Whether too few of the last steps raised the loss. As in the official code the step before the first one counts as a loss of 0.
    fn oscillates(&self) -> bool {
        let interval = self.interval as usize;
        let first = self.losses.len().saturating_sub(interval);
        let rises = (first..self.losses.len()).filter(|&at| {
            let before = at.checked_sub(1).and_then(|before| self.losses.get(before)).copied().unwrap_or(0.0);
            self.losses.get(at).is_some_and(|loss| *loss > before)
        });
        rises.count() as f64 <= interval as f64 * self.rho
    }
}
