//! How an image moves, in each norm.

use planish_formats::Norm;
use planish_nn::{Ball, Stream};

/// The first step over ε.
fn first_step(norm: Norm) -> f32 {
    if norm == Norm::L1 { 1.0 } else { 2.0 }
}

/// Where a run starts: at distance ε in a random direction (projected in L1), clipped to `[0,1]`.
pub(super) fn start(ball: Ball, stream: &mut Stream, original: &[f32]) -> Vec<f32> {
    let direction: Vec<f32> = match ball.norm {
        Norm::Linf => original.iter().map(|_| stream.uniform(-1.0, 1.0)).collect(),
        Norm::L2 | Norm::L1 => original.iter().map(|_| stream.normal()).collect(),
    };
    let length = match ball.norm {
        Norm::Linf => direction.iter().fold(0.0, |most: f32, d| most.max(d.abs())),
        Norm::L2 => norm(&direction),
        Norm::L1 => ball.eps,
    };
    let mut start: Vec<f32> = original.iter().zip(&direction).map(|(x, d)| x + ball.eps * (d / (length + 1e-12))).collect();
    if ball.norm != Norm::L1 {
        for x in &mut start {
            *x = x.clamp(0.0, 1.0);
        }
    }
    start
}

fn norm(values: &[f32]) -> f32 {
    values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt() as f32
}

/// One image on its way.
pub(super) struct Place {
    pub(super) x: Vec<f32>,
    pub(super) best: Vec<f32>,
    pub(super) best_loss: f32,
    old: Vec<f32>,
    gradient: Vec<f32>,
    best_gradient: Vec<f32>,
    step: f32,
    /// In L1: the share of pixels that a step moves, how many pixels differed at the last checkpoint, how many do now, and ε.
    share: f32,
    changed: f32,
    original: Vec<f32>,
    eps: f32,
}

impl Place {
    /// At `x`; `sparse_from_start` tells how a step in L1 chooses its pixels at first: as many as differ there, or a fifth.
    pub(super) fn new(ball: Ball, sparse_from_start: bool, x: &[f32], original: &[f32]) -> Self {
        let (share, changed) = if sparse_from_start {
            let changed = differing(x, original);
            (changed / x.len().max(1) as f32 / 1.5, changed)
        } else {
            (0.2, x.len() as f32)
        };
        let original = if ball.norm == Norm::L1 { original.to_vec() } else { Vec::new() };
        Place {
            x: x.to_vec(),
            best: x.to_vec(),
            best_loss: f32::NEG_INFINITY,
            old: x.to_vec(),
            gradient: Vec::new(),
            best_gradient: Vec::new(),
            step: first_step(ball.norm) * ball.eps,
            share,
            changed,
            original,
            eps: ball.eps,
        }
    }

    /// Takes note of loss and gradient at `x`.
    pub(super) fn arrive(&mut self, loss: f32, gradient: &[f32]) {
        self.gradient = gradient.to_vec();
        if loss > self.best_loss {
            self.best_loss = loss;
            self.best.clone_from(&self.x);
            self.best_gradient.clone_from(&self.gradient);
        }
    }

    fn return_to_best(&mut self) {
        self.x.clone_from(&self.best);
        self.gradient.clone_from(&self.best_gradient);
    }

    /// Halves the step and returns to the best point.
    pub(super) fn halve(&mut self) {
        self.step /= 2.0;
        self.return_to_best();
    }

    /// At a checkpoint in L1: steps move as many pixels as the best point differs in, over 1.5. Where those became fewer by a twentieth
    /// the step grows to its first size again and the search returns to the best point, else it shrinks by 1.5, down to a tenth.
    pub(super) fn adapt_sparsity(&mut self) {
        let changed = differing(&self.best, &self.original);
        self.share = changed / self.best.len().max(1) as f32 / 1.5;
        let first = first_step(Norm::L1) * self.eps;
        if changed / self.changed < 0.95 {
            self.step = first;
            self.return_to_best();
        } else {
            self.step = (self.step / 1.5).clamp(first / 10.0, first);
        }
        self.changed = changed;
    }

    /// Makes step `number` (from 0): three quarters of a projected step and a quarter of the last move; the first step is whole.
    pub(super) fn go(&mut self, ball: Ball, number: u32, original: &[f32]) {
        let share = if number > 0 { 0.75 } else { 1.0 };
        let last: Vec<f32> = self.x.iter().zip(&self.old).map(|(x, old)| x - old).collect();
        self.old.clone_from(&self.x);
        match ball.norm {
            Norm::Linf => {
                self.x.iter_mut().zip(&self.gradient).for_each(|(x, g)| *x += self.step * sign(*g));
            }
            Norm::L2 => {
                let length = norm(&self.gradient) + 1e-12;
                self.x.iter_mut().zip(&self.gradient).for_each(|(x, g)| *x += self.step * (g / length));
            }
            Norm::L1 => {
                self.sparse_step();
                ball.project(&mut self.x, original);
                return;
            }
        }
        ball.project(&mut self.x, original);
        for ((x, old), last) in self.x.iter_mut().zip(&self.old).zip(last) {
            *x = old + (*x - old) * share + last * (1.0 - share);
        }
        ball.project(&mut self.x, original);
    }

    fn sparse_step(&mut self) {
        let mut sizes: Vec<f32> = self.gradient.iter().map(|g| g.abs()).collect();
        let count = sizes.len();
        let at = (((1.0 - self.share) * count as f32).max(0.0) as usize).min(count.saturating_sub(1));
        sizes.sort_unstable_by(f32::total_cmp);
        let least = sizes.get(at).copied().unwrap_or_default();
        let direction = |g: f32| if g.abs() >= least { sign(g) } else { 0.0 };
        let moved = self.gradient.iter().filter(|g| direction(**g) != 0.0).count() as f32;
        self.x.iter_mut().zip(&self.gradient).for_each(|(x, g)| *x += self.step * direction(*g) / (moved + 1e-10));
    }
}

/// In how many pixels two images differ.
fn differing(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).filter(|(a, b)| a.to_bits() != b.to_bits()).count() as f32
}

/// The sign; 0 of 0.
fn sign(value: f32) -> f32 {
    if value == 0.0 { 0.0 } else { value.signum() }
}
