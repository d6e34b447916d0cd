//! The weight gradients of one step: in parts, and no larger than they may be.

use std::ops::Range;

use burn::tensor::Tensor;
use planish_contract::Failure;
use planish_nn::{Device, Parameters, Statistics};

use crate::batches::Batch;
use crate::devices::at_once;
use crate::objective::{Evaluation, Objective, Step, WeightGradients, evaluate, to_host};

/// A step's images in parts, each with the images x+δ found for it.
pub struct Parts<'a> {
    /// What each part offers an objective; they share weights, radius and place in the training.
    pub steps: Vec<Step<'a>>,
    /// The images x+δ of each part.
    pub perturbed: Vec<Vec<f32>>,
    /// How many devices they are spread over, at least one: part i is on device i modulo that, and as many parts are worked on at once.
    pub devices: usize,
}

impl<'a> Parts<'a> {
    /// Searches each part of `batches` for its images x+δ; `step` makes what a part offers on one of so many `devices`, by number.
    ///
    /// # Errors
    /// Those of the objective.
    pub fn search(
        objective: &dyn Objective,
        batches: &'a [Batch],
        devices: usize,
        step: impl Fn(usize, &'a Batch) -> Step<'a>,
    ) -> Result<Self, Failure> {
        let devices = devices.max(1);
        let steps = batches.iter().enumerate().map(|(index, batch)| step(index % devices, batch)).collect();
        let mut parts = Parts { steps, perturbed: Vec::with_capacity(batches.len()), devices };
        for round in parts.rounds() {
            let found = at_once(round, &|index| objective.search(&parts.steps[index]))?;
            parts.perturbed.extend(found);
        }
        Ok(parts)
    }

    /// The parts that are worked on together, one a device.
    fn rounds(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (parts, devices) = (self.steps.len(), self.devices);
        (0..parts).step_by(devices).map(move |first| first..parts.min(first + devices))
    }

    /// The share of the step's images that each part has.
    fn shares(&self) -> Vec<f64> {
        let images: usize = self.steps.iter().map(|step| step.batch.len()).sum();
        self.steps.iter().map(|step| step.batch.len() as f64 / images.max(1) as f64).collect()
    }

    /// The objective on each part, and the gradients of its mean over all images; `at` weights in place of the step's, with δ kept.
    ///
    /// # Errors
    /// Those of the objective.
    pub fn evaluate(&self, objective: &dyn Objective, at: Option<&Parameters>) -> Result<(Vec<Evaluation>, WeightGradients), Failure> {
        let copy = |weights: &Parameters, step: &Step<'_>| {
            let here = weights.to_device(step.device);
            (here.tracked(), here.constant_on_autodiff())
        };
        let moved: Option<Vec<_>> = at.map(|weights| self.steps.iter().take(self.devices).map(|step| copy(weights, step)).collect());
        let part = |index: usize| {
            let (step, perturbed) = (&self.steps[index], &self.perturbed[index]);
            let evaluated = match moved.as_ref().and_then(|copies| copies.get(index % self.devices)) {
                Some((tracked, frozen)) => evaluate(objective, &Step { tracked, frozen, ..*step }, perturbed)?,
                None => evaluate(objective, step, perturbed)?,
            };
            Ok(if self.devices == 1 { evaluated } else { brought(evaluated, self.steps[0].device) })
        };
        let (mut evaluations, mut sum) = (Vec::with_capacity(self.steps.len()), None);
        let shares = self.shares();
        for round in self.rounds() {
            let evaluated = at_once(round.clone(), &part)?;
            for ((evaluation, gradients), share) in evaluated.into_iter().zip(&shares[round]) {
                evaluations.push(evaluation);
                sum = Some(if shares.len() == 1 { gradients } else { add(sum, gradients, *share) });
            }
        }
        Ok((evaluations, sum.unwrap_or_default()))
    }

    /// The statistics that the running averages take up, those of all parts together.
    #[must_use]
    pub fn updates(&self, evaluations: &[Evaluation]) -> Vec<Statistics> {
        let shares = self.shares();
        let count = evaluations.first().map_or(0, |evaluation| evaluation.updates.len());
        let pooled = |index: usize| {
            let parts: Vec<(f64, &Statistics)> =
                shares.iter().zip(evaluations).filter_map(|(share, evaluation)| Some((*share, evaluation.updates.get(index)?))).collect();
            Statistics::pooled(&parts)
        };
        (0..count).filter_map(pooled).collect()
    }
}

/// An evaluation and its gradients on `device`, as constants.
fn brought((evaluation, gradients): (Evaluation, WeightGradients), device: &Device) -> (Evaluation, WeightGradients) {
    let gradients = gradients.into_iter().map(|gradient| gradient.map(|gradient| gradient.without_autodiff().to_device(device)));
    (evaluation.to_device(device), gradients.collect())
}

fn add(sum: Option<WeightGradients>, gradients: WeightGradients, share: f64) -> WeightGradients {
    let weighted = gradients.into_iter().map(|gradient| gradient.map(|gradient| gradient.mul_scalar(share)));
    match sum {
        None => weighted.collect(),
        Some(sum) => sum
            .into_iter()
            .zip(weighted)
            .map(|(sum, next)| match (sum, next) {
                (Some(sum), Some(next)) => Some(sum + next),
                (one, other) => one.or(other),
            })
            .collect(),
    }
}

/// Added to the norm before it divides (`torch.nn.utils.clip_grad_norm_`).
const NORM_FLOOR: f64 = 1e-6;

/// Scales `gradients` down so that their norm over all weights is at most `largest` (Pascanu et al. 2013, arXiv 1211.5063, algorithm 1), and
/// returns the norm that they had. Smaller ones are left as they are.
///
/// # Errors
/// [`Failure::Internal`] when the device does not give numbers back.
pub fn clip(gradients: WeightGradients, largest: f64) -> Result<(WeightGradients, f64), Failure> {
    let squares: Vec<Tensor<1>> = gradients.iter().flatten().map(|gradient| gradient.clone().powi_scalar(2).sum()).collect();
    // Together, so that the device is waited for once.
    let squares = if squares.is_empty() { Vec::new() } else { to_host(Tensor::cat(squares, 0))? };
    let norm = squares.iter().map(|square| f64::from(*square)).sum::<f64>().sqrt();
    let factor = largest / (norm + NORM_FLOOR);
    if factor >= 1.0 {
        return Ok((gradients, norm));
    }
    let scale = |gradient: Tensor<1>| gradient.mul_scalar(factor);
    Ok((gradients.into_iter().map(|gradient| gradient.map(scale)).collect(), norm))
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    fn gradients() -> WeightGradients {
        let tensor = |values: Vec<f32>| {
            let length = values.len();
            Tensor::from_data(TensorData::new(values, [length]), &Device::flex())
        };
        vec![Some(tensor(vec![3.0, 0.0])), None, Some(tensor(vec![-4.0]))]
    }

    /// `torch.nn.utils.clip_grad_norm_` of gradients (3, 0) and (-4) with norms 10 and 1.
    #[test]
    fn clipping_is_that_of_pytorch() {
        let numbers = |gradients: &WeightGradients| -> Vec<f32> {
            gradients.iter().flatten().flat_map(|gradient| to_host(gradient.clone()).unwrap()).collect()
        };
        let (untouched, norm) = clip(gradients(), 10.0).unwrap();
        assert_eq!((numbers(&untouched), norm), (vec![3.0, 0.0, -4.0], 5.0));
        let (clipped, norm) = clip(gradients(), 1.0).unwrap();
        assert!((norm - 5.0).abs() < 1e-12);
        for (value, expected) in numbers(&clipped).iter().zip([0.599_999_9, 0.0, -0.799_999_8]) {
            assert!((value - expected).abs() < 1e-6, "{value}");
        }
        assert!(clipped[1].is_none());
    }
}
