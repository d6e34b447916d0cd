//! The checks: a new one is a function and its line in [`ALL`].

use planish_contract::Failure;
use planish_formats::{MaskingCheck, Verdict};

use super::probe::Probe;
use crate::search::{Start, slice};

/// What a check found: its number, where that turns the verdict, and in words.
type Found = (f64, f64, String);

/// A check.
pub(super) struct Check {
    name: &'static str,
    needs_gradients: bool,
    look: fn(&mut Probe<'_>) -> Result<Found, Failure>,
}

/// All checks, in the order of the report.
pub(super) const ALL: [Check; 8] = [
    Check { name: "randomised-outputs", needs_gradients: false, look: randomised_outputs },
    Check { name: "probability-outputs", needs_gradients: false, look: probability_outputs },
    Check { name: "zero-gradients", needs_gradients: true, look: zero_gradients },
    Check { name: "loss-not-rising", needs_gradients: true, look: loss_not_rising },
    Check { name: "start-matters", needs_gradients: true, look: start_matters },
    Check { name: "more-steps-help", needs_gradients: true, look: more_steps_help },
    Check { name: "gradient-free-is-stronger", needs_gradients: true, look: gradient_free_is_stronger },
    Check { name: "eps-sweep", needs_gradients: true, look: eps_sweep },
];

/// Fewer images than this decide nothing.
const LEAST_IMAGES: usize = 4;

impl Check {
    /// Fails when the number is above its bound.
    pub(super) fn run(&self, probe: &mut Probe<'_>) -> Result<MaskingCheck, Failure> {
        let name = self.name.to_owned();
        if let (true, Some(reason)) = (self.needs_gradients, probe.no_gradients()) {
            let finding = format!("the model gives no gradients: {reason}");
            return Ok(MaskingCheck { name, verdict: Verdict::Undecided, value: 0.0, bound: 0.0, finding });
        }
        let (value, bound, finding) = (self.look)(probe)?;
        let verdict = match probe.images.len() {
            0..LEAST_IMAGES => Verdict::Undecided,
            _ if value > bound => Verdict::Failed,
            _ => Verdict::Passed,
        };
        Ok(MaskingCheck { name, verdict, value, bound, finding })
    }
}

fn share(count: usize, probe: &Probe<'_>) -> f64 {
    count as f64 / probe.images.len().max(1) as f64
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// The same images give the same logits (`check_randomized` of `AutoAttack`: normalised logits differ by 1e-4 at most).
fn randomised_outputs(probe: &mut Probe<'_>) -> Result<Found, Failure> {
    const PASSES: usize = 3;
    let first = probe.judged_logits()?;
    let length = |row: &[f32]| row.iter().map(|z| f64::from(*z) * f64::from(*z)).sum::<f64>().sqrt() + 1e-10;
    let mut widest: f64 = 0.0;
    for _ in 1..PASSES {
        let again = probe.judged_logits()?;
        for (a, b) in first.chunks(probe.classes()).zip(again.chunks(probe.classes())) {
            let (la, lb) = (length(a), length(b));
            let apart = a.iter().zip(b).map(|(a, b)| (f64::from(*a) / la - f64::from(*b) / lb).powi(2)).sum::<f64>().sqrt();
            widest = widest.max(apart);
        }
    }
    Ok((widest, 1e-4, format!("normalised logits of the same image differ by up to {widest:.1e}")))
}

/// The outputs are logits, not probabilities, whose gradients vanish (`check_range_output` of `AutoAttack`).
fn probability_outputs(probe: &mut Probe<'_>) -> Result<Found, Failure> {
    const SLACK: f64 = 1e-5;
    let logits = probe.judged_logits()?;
    let is_distribution = |row: &&[f32]| {
        let sum: f64 = row.iter().map(|z| f64::from(*z)).sum();
        (sum - 1.0).abs() < SLACK && row.iter().all(|z| (-SLACK..1.0 + SLACK).contains(&f64::from(*z)))
    };
    let count = logits.chunks(probe.classes()).filter(is_distribution).count();
    let value = share(count, probe);
    Ok((value, 0.5, format!("{} of the outputs are non-negative and sum to 1", percent(value))))
}

/// Gradients of the cross-entropy at the images are not zero.
fn zero_gradients(probe: &mut Probe<'_>) -> Result<Found, Failure> {
    let (_, gradient) = probe.gradient(&probe.pixels())?;
    let zero = (0..probe.images.len()).filter(|&row| slice(&gradient, row, probe.images.image_len()).iter().all(|g| *g == 0.0)).count();
    let value = share(zero, probe);
    Ok((value, 0.05, format!("the gradient is zero at {} of the images", percent(value))))
}

/// Small steps uphill raise the loss.
fn loss_not_rising(probe: &mut Probe<'_>) -> Result<Found, Failure> {
    let path = probe.path()?;
    let stuck = path.iter().filter(|(first, last)| last <= first).count();
    let value = share(stuck, probe);
    let finding = format!("the loss does not rise along {} small steps uphill for {} of the images", probe.steps(1), percent(value));
    Ok((value, 0.1, finding))
}

/// An attack from a random point finds no more than one from the image: the image is no special place of the loss.
fn start_matters(probe: &mut Probe<'_>) -> Result<Found, Failure> {
    let eps = probe.eps();
    let (from_image, from_random) = (probe.on_margin(Start::Zero), probe.on_margin(Start::Uniform));
    let (a, b) = (probe.standing(vec![from_image], eps)?, probe.standing(vec![from_random], eps)?);
    let only_random = a.iter().zip(&b).filter(|(image, random)| **image && !**random).count();
    let value = share(only_random, probe);
    let finding = format!("{} of the images fall from a random start but not from the image itself", percent(value));
    Ok((value, 0.2, finding))
}

/// Five times the steps break few more images: the search has converged.
fn more_steps_help(probe: &mut Probe<'_>) -> Result<Found, Failure> {
    const TIMES: u32 = 5;
    let eps = probe.eps();
    let (few, many) = (probe.pgd(1), probe.pgd(TIMES));
    let (few, many) = (probe.standing(vec![few], eps)?, probe.standing(vec![many], eps)?);
    let more = few.iter().zip(&many).filter(|(few, many)| **few && !**many).count();
    let value = share(more, probe);
    let finding = format!("{} of the images fall to {} steps but not to {}", percent(value), probe.steps(TIMES), probe.steps(1));
    Ok((value, 0.2, finding))
}

/// An attack without gradients breaks hardly anything that gradients leave (`check_square_sr` of `AutoAttack`).
fn gradient_free_is_stronger(probe: &mut Probe<'_>) -> Result<Found, Failure> {
    let eps = probe.eps();
    let white = vec![probe.pgd(1), probe.on_margin(Start::Uniform)];
    let free = vec![probe.square()];
    let (white, free) = (probe.standing(white, eps)?, probe.standing(free, eps)?);
    let only_free = white.iter().zip(&free).filter(|(white, free)| **white && !**free).count();
    let value = share(only_free, probe);
    let finding = format!("{} of the images fall to an attack without gradients but not to those with them", percent(value));
    Ok((value, 0.1, finding))
}

/// Without a bound every image falls, and a larger radius does not leave more images standing.
fn eps_sweep(probe: &mut Probe<'_>) -> Result<Found, Failure> {
    let (eps, whole) = (probe.eps(), probe.whole());
    let mut radii: Vec<f64> = [eps / 2.0, eps, eps * 2.0, whole / 2.0, whole].into_iter().filter(|radius| *radius <= whole).collect();
    radii.sort_by(f64::total_cmp);
    let mut left = Vec::new();
    for radius in radii {
        let attacks = vec![probe.pgd(2), probe.on_margin(Start::Uniform)];
        let standing = probe.standing(attacks, radius)?;
        left.push((radius, share(standing.iter().filter(|stands| **stands).count(), probe)));
    }
    // A rise along the radii counts as much as what is left in the end.
    let rise = left.windows(2).map(|pair| if let [a, b] = pair { b.1 - a.1 } else { 0.0 }).fold(0.0, f64::max);
    let value = left.last().map_or(0.0, |(_, share)| *share).max(rise);
    let steps: Vec<String> = left.iter().map(|(radius, share)| format!("{} at {radius:.4}", percent(*share))).collect();
    Ok((value, 0.1, format!("accuracy by radius: {}", steps.join(", "))))
}
