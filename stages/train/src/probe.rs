//! What is measured on fixed images along a training: how linear the loss stays, and whether robustness holds.

use planish_contract::{Failure, Invalid};
use planish_formats::Probed;
use planish_formats::measurement::Summary;
use planish_nn::loss::cross_entropy;
use planish_nn::{Parameters, Statistics, StepSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ascent::{Ascent, Optimizer};
use crate::held_out::{HeldOut, Rows, correct, in_both};
use crate::input_gradient::{Gradients, InputGradient};
use crate::linearity::{ascent_direction, residuals};
use crate::objective::{label_tensor, to_host};

/// What is measured on the first images of the validation split before the first step, every so many steps, and after the last one, at
/// the full radius and under the running statistics: accuracy and loss; the same at the end of a search with sign steps on the cross-entropy; and γ(ε, x),
/// the largest linearity error (figure 2 of the paper, from memory). Starts are the same each time. Of the weights themselves, never their averages.
///
/// Catastrophic overfitting is marked in the history where, from earlier probes to this one, accuracy under the search falls below `fall` times
/// its best, which was at least twice that of chance; or the mean γ is at least `least_gamma` and more than `rise` times its median over the last five, of at least three.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Probe {
    /// After how many steps it measures.
    pub every: u64,
    /// How many validation images.
    pub images: usize,
    /// Steps of either search.
    pub steps: u32,
    /// The step of the search on the cross-entropy. Unit of the image, or a part of ε.
    pub step_size: StepSize,
    /// The step of the search for γ, Adam's learning rate (0.1 in LLR's released code).
    pub gamma_step_size: StepSize,
    /// See above; in (0, 1).
    pub fall: f64,
    /// See above; more than 1.
    pub rise: f64,
    /// See above; in nats.
    pub least_gamma: f64,
}

impl Default for Probe {
    fn default() -> Self {
        Probe {
            every: 200,
            images: 64,
            steps: 10,
            step_size: StepSize::Relative(0.25),
            gamma_step_size: StepSize::Absolute(0.1),
            fall: 0.5,
            rise: 4.0,
            least_gamma: 1.0,
        }
    }
}

impl Probe {
    fn attack(&self) -> Ascent {
        Ascent { steps: self.steps, step_size: self.step_size, optimizer: Optimizer::Sign, scale: 1.0 }
    }

    fn search(&self) -> Ascent {
        Ascent { steps: self.steps, step_size: self.gamma_step_size, optimizer: Optimizer::Adam, scale: 1.0 }
    }

    /// Checks the ranges; `path` is where they stand in the parameters.
    ///
    /// # Errors
    /// The first value that can't be used.
    pub fn validate(&self, path: &str) -> Result<(), Invalid> {
        if self.every == 0 {
            return Err(Invalid::at(&format!("{path}.every"), "0 is no interval").hint("write at least 1"));
        }
        if self.images == 0 {
            return Err(
                Invalid::at(&format!("{path}.images"), "nothing is measured on 0 images").hint("leave `probe` out to measure nothing")
            );
        }
        self.attack().validate(path)?;
        if self.search().validate(path).is_err() {
            let message = format!("{} is not a positive step", self.gamma_step_size);
            return Err(Invalid::at(&format!("{path}.gamma_step_size"), message));
        }
        if !(self.fall > 0.0 && self.fall < 1.0) {
            return Err(Invalid::at(&format!("{path}.fall"), format!("{} is not in (0, 1)", self.fall)));
        }
        if !(self.rise > 1.0 && self.rise.is_finite()) {
            return Err(Invalid::at(&format!("{path}.rise"), format!("{} is not a factor above 1", self.rise)));
        }
        if !(self.least_gamma >= 0.0 && self.least_gamma.is_finite()) {
            return Err(Invalid::at(&format!("{path}.least_gamma"), format!("{} is not a number, at least 0", self.least_gamma)));
        }
        Ok(())
    }

    /// Whether it measures after `step` steps of `total`.
    #[must_use]
    pub fn due(&self, step: u64, total: u64) -> bool {
        step.is_multiple_of(self.every) || step == total
    }

    /// What `now` shows of catastrophic overfitting after `before`, in words; `classes` tell what chance is.
    #[must_use]
    pub fn sign(&self, before: &[Probed], now: &Probed, classes: usize) -> Option<String> {
        let best = before.iter().map(|probed| probed.robust_accuracy).fold(0.0, f64::max);
        if best >= 2.0 / classes.max(1) as f64 && now.robust_accuracy < self.fall * best {
            let percent = |share: f64| 100.0 * share;
            return Some(format!(
                "accuracy under {} steps fell from {:.1} % to {:.1} %",
                self.steps,
                percent(best),
                percent(now.robust_accuracy)
            ));
        }
        let last = &before[before.len().saturating_sub(5)..];
        if last.len() < 3 {
            return None;
        }
        let means: Vec<f32> = last.iter().map(|probed| probed.gamma.mean as f32).collect();
        let usual = Summary::of(&means)?.median;
        let risen = now.gamma.mean >= self.least_gamma && now.gamma.mean > self.rise * usual;
        risen.then(|| format!("the mean local linearity measure rose from {usual:.3} to {:.3} nats", now.gamma.mean))
    }

    /// [`Probe::sign`] where the probe before `now` showed none: the first of several in a row.
    #[must_use]
    pub fn first_sign(&self, before: &[Probed], now: &Probed, classes: usize) -> Option<String> {
        let goes_on = before.split_last().is_some_and(|(last, earlier)| self.sign(earlier, last, classes).is_some());
        self.sign(before, now, classes).filter(|_| !goes_on)
    }
}

/// One number an image.
#[derive(Default)]
struct Found {
    losses: Vec<f32>,
    right: usize,
    robust_losses: Vec<f32>,
    standing: usize,
    gamma: Vec<f32>,
}

/// Losses and gradients at images `[n, c, h, w]`.
type Slopes<'a> = &'a dyn Fn(&[f32]) -> Result<Gradients, Failure>;

/// Losses at images `[n, c, h, w]`.
type Losses<'a> = &'a dyn Fn(&[f32]) -> Result<Vec<f32>, Failure>;

impl Probe {
    /// What a network of (weights, running statistics) shows after `step` steps.
    ///
    /// # Errors
    /// Those of the passes through the network.
    pub(crate) fn measure(&self, held: &HeldOut<'_>, step: u64, (weights, running): (&Parameters, &Statistics)) -> Result<Probed, Failure> {
        let frozen = weights.constant_on_autodiff();
        let network = InputGradient::new(held.network, &frozen, running, held.device);
        let images = self.images.min(held.split.len());
        let mut found = Found::default();
        for rows in held.rows(images) {
            self.measure_rows(held, &network, &rows, &mut found)?;
        }
        let mean = |values: &[f32]| values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len().max(1) as f64;
        Ok(Probed {
            step,
            accuracy: found.right as f64 / images.max(1) as f64,
            loss: mean(&found.losses),
            robust_accuracy: found.standing as f64 / images.max(1) as f64,
            robust_loss: mean(&found.robust_losses),
            gamma: Summary::of(&found.gamma).ok_or_else(|| Failure::internal("the probe has no images"))?,
        })
    }

    fn measure_rows(&self, held: &HeldOut<'_>, network: &InputGradient<'_>, rows: &Rows<'_>, found: &mut Found) -> Result<(), Failure> {
        let labels = label_tensor(rows.labels, held.device);
        let slopes = |images: &[f32]| network.at(images, &|logits| cross_entropy(logits, &labels));
        let losses = |images: &[f32]| to_host(cross_entropy(network.logits(images), &labels));
        let clean = slopes(&rows.images)?;
        found.losses.extend(&clean.losses);
        let before = correct(network.logits(&rows.images), rows.labels)?;
        found.right += before.iter().filter(|right| **right).count();
        let start = held.start(rows, "probe start");
        let attacked = self.attack().climb(&held.ball, rows.original(), start, &mut |images| Ok(slopes(images)?.gradient))?;
        let logits = network.logits(&attacked);
        found.robust_losses.extend(to_host(cross_entropy(logits.clone(), &labels))?);
        let after = correct(logits, rows.labels)?;
        found.standing += in_both(&before, &after);
        found.gamma.extend(self.gamma(held, rows, (&clean, &slopes, &losses))?);
        Ok(())
    }

    /// The largest linearity error of each image among the iterates of the search, `[n]`.
    fn gamma(
        &self,
        held: &HeldOut<'_>,
        rows: &Rows<'_>,
        (clean, slopes, losses): (&Gradients, Slopes<'_>, Losses<'_>),
    ) -> Result<Vec<f32>, Failure> {
        let mut largest = vec![0.0_f32; rows.ids.len()];
        let mut hear = |images: &[f32], there: &[f32]| {
            let residuals = residuals(&rows.images, clean, images, there);
            largest.iter_mut().zip(&residuals).for_each(|(largest, residual)| *largest = largest.max(residual.abs() as f32));
            residuals
        };
        let last = self.search().climb(&held.ball, rows.original(), held.start(rows, "probe linearity start"), &mut |images| {
            let there = slopes(images)?;
            let residuals = hear(images, &there.losses);
            let mut direction = there.gradient;
            ascent_direction(clean, &residuals, &mut direction);
            Ok(direction)
        })?;
        hear(&last, &losses(&last)?);
        Ok(largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(robust_accuracy: f64, gamma: f32) -> Probed {
        let gamma = Summary::of(&[gamma]).unwrap();
        Probed { step: 0, accuracy: 0.8, loss: 0.5, robust_accuracy, robust_loss: 1.0, gamma }
    }

    #[test]
    fn a_fall_of_robust_accuracy_is_a_sign_once() {
        let probe = Probe::default();
        let before = [probed(0.2, 0.1), probed(0.4, 0.1)];
        assert!(probe.first_sign(&before, &probed(0.3, 0.2), 10).is_none());
        let sign = probe.first_sign(&before, &probed(0.05, 0.2), 10).unwrap();
        assert!(sign.contains("40.0 % to 5.0 %"), "{sign}");
        let fallen = [probed(0.2, 0.1), probed(0.4, 0.1), probed(0.05, 0.1)];
        assert!(probe.first_sign(&fallen, &probed(0.0, 0.1), 10).is_none());
        assert!(probe.sign(&fallen, &probed(0.0, 0.1), 10).is_some());
    }

    #[test]
    fn accuracy_near_chance_may_wander() {
        let probe = Probe::default();
        assert!(probe.sign(&[probed(0.15, 0.1)], &probed(0.02, 0.1), 10).is_none());
        assert!(probe.sign(&[], &probed(0.02, 9.0), 10).is_none());
    }

    #[test]
    fn a_sudden_rise_of_gamma_is_a_sign_and_a_slow_one_is_not() {
        let probe = Probe::default();
        let before = [probed(0.4, 0.2), probed(0.4, 0.3), probed(0.4, 0.3)];
        assert!(probe.sign(&before, &probed(0.4, 5.0), 10).unwrap().contains("0.300 to 5.000"));
        assert!(probe.sign(&before, &probed(0.4, 1.1), 10).is_none());
        let small = [probed(0.4, 0.001), probed(0.4, 0.001), probed(0.4, 0.001)];
        assert!(probe.sign(&small, &probed(0.4, 0.9), 10).is_none());
        assert!(probe.sign(&before[..2], &probed(0.4, 5.0), 10).is_none());
    }

    #[test]
    fn it_measures_at_both_ends_and_in_between() {
        let probe = Probe { every: 4, ..Probe::default() };
        let due: Vec<u64> = (0..=10).filter(|step| probe.due(*step, 10)).collect();
        assert_eq!(due, [0, 4, 8, 10]);
    }
}
