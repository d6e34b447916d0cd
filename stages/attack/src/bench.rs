//! The images of one part of an evaluation, and the worst that is known of each.

use planish_contract::Failure;
use planish_formats::{BrokenBy, ImageEvidence, Nearest, Split, Targeted};

use crate::attack::{Attack, Case, Goal};
use crate::judge::{Candidate, Judge, rivals};
use crate::loss::{margin, prediction, shortfall};
use crate::search::{slice, slice_mut};

/// What one restart of an attack came to on one image, judged: a function of image, attack, restart, seed, threat model and models alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trial {
    /// The best candidate for the attack's goal, if there is any.
    pub best: Option<Candidate>,
    /// Forward-and-backward passes spent.
    pub gradients: u64,
    /// Forward passes without a backward pass spent.
    pub queries: u64,
}

impl Trial {
    /// Keeps the candidate if it is better than what there was.
    pub fn take(&mut self, candidate: Candidate, goal: Goal) {
        let score = candidate.score(goal);
        if score.is_finite() && self.best.as_ref().is_none_or(|best| score < best.score(goal)) {
            self.best = Some(candidate);
        }
    }
}

/// Where a trial comes from.
#[derive(Clone, Copy, Debug)]
pub struct Proposer<'a> {
    /// The attack's name in evidence.
    pub attack: &'a str,
    /// The restart.
    pub restart: u32,
    /// What it tried to reach.
    pub goal: Goal,
}

/// What is known of one image: clean, and in the worst case so far.
#[derive(Clone, Debug)]
struct Verdict {
    clean_logits: Vec<f32>,
    clean_prediction: u32,
    clean_margin: f64,
    prediction: u32,
    margin: f64,
    broken_by: Option<BrokenBy>,
    distance: f64,
    nearest: Option<Nearest>,
    targeted: Option<Targeted>,
    gradients: u64,
    queries: u64,
}

/// What was found out of one part of the images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// One entry an image, in the order of the split.
    pub images: Vec<ImageEvidence>,
    /// The worst image within the threat model for each, `[n, c, h, w]` flat, in `[0,1]`; the clean one where no candidate was worse.
    pub kept: Vec<f32>,
    /// The nearest adversarial image for each, likewise; the clean one where none was found. Empty without attacks that minimise the norm.
    pub nearest: Vec<f32>,
    /// The image that comes closest to its target, likewise. Empty without targeted attacks.
    pub targeted: Vec<f32>,
}

/// Some images under attack.
///
/// Those that are misclassified as they are count as broken, at distance 0, by no attack.
pub struct Bench {
    originals: Vec<f32>,
    pixels: usize,
    cases: Vec<Case>,
    verdicts: Vec<Verdict>,
    kept: Vec<f32>,
    nearest: Vec<f32>,
    targeted: Vec<f32>,
}

impl Bench {
    /// Scores the clean images `range` of the split.
    ///
    /// # Errors
    /// What the model reports.
    pub fn open(judge: &mut Judge<'_>, images: &Split, range: std::ops::Range<usize>) -> Result<Self, Failure> {
        let originals = images.pixels(range.clone());
        let logits = judge.logits(&originals)?;
        let (mut cases, mut verdicts) = (Vec::with_capacity(range.len()), Vec::with_capacity(range.len()));
        for (row, index) in range.enumerate() {
            let logits = slice(&logits, row, judge.classes());
            let (id, label) = (of(&images.ids, index), of(&images.labels, index));
            cases.push(Case { id, label, rivals: rivals(logits, label), target: None });
            let (prediction, margin) = (prediction(logits, label), margin(logits, label));
            verdicts.push(Verdict {
                clean_logits: logits.to_vec(),
                clean_prediction: prediction,
                clean_margin: margin,
                prediction,
                margin,
                broken_by: None,
                distance: 0.0,
                nearest: None,
                targeted: None,
                gradients: 0,
                queries: 0,
            });
        }
        let (kept, none) = (originals.clone(), Vec::new);
        Ok(Bench { originals, pixels: judge.pixels(), cases, verdicts, kept, nearest: none(), targeted: none() })
    }

    /// How many images there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// Tells every image what `attack` is going to do to it: its target, if it has one.
    pub fn prepare(&mut self, attack: &dyn Attack, seed: u64) {
        for (case, verdict) in self.cases.iter_mut().zip(&mut self.verdicts) {
            case.target = attack.target(case, seed);
            if let Some(target) = case.target {
                let shortfall = shortfall(&verdict.clean_logits, target);
                verdict.targeted.get_or_insert(Targeted { target, reached: shortfall < 0.0, shortfall });
            }
        }
        match attack.goal() {
            Goal::Targeted if self.targeted.is_empty() => self.targeted = self.originals.clone(),
            Goal::MinimalNorm if self.nearest.is_empty() => self.nearest = self.originals.clone(),
            _ => {}
        }
    }

    /// The images for which `goal` is not reached yet, in order.
    #[must_use]
    pub fn standing(&self, goal: Goal) -> Vec<usize> {
        let stands = |verdict: &Verdict| match goal {
            Goal::Untargeted | Goal::MinimalNorm => verdict.margin > 0.0,
            Goal::Targeted => verdict.targeted.as_ref().is_some_and(|targeted| !targeted.reached),
        };
        (0..).zip(&self.verdicts).filter(|(_, verdict)| stands(verdict)).map(|(index, _)| index).collect()
    }

    /// The original images of `rows`, `[n, c, h, w]` flat, and what is known of them.
    #[must_use]
    pub fn pick(&self, rows: &[usize]) -> (Vec<f32>, Vec<Case>) {
        let images = rows.iter().flat_map(|&row| self.original(row).iter().copied()).collect();
        (images, rows.iter().filter_map(|&row| self.cases.get(row).cloned()).collect())
    }

    /// One original image `[c, h, w]`.
    #[must_use]
    pub fn original(&self, row: usize) -> &[f32] {
        slice(&self.originals, row, self.pixels)
    }

    /// What is known of one image.
    #[must_use]
    pub fn case(&self, row: usize) -> Option<&Case> {
        self.cases.get(row)
    }

    /// Takes note of a trial on image `row`; keeps its candidate where it is worse than what was kept. An image that fell keeps what felled it.
    pub fn hear(&mut self, row: usize, trial: &Trial, by: Proposer<'_>, eps: f64) {
        let Some(verdict) = self.verdicts.get_mut(row) else { return };
        verdict.gradients += trial.gradients;
        verdict.queries += trial.queries;
        let Some(best) = &trial.best else { return };
        if by.goal == Goal::MinimalNorm && verdict.nearest.as_ref().is_none_or(|nearest| best.distance < nearest.distance) {
            verdict.nearest = Some(Nearest { distance: best.distance, attack: by.attack.to_owned() });
            slice_mut(&mut self.nearest, row, self.pixels).copy_from_slice(&best.image);
        }
        if let Some(targeted) = verdict.targeted.as_mut().filter(|t| by.goal == Goal::Targeted && best.shortfall < t.shortfall) {
            (targeted.shortfall, targeted.reached) = (best.shortfall, best.shortfall < 0.0);
            slice_mut(&mut self.targeted, row, self.pixels).copy_from_slice(&best.image);
        }
        if best.distance > eps || verdict.margin <= 0.0 || best.margin >= verdict.margin {
            return;
        }
        (verdict.margin, verdict.prediction, verdict.distance) = (best.margin, best.prediction, best.distance);
        slice_mut(&mut self.kept, row, self.pixels).copy_from_slice(&best.image);
        if best.is_adversarial() {
            verdict.broken_by = Some(BrokenBy { attack: by.attack.to_owned(), restart: by.restart, step: best.step });
        }
    }

    /// How many images are led to their target, and the distances of the nearest adversarial images (infinite where there is none) of those
    /// that are classified correctly.
    #[must_use]
    pub fn progress(&self) -> (usize, Vec<f64>) {
        let reached = self.verdicts.iter().filter(|v| v.targeted.as_ref().is_some_and(|t| t.reached)).count();
        let correct = self.verdicts.iter().filter(|v| v.clean_margin > 0.0);
        let distance = |v: &Verdict| {
            let within = if v.broken_by.is_some() { v.distance } else { f64::INFINITY };
            v.nearest.as_ref().map_or(within, |nearest| nearest.distance.min(within))
        };
        (reached, correct.map(distance).collect())
    }

    /// What was found out.
    ///
    /// # Errors
    /// What the model reports when images are rounded to 8 bits.
    pub fn close(self, judge: &mut Judge<'_>, report_u8: bool) -> Result<Findings, Failure> {
        let labels: Vec<u32> = self.cases.iter().map(|case| case.label).collect();
        let survives = if report_u8 { Some(judge.survives_rounding((&self.kept, &self.originals), &labels)?) } else { None };
        let images = self.cases.into_iter().zip(self.verdicts).enumerate().map(|(row, (case, verdict))| ImageEvidence {
            id: case.id,
            label: case.label,
            clean_prediction: verdict.clean_prediction,
            clean_margin: verdict.clean_margin,
            attacked_prediction: verdict.prediction,
            attacked_margin: verdict.margin,
            robust: verdict.margin > 0.0,
            robust_u8: survives.as_ref().and_then(|survives| survives.get(row)).map(|survives| verdict.clean_margin > 0.0 && !survives),
            broken_by: verdict.broken_by,
            distance: verdict.distance,
            nearest: verdict.nearest,
            targeted: verdict.targeted,
            gradients: verdict.gradients,
            queries: verdict.queries,
        });
        Ok(Findings { images: images.collect(), kept: self.kept, nearest: self.nearest, targeted: self.targeted })
    }
}

fn of(values: &[u32], index: usize) -> u32 {
    values.get(index).copied().unwrap_or_default()
}
