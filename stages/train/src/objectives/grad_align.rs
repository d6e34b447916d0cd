//! FGSM with gradient alignment.

use planish_contract::{Failure, Invalid};
use planish_nn::loss::{cross_entropy, cross_entropy_tangent};
use planish_nn::vectors::{dot, norm};
use planish_nn::{Layout, Normalisation, StepSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ascent::Start;
use crate::objective::{Evaluation, Objective, Step, check_weights, statistics_of};
use crate::objectives::Adv;

/// The mean of l(x+δ) + λ·(1 − cos(∇l(x), ∇l(x+η))), where δ is one sign step from a random start and η is uniform in the ball
/// (Andriushchenko and Flammarion 2020, equation 6; official `train.py`). With λ = 0 it is FGSM with a random start (Wong et al. 2020).
///
/// The search sees the running statistics; the outer pass on x+δ uses its own batch's, which the running averages take up. Both
/// gradients of the cosine are taken under the clean batch's statistics, held fixed with respect to images. Held constant, the cosine's
/// derivatives with respect to the two gradients are tangents whose dual pass has the cosine's weight gradient. Defaults are the
/// official ones for CIFAR-10 at ε = 8/255: a step of 1.25 ε, λ = 0.2.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GradAlign {
    /// λ, the weight of the alignment term.
    pub lambda: f64,
    /// The one step. Unit of the image, or a part of the current ε.
    pub step_size: StepSize,
    /// Where it starts.
    pub start: Start,
}

impl Default for GradAlign {
    fn default() -> Self {
        GradAlign { lambda: 0.2, step_size: StepSize::Relative(1.25), start: Start::Uniform }
    }
}

impl GradAlign {
    /// Its search is a single step of adversarial training.
    fn inner(&self) -> Adv {
        Adv { steps: 1, step_size: self.step_size, start: self.start, ..Adv::default() }
    }

    /// The alignment term of the images `elsewhere` = x+η: each image's 1 − cos, `[n]`.
    ///
    /// # Errors
    /// Those of the passes through the network.
    pub fn misalignment(&self, step: &Step<'_>, elsewhere: &[f32]) -> Result<burn::tensor::Tensor<1>, Failure> {
        let n = step.batch.len();
        let original = &step.batch.images;
        let network = step.input_gradient(&step.clean_statistics()?);
        let mut here = step.slopes(&network, original)?.gradient;
        let mut there = step.slopes(&network, elsewhere)?.gradient;
        let size = (original.len() / n.max(1)).max(1);
        let cosines: Vec<f32> = here.chunks_exact_mut(size).zip(there.chunks_exact_mut(size)).map(|(a, b)| derivatives(a, b)).collect();
        let rows = [original.as_slice(), elsewhere, &here, &there].concat();
        let layout = Layout { values: 2 * n, tangents: 2 * n, statistics: n };
        let pass = step.network.forward(step.tracked, step.tensor(rows), layout, Normalisation::Batch);
        let labels = burn::tensor::Tensor::cat(vec![step.labels(), step.labels()], 0);
        let slopes = cross_entropy_tangent(pass.values(), pass.tangents(), &labels);
        let along = slopes.clone().narrow(0, 0, n) + slopes.narrow(0, n, n);
        let value = burn::tensor::Tensor::from_data(burn::tensor::TensorData::new(cosines, [n]), step.device);
        // The cosine's value, and the derivative of `along`.
        Ok((value + along.clone() - along.detach()).neg().add_scalar(1.0))
    }
}

/// Turns two gradients into the cosine's derivatives with respect to them; returns the cosine. Where one is zero, so are the
/// derivatives, and the cosine counts as 1: the official code leaves such images out.
fn derivatives(a: &mut [f32], b: &mut [f32]) -> f32 {
    let (length_a, length_b) = (norm(a), norm(b));
    if length_a == 0.0 || length_b == 0.0 {
        a.fill(0.0);
        b.fill(0.0);
        return 1.0;
    }
    let cosine = dot(a, b) / (length_a * length_b);
    for (a, b) in a.iter_mut().zip(b) {
        let (unit_a, unit_b) = (f64::from(*a) / length_a, f64::from(*b) / length_b);
        *a = ((unit_b - cosine * unit_a) / length_a) as f32;
        *b = ((unit_a - cosine * unit_b) / length_b) as f32;
    }
    cosine as f32
}

impl Objective for GradAlign {
    fn validate(&self, path: &str) -> Result<(), Invalid> {
        check_weights(path, &[("lambda", self.lambda)])?;
        self.inner().validate(path)
    }

    fn robust(&self) -> bool {
        true
    }

    fn search_gradients(&self) -> u64 {
        1
    }

    fn outer_gradients(&self) -> u64 {
        // x+δ; ∇l at both places for the derivatives; then both places and their tangent rows.
        if self.lambda == 0.0 { 1 } else { 7 }
    }

    fn search(&self, step: &Step<'_>) -> Result<Vec<f32>, Failure> {
        self.inner().search(step)
    }

    fn outer(&self, step: &Step<'_>, perturbed: &[f32]) -> Result<Evaluation, Failure> {
        let (logits, statistics) = step.batch_pass(perturbed.to_vec());
        let losses = cross_entropy(logits.clone(), &step.labels());
        let mut loss = losses.clone().mean();
        let mut terms = vec![("adversarial-cross-entropy", losses)];
        if self.lambda > 0.0 {
            let misalignment = self.misalignment(step, &step.draw(Start::Uniform, "gradient alignment"))?;
            loss = loss + misalignment.clone().mean().mul_scalar(self.lambda);
            terms.push(("gradient-misalignment", misalignment));
        }
        Ok(Evaluation { loss, terms, logits, updates: vec![statistics_of(statistics)?] })
    }
}
