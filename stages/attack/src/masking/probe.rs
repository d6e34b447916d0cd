//! What checks can ask of a model.

use planish_contract::{Failure, Fraction};
use planish_formats::{Norm, Split, Threat};
use planish_nn::{Aim, Ball, StepSize, Surrogate, Victim};

use super::{MaskingParameters, Subject};
use crate::attacks::{AnyAttack, Pgd, Square};
use crate::choice::Named;
use crate::evaluate::{Setting, evaluate, side_by_side};
use crate::judge::{Judge, Scorer};
use crate::loss::{Loss, margin};
use crate::optimizer::{Memory, Optimizer};
use crate::search::{Start, slice, slice_mut};

/// A model, and a few images that it classifies correctly.
pub(super) struct Probe<'a> {
    pub(super) images: Split,
    parameters: &'a MaskingParameters,
    subject: &'a Subject<'a>,
    scorer: &'a mut dyn Scorer,
    victim: &'a mut dyn Victim,
}

impl<'a> Probe<'a> {
    pub(super) fn new(
        parameters: &'a MaskingParameters,
        subject: &'a Subject<'a>,
        scorer: &'a mut dyn Scorer,
        victim: &'a mut dyn Victim,
    ) -> Result<Self, Failure> {
        let images = correct(subject.images, parameters.images, scorer)?;
        Ok(Probe { images, parameters, subject, scorer, victim })
    }

    /// Why there are no gradients, where there are none.
    pub(super) fn no_gradients(&self) -> Option<&str> {
        self.subject.no_gradients.as_deref()
    }

    /// The clean images as numbers.
    pub(super) fn pixels(&self) -> Vec<f32> {
        self.images.pixels(0..self.images.len())
    }

    pub(super) fn eps(&self) -> f64 {
        self.subject.threat.eps.value()
    }

    /// The radius that holds every image: whatever is the norm, nothing lies outside.
    pub(super) fn whole(&self) -> f64 {
        let pixels = self.images.image_len() as f64;
        match self.subject.threat.norm {
            Norm::Linf => 1.0,
            Norm::L2 => pixels.sqrt(),
            Norm::L1 => pixels,
        }
    }

    /// Gradients that attacks of `times` the budget spend.
    pub(super) fn steps(&self, times: u32) -> u32 {
        self.parameters.steps.saturating_mul(times)
    }

    /// PGD on the cross-entropy from random starts with `times` the budget; together its steps go six times through the ball.
    pub(super) fn pgd(&self, times: u32) -> AnyAttack {
        let steps = self.steps(times);
        let step_size = StepSize::Relative(6.0 / f64::from(steps.max(1)));
        let (optimizer, start) = (Optimizer::Sign, Start::Uniform);
        AnyAttack::Pgd(Pgd { steps, restarts: 1, loss: Loss::CrossEntropy, optimizer, step_size, decay: 1.0, start })
    }

    /// The same on the margin, from the images themselves or from random starts.
    pub(super) fn on_margin(&self, start: Start) -> AnyAttack {
        match self.pgd(1) {
            AnyAttack::Pgd(pgd) => AnyAttack::Pgd(Pgd { loss: Loss::Margin, start, ..pgd }),
            other => other,
        }
    }

    /// An attack that needs no gradients.
    pub(super) fn square(&self) -> AnyAttack {
        let queries = self.parameters.queries;
        AnyAttack::Square(Square { queries, restarts: 1, p_init: 0.8, rescale_schedule: true })
    }

    /// Which images stand against `attacks` at radius `eps`.
    pub(super) fn standing(&mut self, attacks: Vec<AnyAttack>, eps: f64) -> Result<Vec<bool>, Failure> {
        // A model that is wrong about every image leaves nothing to check.
        if self.images.is_empty() {
            return Ok(Vec::new());
        }
        let threat = Threat { eps: Fraction(eps), ..self.subject.threat };
        let mut judge = Judge::new(&threat, self.scorer);
        let (together, host) = (side_by_side(self.images.image_len()), self.subject.host);
        let setting = Setting { seed: self.subject.seed, together, report_u8: false, host, identity: None };
        let named: Vec<Named> = attacks.into_iter().map(Named::alone).collect();
        let mut standing = Vec::with_capacity(self.images.len());
        evaluate(&mut judge, self.victim, (&named, &self.images), &setting, &mut |findings| {
            standing.extend(findings.images.iter().map(|image| image.robust));
            Ok(())
        })?;
        Ok(standing)
    }

    /// The logits of the clean images, from the model that judges.
    pub(super) fn judged_logits(&mut self) -> Result<Vec<f32>, Failure> {
        let pixels = self.pixels();
        self.scorer.logits(&pixels)
    }

    pub(super) fn classes(&self) -> usize {
        self.scorer.classes()
    }

    /// The gradient of the cross-entropy at images `[n, c, h, w]`, and its values.
    pub(super) fn gradient(&mut self, images: &[f32]) -> Result<(Vec<f32>, Vec<f32>), Failure> {
        if images.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let aims: Vec<Aim> = self.images.labels.iter().map(|&label| Aim::away_from(label)).collect();
        let pass = self.victim.surrogate_gradient(images, Surrogate::CrossEntropy, &aims)?;
        if self.subject.host.stopped() { Err(Failure::Stopped) } else { Ok((pass.losses, pass.gradient)) }
    }

    /// The cross-entropy of every image at the beginning and at the end of a path of small steps uphill, from the image to ε.
    pub(super) fn path(&mut self) -> Result<Vec<(f32, f32)>, Failure> {
        let (originals, pixels) = (self.pixels(), self.images.image_len());
        let ball = Ball::new(self.subject.threat.norm, self.eps());
        let mut memory = Memory::new(Optimizer::Sign, (self.images.len(), pixels), ball.norm);
        let (mut current, mut first) = (originals.clone(), Vec::new());
        for step in 0..=self.parameters.steps {
            let (losses, gradient) = self.gradient(&current)?;
            if step == 0 {
                first.clone_from(&losses);
            }
            if step == self.parameters.steps {
                return Ok(first.into_iter().zip(losses).collect());
            }
            let size = self.eps() / f64::from(self.parameters.steps);
            for row in 0..self.images.len() {
                let x = slice_mut(&mut current, row, pixels);
                memory.step(row, step, size, (x, slice(&gradient, row, pixels)));
                ball.project(x, slice(&originals, row, pixels));
            }
        }
        Ok(Vec::new())
    }
}

/// The first `count` images that the model classifies correctly.
fn correct(images: &Split, count: usize, scorer: &mut dyn Scorer) -> Result<Split, Failure> {
    const AT_ONCE: usize = 64;
    let classes = scorer.classes();
    let mut found = Split { shape: images.shape, ..Split::default() };
    for first in (0..images.len()).step_by(AT_ONCE) {
        let last = (first + AT_ONCE).min(images.len());
        let logits = scorer.logits(&images.pixels(first..last))?;
        for (row, index) in (first..last).enumerate() {
            let Some((&label, &id)) = images.labels.get(index).zip(images.ids.get(index)) else { continue };
            if found.len() < count && margin(slice(&logits, row, classes), label) > 0.0 {
                found.images.extend_from_slice(images.image(index));
                found.labels.push(label);
                found.ids.push(id);
            }
        }
        if found.len() == count {
            break;
        }
    }
    Ok(found)
}
