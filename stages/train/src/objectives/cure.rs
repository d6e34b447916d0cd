//! CURE.

use planish_contract::{Failure, Invalid};
use planish_nn::loss::{cross_entropy, cross_entropy_tangent};
use planish_nn::vectors::{normalise, sign};
use planish_nn::{Layout, Normalisation, StepSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::objective::{Evaluation, Objective, Step, check_weights, statistics_of};

/// The mean of l(x) + λ·‖∇l(x + h·z) − ∇l(x)‖₂, where z is sign ∇l(x) scaled to length 1 (Moosavi-Dezfooli et al. 2019, section 4;
/// official `CURE.py`, which does not square the norm; the paper's equation does).
///
/// x + h·z is not clipped. The clean batch's statistics serve every pass, as in LLR; weight gradients flow through them. With v, the
/// difference of the gradients scaled to length 1 and held constant, vᵀ(∇l(x+hz) − ∇l(x)) has the norm's value and weight gradient, so one
/// dual pass is enough. Defaults: λ = 4 (official), h = 1.5 (paper, from memory).
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cure {
    /// λ, the weight of the curvature term.
    pub lambda: f64,
    /// h, the Euclidean length of the step along z: unit of the image, or a part of the current ε.
    pub h: StepSize,
    /// Squares the norm.
    pub squared: bool,
}

impl Default for Cure {
    fn default() -> Self {
        Cure { lambda: 4.0, h: StepSize::Absolute(1.5), squared: false }
    }
}

impl Objective for Cure {
    fn validate(&self, path: &str) -> Result<(), Invalid> {
        check_weights(path, &[("lambda", self.lambda)])?;
        let length = self.h.value(1.0);
        if !(length > 0.0 && length.is_finite()) {
            return Err(Invalid::at(&format!("{path}.h"), format!("{length} is not a positive length")));
        }
        Ok(())
    }

    fn robust(&self) -> bool {
        true
    }

    fn search_gradients(&self) -> u64 {
        1
    }

    fn outer_gradients(&self) -> u64 {
        // ∇l at both places for v; then both places and their tangent rows.
        6
    }

    /// The images x + h·z.
    fn search(&self, step: &Step<'_>) -> Result<Vec<f32>, Failure> {
        let original = &step.batch.images;
        let size = (original.len() / step.batch.len().max(1)).max(1);
        let length = self.h.value(f64::from(step.ball.eps)) as f32;
        let mut direction = step.slopes(&step.input_gradient(&step.clean_statistics()?), original)?.gradient;
        for row in direction.chunks_exact_mut(size) {
            for slope in row.iter_mut() {
                *slope = sign(*slope);
            }
            normalise(row);
        }
        Ok(original.iter().zip(direction).map(|(pixel, z)| pixel + length * z).collect())
    }

    fn outer(&self, step: &Step<'_>, perturbed: &[f32]) -> Result<Evaluation, Failure> {
        let n = step.batch.len();
        let original = &step.batch.images;
        let network = step.input_gradient(&step.clean_statistics()?);
        let (here, there) = (step.slopes(&network, original)?.gradient, step.slopes(&network, perturbed)?.gradient);
        let mut direction: Vec<f32> = there.iter().zip(&here).map(|(there, here)| there - here).collect();
        direction.chunks_exact_mut((original.len() / n.max(1)).max(1)).for_each(normalise);
        // [x | x+hz | v at x | v at x+hz]
        let rows = [original.as_slice(), perturbed, &direction, &direction].concat();
        let layout = Layout { values: 2 * n, tangents: 2 * n, statistics: n };
        let pass = step.network.forward(step.tracked, step.tensor(rows), layout, Normalisation::Batch);
        let slope = |first: usize| {
            let tangents = pass.tangents().narrow(0, first, n);
            cross_entropy_tangent(pass.values().narrow(0, first, n), tangents, &step.labels())
        };
        let mut curvature = slope(n) - slope(0);
        if self.squared {
            curvature = curvature.powi_scalar(2);
        }
        let clean = pass.values().narrow(0, 0, n);
        let losses = cross_entropy(clean.clone(), &step.labels());
        Ok(Evaluation {
            loss: losses.clone().mean() + curvature.clone().mean().mul_scalar(self.lambda),
            terms: vec![("cross-entropy", losses), ("curvature-term", curvature)],
            logits: clean,
            updates: vec![statistics_of(pass.statistics)?.detach()],
        })
    }
}
