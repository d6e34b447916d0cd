//! The judge: what counts as a success, and what is kept.

use planish_contract::Failure;
use planish_formats::{BrokenBy, ImageEvidence, Split, Threat};
use planish_nn::Ball;

use crate::ascent::slice;
use crate::attack::{Case, Proposals};
use crate::loss::{margin, prediction};

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

/// What is known of one image: clean, and in the worst case so far.
#[derive(Clone, Debug)]
struct Verdict {
    clean_prediction: u32,
    clean_margin: f64,
    prediction: u32,
    margin: f64,
    broken_by: Option<BrokenBy>,
    distance: f64,
}

impl Verdict {
    fn stands(&self) -> bool {
        self.margin > 0.0
    }
}

/// Who proposes.
#[derive(Clone, Copy, Debug)]
pub struct Proposer<'a> {
    /// The attack's name in evidence.
    pub attack: &'a str,
    /// The restart.
    pub restart: u32,
}

/// What the judge found.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// One entry an image, in the order of the split.
    pub images: Vec<ImageEvidence>,
    /// The worst image found for each, `[n, c, h, w]` flat, in `[0,1]`; the clean one where no candidate was worse.
    pub kept: Vec<f32>,
}

/// Judges candidates and keeps the worst case of each image.
///
/// It starts with the clean images: those that are misclassified as they are count as broken, at distance 0, by no attack.
/// A candidate is projected to the ball and `[0,1]`, checked to lie there, scored by the [`Scorer`], and replaces what was kept when
/// its margin is lower. What an attack believes of its candidate never matters.
pub struct Judge<'a> {
    images: &'a Split,
    eps: f64,
    ball: Ball,
    scorer: &'a mut dyn Scorer,
    cases: Vec<Case>,
    verdicts: Vec<Verdict>,
    kept: Vec<f32>,
}

impl<'a> Judge<'a> {
    /// Scores the clean images.
    ///
    /// # Errors
    /// [`Failure::Input`] when images and model don't fit, and what the model reports.
    pub fn open(images: &'a Split, threat: &Threat, scorer: &'a mut dyn Scorer) -> Result<Self, Failure> {
        check_fit(images, scorer)?;
        let mut judge = Judge {
            images,
            eps: threat.eps.value(),
            ball: Ball::new(threat.norm, threat.eps.value()),
            scorer,
            cases: Vec::with_capacity(images.len()),
            verdicts: Vec::with_capacity(images.len()),
            kept: images.pixels(0..images.len()),
        };
        judge.score_clean()?;
        Ok(judge)
    }

    fn score_clean(&mut self) -> Result<(), Failure> {
        let classes = self.scorer.classes();
        for first in (0..self.images.len()).step_by(SCORED_AT_ONCE) {
            let last = (first + SCORED_AT_ONCE).min(self.images.len());
            let logits = self.scorer.logits(&self.images.pixels(first..last))?;
            for (row, index) in (first..last).enumerate() {
                let logits = slice(&logits, row, classes);
                let (id, label) = (of(&self.images.ids, index), of(&self.images.labels, index));
                self.cases.push(Case { id, label, rivals: rivals(logits, label) });
                let (prediction, margin) = (prediction(logits, label), margin(logits, label));
                self.verdicts.push(Verdict {
                    clean_prediction: prediction,
                    clean_margin: margin,
                    prediction,
                    margin,
                    broken_by: None,
                    distance: 0.0,
                });
            }
        }
        Ok(())
    }

    /// How many images there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.verdicts.len()
    }

    /// Whether there are none; never so for an open judge.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.verdicts.is_empty()
    }

    /// The number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.scorer.classes()
    }

    /// Where candidates must lie.
    #[must_use]
    pub fn ball(&self) -> &Ball {
        &self.ball
    }

    /// The images that every candidate so far has left correctly classified, in order.
    #[must_use]
    pub fn standing(&self) -> Vec<usize> {
        (0..).zip(&self.verdicts).filter(|(_, verdict)| verdict.stands()).map(|(index, _)| index).collect()
    }

    /// What an attack may know of image `index`.
    #[must_use]
    pub fn case(&self, index: usize) -> Option<&Case> {
        self.cases.get(index)
    }

    /// Some images, `[n, c, h, w]` flat, in `[0,1]`.
    #[must_use]
    pub fn originals(&self, indices: &[usize]) -> Vec<f32> {
        indices.iter().flat_map(|&index| self.images.pixels(index..index + 1)).collect()
    }

    /// Judges one candidate for each of the images `indices`; returns how many of them fell.
    ///
    /// # Errors
    /// [`Failure::Internal`] when an attack proposes something that is not an image; what the model reports.
    pub fn hear(&mut self, indices: &[usize], mut proposals: Proposals, by: Proposer<'_>) -> Result<usize, Failure> {
        let pixels: usize = self.scorer.shape().iter().product();
        let originals = self.originals(indices);
        check_form(&proposals, (indices.len(), pixels), by)?;
        for (candidate, original) in proposals.images.chunks_exact_mut(pixels.max(1)).zip(originals.chunks_exact(pixels.max(1))) {
            self.ball.project(candidate, original);
        }
        let mut fallen = 0;
        for (chunk, part) in indices.chunks(SCORED_AT_ONCE).enumerate() {
            let first = chunk * SCORED_AT_ONCE;
            let candidates = proposals.images.get(first * pixels..(first + part.len()) * pixels).unwrap_or(&[]);
            let logits = self.scorer.logits(candidates)?;
            for (row, &index) in part.iter().enumerate() {
                let (candidate, original) = (slice(candidates, row, pixels), slice(&originals, first + row, pixels));
                let distance = self.checked_distance(candidate, original, by)?;
                let step = of(&proposals.steps, first + row);
                fallen += usize::from(self.decide(index, slice(&logits, row, self.scorer.classes()), (candidate, distance), (by, step)));
            }
        }
        Ok(fallen)
    }

    /// Keeps the candidate if it is worse for the image than what was kept; says whether the image fell by it.
    fn decide(&mut self, index: usize, logits: &[f32], (candidate, distance): (&[f32], f64), (by, step): (Proposer<'_>, u32)) -> bool {
        let Some((verdict, case)) = self.verdicts.get_mut(index).zip(self.cases.get(index)) else { return false };
        let found = margin(logits, case.label);
        // A fallen image keeps the candidate that felled it first.
        if !verdict.stands() || found >= verdict.margin {
            return false;
        }
        (verdict.margin, verdict.prediction, verdict.distance) = (found, prediction(logits, case.label), distance);
        if let Some(kept) = self.kept.get_mut(index * candidate.len()..(index + 1) * candidate.len()) {
            kept.copy_from_slice(candidate);
        }
        let fell = !verdict.stands();
        if fell {
            verdict.broken_by = Some(BrokenBy { attack: by.attack.to_owned(), restart: by.restart, step });
        }
        fell
    }

    /// The distance of a projected candidate, checked against the threat model itself, in f64.
    fn checked_distance(&self, candidate: &[f32], original: &[f32], by: Proposer<'_>) -> Result<f64, Failure> {
        let distance = self.ball.distance(candidate, original);
        let widest = candidate.iter().zip(original).map(|(&a, &x)| (f64::from(a) - f64::from(x)).abs()).fold(0.0, f64::max);
        let inside = widest <= self.eps && distance <= self.eps && candidate.iter().all(|a| (0.0..=1.0).contains(a));
        if inside {
            Ok(distance)
        } else {
            Err(Failure::internal(format!("a projected candidate of `{}` lies outside the ball", by.attack)))
        }
    }

    /// The findings on every image.
    #[must_use]
    pub fn close(self) -> Findings {
        let images = self.cases.into_iter().zip(self.verdicts).map(|(case, verdict)| ImageEvidence {
            id: case.id,
            label: case.label,
            clean_prediction: verdict.clean_prediction,
            clean_margin: verdict.clean_margin,
            attacked_prediction: verdict.prediction,
            attacked_margin: verdict.margin,
            robust: verdict.stands(),
            broken_by: verdict.broken_by,
            distance: verdict.distance,
        });
        Findings { images: images.collect(), kept: self.kept }
    }
}

/// The classes other than `label`, the one with the largest logit first, the lower class first among equals.
fn rivals(logits: &[f32], label: u32) -> Vec<u32> {
    let mut order: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).filter(|&(class, _)| class != label).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    order.into_iter().map(|(class, _)| class).collect()
}

fn check_fit(images: &Split, scorer: &dyn Scorer) -> Result<(), Failure> {
    let (shape, classes) = (scorer.shape(), scorer.classes());
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

fn check_form(proposals: &Proposals, (count, pixels): (usize, usize), by: Proposer<'_>) -> Result<(), Failure> {
    if proposals.images.len() != count * pixels || proposals.steps.len() != count {
        return Err(Failure::internal(format!("`{}` was asked for {count} candidates and proposed something else", by.attack)));
    }
    if proposals.images.iter().all(|v| v.is_finite()) {
        Ok(())
    } else {
        Err(Failure::internal(format!("`{}` proposed a pixel that is not a finite number", by.attack)))
    }
}

fn of(values: &[u32], index: usize) -> u32 {
    values.get(index).copied().unwrap_or_default()
}
