//! The judge: what counts as a success.

use planish_contract::Failure;
use planish_formats::{Norm, Split, Threat};
use planish_nn::Ball;

use crate::attack::{Case, Goal, Proposals};
use crate::loss::{margin, prediction, shortfall};
use crate::search::slice;

/// How many images are scored at once: a constant, so that scores can't depend on how the work was cut.
const SCORED_AT_ONCE: usize = 512;

/// The model under judgement, as it is deployed.
pub trait Scorer {
    /// The shape of an image, `[c, h, w]`.
    fn shape(&self) -> [usize; 3];
    /// The number of classes.
    fn classes(&self) -> usize;
    /// Logits `[n, k]` of images `[n, c, h, w]` in `[0,1]`.
    ///
    /// # Errors
    /// When the model can't be run or a logit is not finite.
    fn logits(&mut self, images: &[f32]) -> Result<Vec<f32>, Failure>;
}

impl Scorer for planish_onnx::Classifier {
    fn shape(&self) -> [usize; 3] {
        planish_onnx::Classifier::shape(self)
    }
    fn classes(&self) -> usize {
        planish_onnx::Classifier::classes(self)
    }
    fn logits(&mut self, images: &[f32]) -> Result<Vec<f32>, Failure> {
        planish_onnx::Classifier::logits(self, images)
    }
}

/// A candidate as the model sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its pixels `[c, h, w]`, brought back to where the goal allows it to be.
    pub image: Vec<f32>,
    /// After how many steps of the attack it was met.
    pub step: u32,
    /// The true class's logit less the largest other.
    pub margin: f64,
    /// The predicted class.
    pub prediction: u32,
    /// Its distance from the original in the threat model's norm.
    pub distance: f64,
    /// How far the target is from being predicted (see [`shortfall`]); 0 without a target.
    pub shortfall: f64,
}

impl Candidate {
    /// Whether the model is wrong on it.
    #[must_use]
    pub fn is_adversarial(&self) -> bool {
        self.margin <= 0.0
    }

    /// What is better is lower: the margin, the shortfall, or the distance of an adversarial candidate.
    #[must_use]
    pub fn score(&self, goal: Goal) -> f64 {
        match goal {
            Goal::Untargeted => self.margin,
            Goal::Targeted => self.shortfall,
            Goal::MinimalNorm if self.is_adversarial() => self.distance,
            Goal::MinimalNorm => f64::INFINITY,
        }
    }

    /// Whether the attack's goal is reached within radius `eps`.
    #[must_use]
    pub fn reaches(&self, goal: Goal, eps: f64) -> bool {
        match goal {
            Goal::Untargeted => self.is_adversarial(),
            Goal::Targeted => self.shortfall < 0.0,
            Goal::MinimalNorm => self.is_adversarial() && self.distance <= eps,
        }
    }
}

/// Judges candidates. What an attack believes of its candidate never matters.
///
/// A candidate is projected to the ball and `[0,1]` (to `[0,1]` alone when the goal is the minimal norm), checked to lie there, and scored
/// by the [`Scorer`].
pub struct Judge<'a> {
    /// The radius as it was written; no distance within the threat model is above it.
    pub eps: f64,
    /// Where candidates must lie.
    pub ball: Ball,
    scorer: &'a mut dyn Scorer,
}

impl<'a> Judge<'a> {
    /// A judge under `threat`.
    #[must_use]
    pub fn new(threat: &Threat, scorer: &'a mut dyn Scorer) -> Self {
        Judge { eps: threat.eps.value(), ball: Ball::new(threat.norm, threat.eps.value()), scorer }
    }

    /// The number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.scorer.classes()
    }

    /// Values of one image.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.scorer.shape().iter().product()
    }

    /// Checks that images and model fit.
    ///
    /// # Errors
    /// [`Failure::Input`] when they don't.
    pub fn check_fit(&self, images: &Split) -> Result<(), Failure> {
        let (shape, classes) = (self.scorer.shape(), self.scorer.classes());
        if images.is_empty() {
            return Err(Failure::input("there are no images to attack: the split is empty"));
        }
        if images.shape != shape {
            return Err(Failure::input(format!("the model takes images of shape {shape:?}, the data set has {:?}", images.shape)));
        }
        if classes < 2 {
            return Err(Failure::input("the model has a single class: there is nothing to attack"));
        }
        for (id, &label) in images.ids.iter().zip(&images.labels) {
            if label as usize >= classes {
                return Err(Failure::input(format!("image {id} has label {label}, but the model has {classes} classes")));
            }
        }
        Ok(())
    }

    /// Logits `[n, k]` of images `[n, c, h, w]`.
    ///
    /// # Errors
    /// What the model reports.
    pub fn logits(&mut self, images: &[f32]) -> Result<Vec<f32>, Failure> {
        let mut logits = Vec::with_capacity(images.len() / self.pixels().max(1) * self.classes());
        for chunk in images.chunks((SCORED_AT_ONCE * self.pixels()).max(1)) {
            logits.extend(self.scorer.logits(chunk)?);
        }
        Ok(logits)
    }

    /// Judges one candidate of `attack` for each of the images `originals` `[n, c, h, w]`.
    ///
    /// # Errors
    /// [`Failure::Internal`] when an attack proposes something that is not an image; what the model reports.
    pub fn examine(
        &mut self,
        goal: Goal,
        (originals, cases): (&[f32], &[Case]),
        mut proposals: Proposals,
        attack: &str,
    ) -> Result<Vec<Candidate>, Failure> {
        let (pixels, classes) = (self.pixels(), self.classes());
        check_form(&proposals, (cases.len(), pixels), attack)?;
        for (candidate, original) in proposals.images.chunks_exact_mut(pixels.max(1)).zip(originals.chunks_exact(pixels.max(1))) {
            match goal {
                Goal::MinimalNorm => candidate.iter_mut().for_each(|a| *a = a.clamp(0.0, 1.0)),
                Goal::Untargeted | Goal::Targeted => self.ball.project(candidate, original),
            }
        }
        let logits = self.logits(&proposals.images)?;
        let mut candidates = Vec::with_capacity(cases.len());
        for (row, case) in cases.iter().enumerate() {
            let (image, logits) = (slice(&proposals.images, row, pixels), slice(&logits, row, classes));
            candidates.push(Candidate {
                image: image.to_vec(),
                step: proposals.steps.get(row).copied().unwrap_or_default(),
                margin: margin(logits, case.label),
                prediction: prediction(logits, case.label),
                distance: self.checked_distance(goal, image, (slice(originals, row, pixels), attack))?,
                shortfall: case.target.map_or(0.0, |target| shortfall(logits, target)),
            });
        }
        Ok(candidates)
    }

    /// The distance of a candidate, checked against the threat model itself, in f64.
    fn checked_distance(&self, goal: Goal, candidate: &[f32], (original, attack): (&[f32], &str)) -> Result<f64, Failure> {
        let distance = self.ball.distance(candidate, original);
        let inside = goal == Goal::MinimalNorm || distance <= self.eps;
        if inside && candidate.iter().all(|a| (0.0..=1.0).contains(a)) {
            Ok(distance)
        } else {
            Err(Failure::internal(format!("a projected candidate of `{attack}` lies outside the ball")))
        }
    }

    /// Whether each adversarial image `[n, c, h, w]` is still one within the threat model when it is rounded to 8 bits a value.
    ///
    /// A value is rounded to the nearest multiple of 1/255 or, where that leaves the L∞ ball, to the next one towards the original.
    ///
    /// # Errors
    /// What the model reports.
    pub fn survives_rounding(&mut self, (images, originals): (&[f32], &[f32]), labels: &[u32]) -> Result<Vec<bool>, Failure> {
        let (pixels, classes) = (self.pixels(), self.classes());
        let rounded: Vec<f32> = images.iter().zip(originals).map(|(&a, &x)| self.round(a, x)).collect();
        let logits = self.logits(&rounded)?;
        let survives = |(row, &label): (usize, &u32)| {
            let inside = self.ball.distance(slice(&rounded, row, pixels), slice(originals, row, pixels)) <= self.eps;
            inside && margin(slice(&logits, row, classes), label) <= 0.0
        };
        Ok(labels.iter().enumerate().map(survives).collect())
    }

    fn round(&self, a: f32, x: f32) -> f32 {
        let level = (a * 255.0).round();
        let value = level / 255.0;
        let outside = |value: f32| self.ball.norm == Norm::Linf && (f64::from(value) - f64::from(x)).abs() > self.eps;
        match outside(value) {
            true if value > x => (level - 1.0) / 255.0,
            true => (level + 1.0) / 255.0,
            false => value,
        }
    }
}

/// The classes other than `label`, the one with the largest logit first, the lower class first among equals.
#[must_use]
pub fn rivals(logits: &[f32], label: u32) -> Vec<u32> {
    let mut order: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).filter(|&(class, _)| class != label).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    order.into_iter().map(|(class, _)| class).collect()
}

fn check_form(proposals: &Proposals, (count, pixels): (usize, usize), attack: &str) -> Result<(), Failure> {
    let counts = [&proposals.steps, &proposals.gradients, &proposals.queries];
    if proposals.images.len() != count * pixels || counts.iter().any(|counts| counts.len() != count) {
        return Err(Failure::internal(format!("`{attack}` was asked for {count} candidates and proposed something else")));
    }
    if proposals.images.iter().all(|v| v.is_finite()) {
        Ok(())
    } else {
        Err(Failure::internal(format!("`{attack}` proposed a pixel that is not a finite number")))
    }
}
