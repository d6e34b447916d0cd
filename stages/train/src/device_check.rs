//! Whether a device computes what the processor computes, and how fast: what `planish doctor --device` tells.

use std::time::Instant;

use planish_contract::Failure;
use planish_formats::median;
pub use planish_nn::Device;
pub use planish_nn::device::{is_card, is_processor};
use planish_nn::networks::AnyNetwork;
use planish_nn::vectors::norm;
use planish_nn::{DeviceName, device};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::objective::{Objective, WeightGradients, to_host};
use crate::objectives::AnyObjective;
use crate::rehearsal::Rehearsal;

/// Images of the steps that are compared.
const COMPARED: usize = 16;
/// Up to here a difference is that of another order of sums.
const ROUNDING: f64 = 1e-4;
/// Up to here it is that of operands with fewer digits, as tensor cores take them (TF32 has 11 bits).
const FEWER_DIGITS: f64 = 2e-2;

/// What was measured of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What was computed: `llr, wrn-10-2, softplus`.
    pub what: String,
    /// The relative difference of the losses.
    pub loss: f64,
    /// The norm of the difference of all weight gradients, by the norm of the processor's.
    pub gradients: f64,
}

/// How far a device's numbers are from the processor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Rounding.
    Rounding,
    /// Operands with fewer digits.
    FewerDigits,
    /// Too far, or not numbers.
    None,
}

impl Comparison {
    /// How far apart the numbers are.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        let worst = self.loss.max(self.gradients);
        match worst {
            _ if self.loss.is_nan() || self.gradients.is_nan() => Agreement::None,
            _ if worst <= ROUNDING => Agreement::Rounding,
            _ if worst <= FEWER_DIGITS => Agreement::FewerDigits,
            _ => Agreement::None,
        }
    }
}

/// How long a training step takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Speed {
    /// The step: `llr, wrn-16-4, 64 images`.
    pub what: String,
    /// Its images.
    pub images: usize,
    /// The median of its times in seconds, after steps that were not counted.
    pub seconds: f64,
}

/// The devices of that name, each with what it is.
///
/// # Errors
/// [`Failure::Input`] when one can't be used.
pub fn devices(name: &str) -> Result<Vec<(Device, String)>, Failure> {
    let name: DeviceName = name.parse().map_err(Failure::input)?;
    let devices = device::open_all(&name)?;
    Ok(devices.into_iter().map(|device| (device.clone(), device::describe(&device))).collect())
}

fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| Failure::internal(error.to_string()))
}

fn network(depth: usize, width: usize, activation: &str) -> Result<AnyNetwork, Failure> {
    from_json(json!({ "wide-resnet": { "depth": depth, "width": width, "activation": activation } }))
}

/// The objectives that between them use every operation: one pass, a search, tangents.
fn objectives() -> Result<Vec<(&'static str, AnyObjective)>, Failure> {
    Ok(vec![
        ("nominal", from_json(json!({ "nominal": {} }))?),
        ("trades", from_json(json!({ "trades": { "steps": 2 } }))?),
        ("llr", from_json(json!({ "llr": { "steps": 2 } }))?),
    ])
}

/// Loss and weight gradients of the objectives on `device` and on the processor: the same weights, images and perturbations.
///
/// # Errors
/// What the passes fail with.
pub fn compare(device: &Device) -> Result<Vec<Comparison>, Failure> {
    let mut comparisons = Vec::new();
    for activation in ["softplus", "relu"] {
        let network = network(10, 2, activation)?;
        let (ours, theirs) = (Rehearsal::new(&network, COMPARED, &Device::flex())?, Rehearsal::new(&network, COMPARED, device)?);
        for (name, objective) in objectives()? {
            let perturbed = ours.search(&*objective)?;
            let (expected, found) = (numbers(&ours, &*objective, &perturbed)?, numbers(&theirs, &*objective, &perturbed)?);
            comparisons.push(Comparison {
                what: format!("{name}, wrn-10-2, {activation}"),
                loss: (found.0 - expected.0).abs() / expected.0.abs(),
                gradients: difference(&found.1, &expected.1) / norm(&expected.1),
            });
        }
    }
    Ok(comparisons)
}

/// The loss and all weight gradients, one after the other.
fn numbers(rehearsal: &Rehearsal, objective: &dyn Objective, perturbed: &[f32]) -> Result<(f64, Vec<f32>), Failure> {
    let (evaluation, gradients) = rehearsal.outer(objective, perturbed)?;
    let loss = to_host(evaluation.loss)?.first().copied().map_or(f64::NAN, f64::from);
    Ok((loss, flat(gradients)?))
}

fn flat(gradients: WeightGradients) -> Result<Vec<f32>, Failure> {
    let mut all = Vec::new();
    for gradient in gradients.into_iter().flatten() {
        all.extend(to_host(gradient)?);
    }
    Ok(all)
}

fn difference(found: &[f32], expected: &[f32]) -> f64 {
    if found.len() != expected.len() {
        return f64::NAN;
    }
    let differences: Vec<f32> = found.iter().zip(expected).map(|(found, expected)| found - expected).collect();
    norm(&differences)
}

/// Times of a nominal and an LLR step with two inner steps: of WRN-16-4 with 64 images, or of WRN-28-8 with 256, as the paper trains.
///
/// # Errors
/// What the steps fail with.
pub fn speeds(device: &Device, large: bool) -> Result<Vec<Speed>, Failure> {
    let (depth, width, images) = if large { (28, 8, 256) } else { (16, 4, 64) };
    let network = network(depth, width, "softplus")?;
    let mut speeds = Vec::new();
    for (name, objective) in objectives()?.into_iter().filter(|(name, _)| *name != "trades") {
        let mut rehearsal = Rehearsal::new(&network, images, device)?;
        // The first steps compile kernels and choose between them.
        for _ in 0..2 {
            rehearsal.train(&*objective)?;
        }
        let mut seconds = Vec::new();
        for _ in 0..5 {
            let since = Instant::now();
            rehearsal.train(&*objective)?;
            seconds.push(since.elapsed().as_secs_f64());
        }
        let seconds = median(seconds).unwrap_or(f64::NAN);
        speeds.push(Speed { what: format!("{name}, wrn-{depth}-{width}, {images} images"), images, seconds });
    }
    Ok(speeds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_agrees_with_itself() {
        let comparisons = compare(&Device::flex()).unwrap();
        assert_eq!(comparisons.len(), 6);
        for comparison in comparisons {
            assert_eq!((comparison.loss, comparison.gradients), (0.0, 0.0), "{}", comparison.what);
            assert_eq!(comparison.agreement(), Agreement::Rounding);
        }
    }

    #[test]
    fn what_is_far_off_does_not_agree() {
        let of = |loss: f64, gradients: f64| Comparison { what: String::new(), loss, gradients }.agreement();
        assert_eq!(of(1e-6, 5e-3), Agreement::FewerDigits);
        assert_eq!(of(0.1, 1e-6), Agreement::None);
        assert_eq!(of(f64::NAN, 0.0), Agreement::None);
        assert_eq!(of(0.0, f64::NAN), Agreement::None);
        assert!(difference(&[1.0], &[1.0, 2.0]).is_nan());
    }

    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    #[test]
    fn every_device_here_agrees_with_the_processor() {
        for name in ["wgpu:all", "cuda:all"] {
            for (device, model) in devices(name).unwrap_or_default() {
                for comparison in compare(&device).unwrap() {
                    assert_ne!(comparison.agreement(), Agreement::None, "{model}: {comparison:?}");
                }
            }
        }
    }
}
