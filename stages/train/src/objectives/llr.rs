//! Local linearity regularisation, the paper's method.

use burn::tensor::Tensor;
use planish_contract::{Failure, Invalid};
use planish_nn::loss::{cross_entropy, cross_entropy_tangent};
use planish_nn::vectors::{normalise, sign};
use planish_nn::{Layout, Normalisation, Statistics, StepSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ascent::{Ascent, Optimizer, Start};
use crate::input_gradient::Gradients;
use crate::linearity::{ascent_direction, residuals};
use crate::objective::{Evaluation, Objective, Step, check_weights, statistics_of};

/// Which direction the inner search follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SearchGradient {
    /// The gradient of g, as the paper defines it: sign(residual)·(∇l(x+δ) − ∇l(x)).
    True,
    /// That of the released code, which stops the gradient inside the linear term: sign(residual)·∇l(x+δ).
    Released,
}

/// What the term with weight μ measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GradientTerm {
    /// |δᵀ∇l(x)|, the paper's.
    Directional,
    /// ε·‖∇l(x)‖₁, the largest value that δᵀ∇l(x) has in the L∞ ball (a reviewer's ablation).
    L1,
    /// ‖∇l(x)‖₂, unit: loss per unit of the image (a reviewer's ablation).
    L2,
}

/// The mean of w·l(x) + λ·g(δ; x) + μ·|δᵀ∇ₓl(x)| with g(δ; x) = |l(x+δ) − l(x) − δᵀ∇ₓl(x)| and δ the maximiser of g
/// (Qin et al. 2019, "Adversarial Robustness through Local Linearization", arXiv 1907.02610; released code: `regularizers` of
/// google-deepmind/local_linearity_regularizer). Both absolute values are per image, and the weight gradient goes through ∇ₓl(x).
///
/// The clean batch's statistics serve every pass: the clean one (whose statistics the running averages take up), the search and x+δ;
/// they are constants inside the directional derivative, not of the weights. The released weighting is
/// `cross_entropy_weight = 2, lambda = 4, mu = 1.2`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Llr {
    /// λ, the weight of the linearity error g.
    pub lambda: f64,
    /// μ, the weight of |δᵀ∇ₓl(x)|.
    pub mu: f64,
    /// w, the weight of the cross-entropy of the clean images.
    pub cross_entropy_weight: f64,
    /// The number of inner steps.
    pub steps: u32,
    /// The inner step; Adam's learning rate. Unit of the image, or a part of the current ε.
    pub step_size: StepSize,
    /// How it steps.
    pub optimizer: Optimizer,
    /// Where it starts; not at the image, where g is zero and smallest.
    pub start: Start,
    /// Which direction it follows.
    pub gradient: SearchGradient,
    /// What μ weighs.
    pub gradient_term: GradientTerm,
    /// What the search's objective is multiplied by: each image's g counts alone, times this constant (matters to Adam's epsilon only).
    pub search_scale: f64,
}

impl Default for Llr {
    fn default() -> Self {
        Llr {
            lambda: 4.0,
            mu: 3.0,
            cross_entropy_weight: 1.0,
            steps: 10,
            step_size: StepSize::Absolute(0.1),
            optimizer: Optimizer::Adam,
            start: Start::Uniform,
            gradient: SearchGradient::True,
            gradient_term: GradientTerm::Directional,
            search_scale: 1.0 / 64.0,
        }
    }
}

impl Llr {
    fn ascent(&self) -> Ascent {
        Ascent { steps: self.steps, step_size: self.step_size, optimizer: self.optimizer, scale: self.search_scale }
    }

    /// The images x+δ at the end of the search from `start`, `[n, c, h, w]`.
    ///
    /// # Errors
    /// Those of the passes through the network.
    pub fn search_from(&self, step: &Step<'_>, start: Vec<f32>) -> Result<Vec<f32>, Failure> {
        let network = step.input_gradient(&step.clean_statistics()?);
        let original = &step.batch.images;
        let clean = step.slopes(&network, original)?;
        self.ascent().climb(&step.ball, (original, step.batch.len()), start, &mut |images| {
            let there = step.slopes(&network, images)?;
            Ok(self.direction(original, &clean, images, there))
        })
    }

    /// Each image's search direction at `images`; `clean` and `there` are the losses and gradients at the originals and at `images`.
    fn direction(&self, original: &[f32], clean: &Gradients, images: &[f32], there: Gradients) -> Vec<f32> {
        let residuals = residuals(original, clean, images, &there.losses);
        let mut gradient = there.gradient;
        match self.gradient {
            SearchGradient::True => ascent_direction(clean, &residuals, &mut gradient),
            SearchGradient::Released => {
                let size = (gradient.len() / residuals.len().max(1)).max(1);
                for (row, residual) in gradient.chunks_exact_mut(size).zip(&residuals) {
                    let direction = sign(*residual as f32);
                    for there in row.iter_mut() {
                        *there *= direction;
                    }
                }
            }
        }
        gradient
    }

    /// Each image's gradient term where it is not the directional one, `[n]`; `statistics` are the clean batch's, tracked.
    ///
    /// The direction v that makes vᵀ∇l the norm is a constant: by the envelope theorem vᵀ∇l has the norm's value and weight gradient.
    fn norm_term(&self, step: &Step<'_>, statistics: &Statistics) -> Result<Tensor<1>, Failure> {
        let n = step.batch.len();
        let original = &step.batch.images;
        let mut direction = step.slopes(&step.input_gradient(statistics), original)?.gradient;
        for row in direction.chunks_exact_mut((original.len() / n.max(1)).max(1)) {
            match self.gradient_term {
                GradientTerm::Directional | GradientTerm::L1 => row.iter_mut().for_each(|slope| *slope = step.ball.eps * sign(*slope)),
                GradientTerm::L2 => normalise(row),
            }
        }
        let rows = [original.as_slice(), &direction].concat();
        let pass = step.network.forward(step.tracked, step.tensor(rows), Layout::dual(n), Normalisation::Fixed(statistics));
        Ok(cross_entropy_tangent(pass.values(), pass.tangents(), &step.labels()))
    }
}

impl Objective for Llr {
    fn validate(&self, path: &str) -> Result<(), Invalid> {
        check_weights(path, &[("lambda", self.lambda), ("mu", self.mu), ("cross_entropy_weight", self.cross_entropy_weight)])?;
        self.ascent().validate(path)?;
        self.start.validate_moving(&format!("{path}.start"))
    }

    fn robust(&self) -> bool {
        true
    }

    fn search_gradients(&self) -> u64 {
        // The search's own steps and ∇l(x).
        u64::from(self.steps) + 1
    }

    fn outer_gradients(&self) -> u64 {
        // x, x+δ and the tangent rows; a norm adds ∇l(x), x and its tangent rows.
        if self.gradient_term == GradientTerm::Directional { 3 } else { 6 }
    }

    fn search(&self, step: &Step<'_>) -> Result<Vec<f32>, Failure> {
        self.search_from(step, step.start(self.start))
    }

    /// One pass of the rows `[x | x+δ | tangent δ at x]`, ready for one reverse pass.
    fn outer(&self, step: &Step<'_>, perturbed: &[f32]) -> Result<Evaluation, Failure> {
        let n = step.batch.len();
        let original = &step.batch.images;
        let mut rows = [original.as_slice(), perturbed].concat();
        rows.extend(perturbed.iter().zip(original).map(|(there, here)| there - here));
        let layout = Layout { values: 2 * n, tangents: n, statistics: n };
        let pass = step.network.forward(step.tracked, step.tensor(rows), layout, Normalisation::Batch);
        let statistics = statistics_of(pass.statistics)?;
        let clean = pass.logits.clone().narrow(0, 0, n);
        let perturbed = pass.logits.clone().narrow(0, n, n);
        let tangents = pass.logits.narrow(0, 2 * n, n);
        let losses = cross_entropy(clean.clone(), &step.labels());
        let linear = cross_entropy_tangent(clean.clone(), tangents, &step.labels());
        let error = (cross_entropy(perturbed, &step.labels()) - losses.clone() - linear.clone()).abs();
        let (name, slope) = match self.gradient_term {
            GradientTerm::Directional => ("linear-term", linear.abs()),
            GradientTerm::L1 => ("gradient-l1-term", self.norm_term(step, &statistics)?),
            GradientTerm::L2 => ("gradient-l2-term", self.norm_term(step, &statistics)?),
        };
        let loss = losses.clone().mean().mul_scalar(self.cross_entropy_weight)
            + error.clone().mean().mul_scalar(self.lambda)
            + slope.clone().mean().mul_scalar(self.mu);
        Ok(Evaluation {
            loss,
            terms: vec![("cross-entropy", losses), ("linearity-error", error), (name, slope)],
            logits: clean,
            updates: vec![statistics.detach()],
        })
    }
}
