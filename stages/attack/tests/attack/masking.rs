//! The checks find masked gradients, and find none where there are none.

use planish_attack::judge::Scorer;
use planish_attack::masking::{MaskingParameters, Subject, check};
use planish_contract::{Failure, MemoryHost, SilentHost};
use planish_formats::{MaskingReport, Norm, Split, Threat, Verdict};
use planish_nn::{GradientPass, LogitLoss, Stream, Victim};

use crate::linear::Linear;
use crate::model::{EPS, Golden, Own, victim};
use crate::trials::within;

/// What is done to a linear model to mask its gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mask {
    /// Pixels are rounded to eighths: the loss is a staircase.
    Rounded,
    /// Logits a million times as large: the cross-entropy has no gradient.
    Saturated,
    /// Probabilities instead of logits.
    Softmax,
    /// Noise on the logits.
    Noisy,
    /// The gradient points away from where the loss rises.
    Reversed,
    /// No attack changes the prediction: a label that leaked into the image, say.
    Blind,
}

struct Masked {
    inner: Linear,
    mask: Mask,
    noise: Stream,
}

impl Masked {
    fn outputs(&mut self, images: &[f32]) -> Result<Vec<f32>, Failure> {
        let rounded: Vec<f32> = images.iter().map(|x| (x * 8.0).round() / 8.0).collect();
        let seen = match self.mask {
            Mask::Rounded => &rounded,
            _ => images,
        };
        let mut logits = Victim::logits(&mut self.inner, seen)?;
        match self.mask {
            Mask::Saturated => logits.iter_mut().for_each(|z| *z *= 1e6),
            Mask::Noisy => logits.iter_mut().for_each(|z| *z += 0.1 * self.noise.normal()),
            Mask::Softmax => {
                for row in logits.chunks_mut(self.inner.classes) {
                    let largest = row.iter().copied().fold(f32::MIN, f32::max);
                    let sum: f32 = row.iter().map(|z| (z - largest).exp()).sum();
                    for z in row.iter_mut() {
                        *z = (*z - largest).exp() / sum;
                    }
                }
            }
            Mask::Blind => logits.chunks_mut(self.inner.classes).for_each(|row| row[0] = 1e3),
            Mask::Rounded | Mask::Reversed => {}
        }
        Ok(logits)
    }
}

impl Scorer for Masked {
    fn shape(&self) -> [usize; 3] {
        self.inner.shape
    }
    fn classes(&self) -> usize {
        self.inner.classes
    }
    fn logits(&mut self, images: &[f32]) -> Result<Vec<f32>, Failure> {
        self.outputs(images)
    }
}

impl Victim for Masked {
    fn shape(&self) -> [usize; 3] {
        self.inner.shape
    }
    fn classes(&self) -> usize {
        self.inner.classes
    }
    fn logits(&mut self, images: &[f32]) -> Result<Vec<f32>, Failure> {
        self.outputs(images)
    }
    fn gradient(&mut self, images: &[f32], loss: LogitLoss<'_>) -> Result<GradientPass, Failure> {
        let logits = self.outputs(images)?;
        let classes = self.inner.classes;
        let (mut losses, mut gradient) = (Vec::new(), Vec::new());
        for (index, row) in logits.chunks(classes).enumerate() {
            let mut slope = vec![0.0; classes];
            losses.push(loss(index, row, &mut slope));
            let factor = match self.mask {
                Mask::Rounded => 0.0,
                Mask::Reversed => -1.0,
                Mask::Saturated => 1e6,
                _ => 1.0,
            };
            let weights = &self.inner.weights;
            gradient.extend((0..16).map(|p| slope.iter().enumerate().map(|(k, s)| factor * s * weights[k * 16 + p]).sum::<f32>()));
        }
        Ok(GradientPass { losses, logits, gradient })
    }
}

/// These images within that threat, with nothing known of the model.
fn subject(images: &Split, threat: Threat) -> Subject<'_> {
    Subject { images, threat, seed: 1, host: &SilentHost, identity: None, graph: None, no_gradients: None }
}

fn report_of(mask: Mask) -> MaskingReport {
    let model = Linear::new(4, 8);
    let images = model.images(40, 9);
    // What the blind model is right on.
    let images = if mask == Mask::Blind { Split { labels: vec![0; 40], ..images } } else { images };
    let masked = || Masked { inner: model.clone(), mask, noise: Stream::new(1, "noise", &[]) };
    let subject = subject(&images, within(Norm::Linf, 0.05));
    check(&MaskingParameters::default(), &subject, &mut masked(), &mut masked()).unwrap()
}

#[test]
fn masked_gradients_are_found() {
    let rows: [(Mask, &[&str]); 6] = [
        (Mask::Rounded, &["zero-gradients", "loss-not-rising", "gradient-free-is-stronger", "eps-sweep"]),
        (Mask::Saturated, &["zero-gradients", "loss-not-rising"]),
        (Mask::Softmax, &["probability-outputs"]),
        (Mask::Noisy, &["randomised-outputs"]),
        (Mask::Reversed, &["loss-not-rising", "gradient-free-is-stronger", "eps-sweep"]),
        (Mask::Blind, &["eps-sweep"]),
    ];
    for (mask, expected) in rows {
        let report = report_of(mask);
        let failed: Vec<&str> = report.failed().map(|check| check.name.as_str()).collect();
        assert!(expected.iter().all(|name| failed.contains(name)), "{mask:?} fails {failed:?} only: {report:#?}");
        assert!(!report.is_clean());
    }
}

#[test]
fn honest_models_pass() {
    let model = Linear::new(4, 8);
    let images = model.images(40, 9);
    for (norm, eps) in [(Norm::Linf, 0.05), (Norm::L2, 0.2)] {
        let subject = subject(&images, within(norm, eps));
        let report = check(&MaskingParameters::default(), &subject, &mut model.clone(), &mut model.clone()).unwrap();
        assert!(report.is_clean() && report.checks.iter().all(|check| check.verdict == Verdict::Passed), "{norm}: {report:#?}");
    }
    let images = Golden::read().images();
    let subject = subject(&images, within(Norm::Linf, EPS));
    let report = check(&MaskingParameters::default(), &subject, &mut Own(victim(64)), &mut victim(64)).unwrap();
    assert!(report.is_clean(), "{report:#?}");
}

#[test]
fn too_few_images_decide_nothing() {
    let model = Linear::new(4, 8);
    let images = model.images(3, 9);
    let subject = subject(&images, within(Norm::Linf, 0.05));
    let report = check(&MaskingParameters::default(), &subject, &mut model.clone(), &mut model.clone()).unwrap();
    assert!(report.images == 3 && report.checks.iter().all(|check| check.verdict == Verdict::Undecided));
}

#[test]
fn a_report_is_remembered() {
    let mut model = Linear::new(4, 8);
    let images = model.images(40, 9);
    let host = MemoryHost::default();
    let identity = Some(vec![b"model".to_vec()]);
    let subject = Subject { host: &host, identity, ..subject(&images, within(Norm::Linf, 0.05)) };
    let first = check(&MaskingParameters::default(), &subject, &mut model.clone(), &mut model).unwrap();
    let spent = std::mem::take(&mut model.gradients);
    let second = check(&MaskingParameters::default(), &subject, &mut model.clone(), &mut model).unwrap();
    assert!(first == second && spent > 0 && model.gradients == 0);
    let larger = Subject { threat: within(Norm::Linf, 0.06), identity: subject.identity.clone(), no_gradients: None, ..subject };
    check(&MaskingParameters::default(), &larger, &mut model.clone(), &mut model).unwrap();
    assert!(model.gradients > 0);
}

/// A model that is wrong about every image can be asked as well; nothing is decided then.
#[test]
fn no_correct_image_decides_nothing() {
    let mut model = Linear::new(4, 8);
    let images = model.images(8, 9);
    let wrong = Split { labels: images.labels.iter().map(|label| (label + 1) % 4).collect(), ..images };
    let subject = subject(&wrong, within(Norm::Linf, 0.05));
    let report = check(&MaskingParameters::default(), &subject, &mut model.clone(), &mut model).unwrap();
    assert!(report.images == 0 && report.checks.iter().all(|check| check.verdict == Verdict::Undecided), "{report:#?}");
}
