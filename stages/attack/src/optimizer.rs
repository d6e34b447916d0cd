//! How an iterative attack turns a gradient into a step.

use planish_contract::Invalid;
use planish_formats::Norm;
use planish_nn::StepSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Optimizer {
    /// Steepest ascent in the threat model's norm. L∞: along the sign of the gradient (Madry et al., arXiv 1706.06083). L2: along the
    /// gradient, divided by its norm. L1: along the signs of its largest hundredth, so many pixels share the step (SLIDE: Tramèr and
    /// Boneh, arXiv 1904.13000).
    Sign,
    /// Adam on the raw gradient, betas 0.9 and 0.999, epsilon 1e-9, fresh state for every restart (as the released code of
    /// the LLR paper; llr.md §1 and §5).
    Adam,
}

impl Optimizer {
    /// The step size where none is given: a quarter of ε for sign steps, 0.1 for Adam.
    #[must_use]
    pub fn default_step_size(self) -> StepSize {
        match self {
            Optimizer::Sign => StepSize::Relative(0.25),
            Optimizer::Adam => StepSize::Absolute(0.1),
        }
    }

    /// The decay where none is given: none for sign steps, to a tenth for Adam.
    #[must_use]
    pub fn default_decay(self) -> f64 {
        match self {
            Optimizer::Sign => 1.0,
            Optimizer::Adam => 0.1,
        }
    }
}

/// How steps are made: the kind, the size of the first one, and what is left of the size at the last one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// The kind of step.
    pub optimizer: Optimizer,
    /// The size of the first step, in units of pixels (`[0,1]`) or of ε.
    pub step_size: StepSize,
    /// The size of the last step over that of the first; sizes in between are geometric.
    pub decay: f64,
}

impl Update {
    /// Checks the ranges.
    ///
    /// # Errors
    /// The first parameter that can't be used, by the name it has in every attack.
    pub fn validate(&self) -> Result<(), Invalid> {
        let size = self.step_size.value(1.0);
        if !(size > 0.0 && size.is_finite()) {
            return Err(Invalid::at("step_size", "the step size must be positive").hint("for example \"0.25 eps\" or 0.003"));
        }
        if !(self.decay > 0.0 && self.decay <= 1.0) {
            return Err(Invalid::at("decay", "the decay must lie in (0, 1]").hint("1 keeps the step size, 0.1 ends with a tenth of it"));
        }
        Ok(())
    }

    /// The size of step `step` (from 0) of `steps`, at radius `eps`.
    #[must_use]
    pub fn size(&self, step: u32, steps: u32, eps: f64) -> f64 {
        let share = if steps > 1 { f64::from(step) / f64::from(steps - 1) } else { 0.0 };
        self.step_size.value(eps) * self.decay.powf(share)
    }
}

/// The memory of an [`Optimizer`] for a number of images.
#[derive(Debug)]
pub struct Memory {
    optimizer: Optimizer,
    norm: Norm,
    pixels: usize,
    first: Vec<f32>,
    second: Vec<f32>,
}

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-9;

impl Memory {
    /// A fresh memory for `images` images of `pixels` values under a threat model in `norm`.
    #[must_use]
    pub fn new(optimizer: Optimizer, (images, pixels): (usize, usize), norm: Norm) -> Self {
        let length = if optimizer == Optimizer::Adam { images * pixels } else { 0 };
        Memory { optimizer, norm, pixels, first: vec![0.0; length], second: vec![0.0; length] }
    }

    /// Moves image number `image` uphill: `x` `[c * h * w]` along `gradient`, in its step number `step` (from 0) of size `size`.
    pub fn step(&mut self, image: usize, step: u32, size: f64, (x, gradient): (&mut [f32], &[f32])) {
        match self.optimizer {
            Optimizer::Sign => steepest_step(self.norm, size, x, gradient),
            Optimizer::Adam => {
                let range = image * self.pixels..(image + 1) * self.pixels;
                if let (Some(first), Some(second)) = (self.first.get_mut(range.clone()), self.second.get_mut(range)) {
                    adam_step((first, second), (step, size), x, gradient);
                }
            }
        }
    }
}

fn steepest_step(norm: Norm, size: f64, x: &mut [f32], gradient: &[f32]) {
    match norm {
        Norm::Linf => sign_step(size, x, gradient),
        Norm::L2 => {
            let length = gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
            if length > 0.0 {
                x.iter_mut().zip(gradient).for_each(|(x, &g)| *x += (size * f64::from(g) / length) as f32);
            }
        }
        Norm::L1 => {
            let mut sizes: Vec<f32> = gradient.iter().map(|g| g.abs()).collect();
            sizes.sort_unstable_by(f32::total_cmp);
            let least = sizes.len().checked_sub((sizes.len() / 100).max(1)).and_then(|at| sizes.get(at)).copied().unwrap_or(0.0);
            let sparse: Vec<f32> = gradient.iter().map(|&g| if g.abs() >= least { g } else { 0.0 }).collect();
            let moved = sparse.iter().filter(|g| **g != 0.0).count().max(1);
            sign_step(size / moved as f64, x, &sparse);
        }
    }
}

fn sign_step(size: f64, x: &mut [f32], gradient: &[f32]) {
    let size = size as f32;
    for (x, &g) in x.iter_mut().zip(gradient) {
        // `signum` of zero is one; a pixel without a gradient must stay.
        if g != 0.0 {
            *x += size * g.signum();
        }
    }
}

fn adam_step((first, second): (&mut [f32], &mut [f32]), (step, size): (u32, f64), x: &mut [f32], gradient: &[f32]) {
    let count = i32::try_from(step).unwrap_or(i32::MAX).saturating_add(1);
    let (correct_1, correct_2) = (1.0 - BETA_1.powi(count), 1.0 - BETA_2.powi(count));
    for (((x, &g), m), v) in x.iter_mut().zip(gradient).zip(first).zip(second) {
        let g = f64::from(g);
        let mean = BETA_1 * f64::from(*m) + (1.0 - BETA_1) * g;
        let square = BETA_2 * f64::from(*v) + (1.0 - BETA_2) * g * g;
        (*m, *v) = (mean as f32, square as f32);
        *x += (size * (mean / correct_1) / ((square / correct_2).sqrt() + EPSILON)) as f32;
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use super::*;

    #[test]
    fn sign_steps_leave_flat_pixels_alone() {
        let mut x = [0.5, 0.5, 0.5];
        Memory::new(Optimizer::Sign, (1, 3), Norm::Linf).step(0, 0, 0.1, (&mut x, &[2.0, 0.0, -1e-30]));
        assert_eq!(x, [0.6, 0.5, 0.4]);
    }

    #[test]
    fn steepest_steps_have_the_size_in_their_norm() {
        let mut x = [0.0; 2];
        Memory::new(Optimizer::Sign, (1, 2), Norm::L2).step(0, 0, 0.5, (&mut x, &[3.0, -4.0]));
        assert!((x[0] - 0.3).abs() < 1e-6 && (x[1] + 0.4).abs() < 1e-6);
        let mut x = [0.0; 250];
        let gradient: Vec<f32> = (0..250).map(|i| i as f32 - 100.0).collect();
        Memory::new(Optimizer::Sign, (1, 250), Norm::L1).step(0, 0, 1.0, (&mut x, &gradient));
        assert_eq!((x[0], x[247], x[248], x[249]), (0.0, 0.0, 0.5, 0.5));
    }

    #[test]
    fn adam_by_hand() {
        let mut memory = Memory::new(Optimizer::Adam, (2, 1), Norm::Linf);
        let mut x = [0.0];
        // The first step has the full size whatever the gradient's scale; image 0 does not touch image 1.
        memory.step(1, 0, 0.1, (&mut x, &[1e-3]));
        assert!((x[0] - 0.1).abs() < 1e-6);
        memory.step(1, 1, 0.1, (&mut x, &[-1e-3]));
        let (m, v) = (0.9 * 0.1e-3 - 0.1e-3, 0.999 * 0.001e-6 + 0.001e-6);
        let expected = 0.1 + 0.1 * (m / (1.0 - 0.81)) / ((v / (1.0_f64 - 0.998_001)).sqrt() + 1e-9);
        assert!((f64::from(x[0]) - expected).abs() < 1e-6, "{x:?} {expected}");
        let mut other = [0.0];
        memory.step(0, 0, 0.1, (&mut other, &[-5.0]));
        assert!((other[0] + 0.1).abs() < 1e-6);
    }

    #[test]
    fn sizes_decay_geometrically() {
        let update = Update { optimizer: Optimizer::Adam, step_size: StepSize::Absolute(0.1), decay: 0.1 };
        assert!((update.size(0, 3, 0.5) - 0.1).abs() < 1e-12);
        assert!((update.size(1, 3, 0.5) - 0.1 * 0.1_f64.sqrt()).abs() < 1e-12);
        assert!((update.size(2, 3, 0.5) - 0.01).abs() < 1e-12);
        assert!((update.size(0, 1, 0.5) - 0.1).abs() < 1e-12);
    }
}
