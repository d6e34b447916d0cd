//! Local linearity regularisation, the paper's method.

use planish_contract::{Failure, Invalid};
use planish_nn::loss::{cross_entropy, cross_entropy_tangent};
use planish_nn::{Layout, Normalisation, Statistics, StepSize};
use serde::{Deserialize, Serialize};

use crate::ascent::{Ascent, Optimizer, Start, sign};
use crate::input_gradient::{Gradients, InputGradient};
use crate::objective::{Evaluation, Objective, Step};

/// Which direction the inner search follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SearchGradient {
    /// The gradient of g, as the paper defines it: sign(residual)·(∇l(x+δ) − ∇l(x)).
    True,
    /// That of the released code, which stops the gradient inside the linear term: sign(residual)·∇l(x+δ).
    Released,
}

/// The mean of w·l(x) + λ·g(δ; x) + μ·|δᵀ∇ₓl(x)| with g(δ; x) = |l(x+δ) − l(x) − δᵀ∇ₓl(x)| and δ the maximiser of g
/// (Qin et al. 2019, "Adversarial Robustness through Local Linearization", arXiv 1907.02610; released code: `regularizers` of
/// google-deepmind/local_linearity_regularizer). Both absolute values are per image, and the weight gradient goes through ∇ₓl(x).
///
/// The clean batch's statistics serve every pass: the clean one (whose statistics the running averages take up), the search and x+δ;
/// they are constants inside the directional derivative, not of the weights. The released weighting is
/// `cross_entropy_weight = 2, lambda = 4, mu = 1.2`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
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
    pub fn search(&self, step: &Step<'_>, start: Vec<f32>) -> Result<Vec<f32>, Failure> {
        let network = step.input_gradient(&clean_statistics(step)?);
        let original = &step.batch.images;
        let clean = gradients(&network, step, original)?;
        self.ascent().climb(&step.ball, (original, step.batch.len()), start, &mut |images| {
            let there = gradients(&network, step, images)?;
            Ok(self.direction(original, &clean, images, there))
        })
    }

    /// Each image's gradient of g at `images`; `clean` and `there` are the losses and gradients at the originals and at `images`.
    fn direction(&self, original: &[f32], clean: &Gradients, images: &[f32], there: Gradients) -> Vec<f32> {
        let size = (original.len() / clean.losses.len().max(1)).max(1);
        let Gradients { losses, mut gradient } = there;
        let pixels = images.chunks_exact(size).zip(original.chunks_exact(size)).zip(clean.gradient.chunks_exact(size));
        let values = losses.iter().zip(&clean.losses);
        for ((row, ((image, original), slope)), (loss, clean_loss)) in gradient.chunks_exact_mut(size).zip(pixels).zip(values) {
            let residual = f64::from(*loss) - f64::from(*clean_loss) - linear_term(image, original, slope);
            let direction = sign(residual as f32);
            match self.gradient {
                SearchGradient::True => row.iter_mut().zip(slope).for_each(|(there, clean)| *there = direction * (*there - clean)),
                SearchGradient::Released => row.iter_mut().for_each(|there| *there *= direction),
            }
        }
        gradient
    }

    /// The objective with the images x+δ: one pass of the rows `[x | x+δ | tangent δ at x]`, ready for one reverse pass.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the pass has no statistics.
    pub fn outer(&self, step: &Step<'_>, adversarial: &[f32]) -> Result<Evaluation, Failure> {
        let n = step.batch.len();
        let original = &step.batch.images;
        let mut rows = original.clone();
        rows.extend_from_slice(adversarial);
        rows.extend(adversarial.iter().zip(original).map(|(there, here)| there - here));
        let layout = Layout { values: 2 * n, tangents: n, statistics: n };
        let pass = step.network.forward(step.tracked, step.tensor(rows), layout, Normalisation::Batch);
        let clean = pass.logits.clone().narrow(0, 0, n);
        let perturbed = pass.logits.clone().narrow(0, n, n);
        let tangents = pass.logits.narrow(0, 2 * n, n);
        let losses = cross_entropy(clean.clone(), &step.labels());
        let linear = cross_entropy_tangent(clean.clone(), tangents, &step.labels());
        let error = (cross_entropy(perturbed, &step.labels()) - losses.clone() - linear.clone()).abs();
        let slope = linear.abs();
        let loss = losses.clone().mean().mul_scalar(self.cross_entropy_weight)
            + error.clone().mean().mul_scalar(self.lambda)
            + slope.clone().mean().mul_scalar(self.mu);
        let statistics = pass.statistics.ok_or_else(|| Failure::internal("a pass with batch statistics gave none"))?;
        Ok(Evaluation {
            loss,
            terms: vec![("cross-entropy", losses), ("linearity-error", error), ("linear-term", slope)],
            logits: clean,
            updates: vec![statistics.detach()],
        })
    }
}

/// The statistics of the clean batch, as constants. One forward pass without a graph.
fn clean_statistics(step: &Step<'_>) -> Result<Statistics, Failure> {
    let layout = Layout::plain(step.batch.len());
    let pass = step.network.forward(step.frozen, step.tensor(step.batch.images.clone()), layout, Normalisation::Batch);
    Ok(pass.statistics.ok_or_else(|| Failure::internal("a pass with batch statistics gave none"))?.detach())
}

fn gradients(network: &InputGradient<'_>, step: &Step<'_>, images: &[f32]) -> Result<Gradients, Failure> {
    let labels = step.labels();
    network.at(images, &|logits| cross_entropy(logits, &labels))
}

/// δᵀ∇l(x) of one image, with δ = image − original.
fn linear_term(image: &[f32], original: &[f32], slope: &[f32]) -> f64 {
    let products = image.iter().zip(original).zip(slope).map(|((there, here), slope)| f64::from(there - here) * f64::from(*slope));
    products.sum()
}

impl Objective for Llr {
    fn validate(&self, path: &str) -> Result<(), Invalid> {
        for (name, weight) in [("lambda", self.lambda), ("mu", self.mu), ("cross_entropy_weight", self.cross_entropy_weight)] {
            if !(weight >= 0.0 && weight.is_finite()) {
                return Err(Invalid::at(&format!("{path}.{name}"), format!("{weight} is not a weight, at least 0")));
            }
        }
        self.ascent().validate(path)?;
        self.start.validate_moving(&format!("{path}.start"))
    }

    fn robust(&self) -> bool {
        true
    }

    fn gradients_per_image(&self) -> u64 {
        // The search's own steps and ∇l(x); then x, x+δ and the tangent rows of the outer pass.
        u64::from(self.steps) + 1 + 3
    }

    fn evaluate(&self, step: &Step<'_>) -> Result<Evaluation, Failure> {
        let start = self.start.images(&step.batch.images, &step.batch.ids, &step.ball, &step.start_key());
        let adversarial = self.search(step, start)?;
        self.outer(step, &adversarial)
    }
}
