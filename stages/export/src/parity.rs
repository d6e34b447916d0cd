//! ONNX Runtime's logits against burn's.

use planish_contract::{Context, Failure};
use planish_formats::{Comparison, DataSet, SplitName};
use planish_nn::{BurnVictim, Checkpoint, Stream, Victim};
use planish_onnx::Classifier;

/// How many images the original network is given at once; its logits do not depend on it.
const BATCH: usize = 64;

/// Images to compare on.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// `[n, c, h, w]` in `[0,1]`.
    pub(crate) images: Vec<f32>,
    /// Their true classes, where they are known.
    pub(crate) labels: Option<Vec<u32>>,
}

/// The first `count` images of a split of the artifact connected to `data`, else random ones, always the same.
pub(crate) fn sample(context: &Context, split: SplitName, shape: [usize; 3], count: usize) -> Result<Sample, Failure> {
    let Some(folder) = context.optional_input("data")? else {
        let mut images = vec![0.0; count * shape.iter().product::<usize>()];
        Stream::new(0, "export parity images", &[]).fill_uniform(&mut images, 0.0, 1.0);
        return Ok(Sample { images, labels: None });
    };
    let data = DataSet::open(folder)?;
    if data.info.shape != shape {
        let message =
            format!("the network takes images of shape {shape:?}, but those of `{}` have shape {:?}", data.info.name, data.info.shape);
        return Err(Failure::input_hint(message, "connect the data set that the network was trained on to `inputs.data`"));
    }
    let images = data.split(split)?.first(count);
    if images.is_empty() {
        return Err(Failure::input(format!("the {} split of `{}` has no images to compare logits on", split.as_str(), data.info.name)));
    }
    Ok(Sample { images: images.pixels(0..images.len()), labels: Some(images.labels) })
}

/// The network that was exported.
pub(crate) fn original(checkpoint: Checkpoint) -> BurnVictim {
    BurnVictim::new(checkpoint, BATCH)
}

/// Some images, and what the original says of them.
pub(crate) struct Reference {
    pub(crate) images: Vec<f32>,
    logits: Vec<f32>,
    classes: usize,
}

impl Reference {
    pub(crate) fn of(original: &mut BurnVictim, images: Vec<f32>) -> Result<Self, Failure> {
        Ok(Reference { logits: original.logits(&images)?, classes: original.classes(), images })
    }

    /// The largest difference of a logit that a model has from the original, and how often both predict the same.
    ///
    /// # Errors
    /// What the model reports; [`Failure::Internal`] when it takes other images or gives other classes.
    pub(crate) fn compare(&self, model: &mut Classifier) -> Result<(Comparison, Vec<f32>), Failure> {
        let actual = model.logits(&self.images)?;
        if (model.classes(), actual.len()) != (self.classes, self.logits.len()) {
            return Err(Failure::internal("the exported model takes other images or gives other classes than the network"));
        }
        Ok((measure(&self.logits, &actual, self.classes), actual))
    }

    /// The same within a bound.
    ///
    /// # Errors
    /// Also [`Failure::Diverged`] when two logits are further apart than `bound` times the largest logit of the original, or times 1 if that is larger.
    pub(crate) fn compare_within(&self, model: &mut Classifier, bound: f64, what: &str) -> Result<Comparison, Failure> {
        let (comparison, actual) = self.compare(model)?;
        check_bound(&self.logits, &actual, self.classes, (bound, what))?;
        Ok(comparison)
    }

    /// The share of images that the original predicts otherwise than another reference of the same images.
    pub(crate) fn moved(&self, from: &Reference) -> f64 {
        let pairs = self.logits.chunks(self.classes).zip(from.logits.chunks(self.classes));
        let moved = pairs.filter(|(a, b)| prediction(a) != prediction(b)).count();
        moved as f64 / (self.logits.len() / self.classes).max(1) as f64
    }

    /// How much more accurate the logits are than the original's; both of the same images.
    pub(crate) fn accuracy_difference(&self, logits: &[f32], labels: &[u32]) -> f64 {
        accuracy(logits, labels, self.classes) - accuracy(&self.logits, labels, self.classes)
    }
}

fn accuracy(logits: &[f32], labels: &[u32], classes: usize) -> f64 {
    let right = logits.chunks(classes).zip(labels).filter(|(row, label)| prediction(row) == Some(**label as usize)).count();
    right as f64 / labels.len().max(1) as f64
}

fn measure(expected: &[f32], actual: &[f32], classes: usize) -> Comparison {
    let images = expected.len() / classes;
    let equal = expected.chunks(classes).zip(actual.chunks(classes)).filter(|(a, b)| prediction(a) == prediction(b)).count();
    let agreement = equal as f64 / images.max(1) as f64;
    Comparison { images, max_abs_difference: furthest(expected, actual, classes).difference, agreement }
}

fn check_bound(expected: &[f32], actual: &[f32], classes: usize, (bound, what): (f64, &str)) -> Result<(), Failure> {
    let Furthest { difference, image, class } = furthest(expected, actual, classes);
    let largest = f64::from(expected.iter().fold(1.0_f32, |largest, logit| largest.max(logit.abs())));
    // A difference that is no number, or infinite, is none within the bound either.
    if !difference.is_finite() || difference > bound * largest {
        return Err(Failure::Diverged(format!(
            "the exported model is not the network: its logits differ by up to {difference:.3e} (class {class} of {what} {image}), more than {:.3e}, the bound {bound:.3e} times {largest:.3e}, the largest logit or 1",
            bound * largest
        )));
    }
    Ok(())
}

/// The logits that are furthest apart.
struct Furthest {
    difference: f64,
    image: usize,
    class: usize,
}

fn furthest(expected: &[f32], actual: &[f32], classes: usize) -> Furthest {
    let differences = expected.iter().zip(actual).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    let largest = differences.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap_or((0, 0.0));
    Furthest { difference: largest.1, image: largest.0 / classes, class: largest.0 % classes }
}

/// The class of the largest logit, the first of equals.
pub(crate) fn prediction(logits: &[f32]) -> Option<usize> {
    logits.iter().enumerate().rev().max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(class, _)| class)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::convert;
    use crate::fold::BatchNorm;
    use crate::testing;
    use prost::Message;
    use std::path::Path;

    #[test]
    fn the_largest_difference_and_the_agreement_are_measured() {
        let comparison = measure(&[1.0, 2.0, 5.0, 1.0], &[1.0, 2.5, 1.0, 1.25], 2);
        assert_eq!(comparison, Comparison { images: 2, max_abs_difference: 4.0, agreement: 0.5 });
        assert!((accuracy(&[1.0, 2.0, 5.0, 1.0], &[1, 1], 2) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_difference_above_the_bound_is_named() {
        let message = check_bound(&[1.0, 2.0, 5.0, 1.0], &[1.0, 2.5, 5.0, 1.25], 2, (0.05, "image")).unwrap_err().to_string();
        assert!(message.contains("5.000e-1 (class 1 of image 0)") && message.contains("bound 5.000e-2 times 5.000e0"), "{message}");
        assert!(check_bound(&[f32::NAN], &[1.0], 1, (0.1, "image")).is_err());
        assert!(check_bound(&[f32::INFINITY], &[1.0], 1, (0.1, "image")).is_err());
    }

    /// Rounding grows with the logits.
    #[test]
    fn the_bound_is_relative_to_the_largest_logit() {
        assert!(check_bound(&[1.0, -200.0], &[1.5, -200.0], 2, (1e-2, "image")).is_ok());
        assert!(check_bound(&[1.0, -200.0], &[3.5, -200.0], 2, (1e-2, "image")).is_err());
        assert!(check_bound(&[1.0, 0.5], &[1.5, 0.5], 2, (1e-2, "image")).is_err());
    }

    #[test]
    fn the_first_of_equal_logits_is_the_prediction() {
        assert_eq!(prediction(&[1.0, 3.0, 3.0]), Some(1));
        assert_eq!(prediction(&[]), None);
    }

    fn compare(network: &testing::TestNetwork, model: &mut Classifier, count: usize, bound: f64) -> Result<Comparison, Failure> {
        let reference = Reference::of(&mut original(network.checkpoint()), network.images(count))?;
        reference.compare_within(model, bound, "image")
    }

    /// Writes a model into `folder` and opens it.
    fn classifier(folder: &Path, name: &str, network: &testing::TestNetwork) -> Classifier {
        let path = folder.join(format!("{name}.onnx"));
        std::fs::write(&path, network.model().encode_to_vec()).unwrap();
        Classifier::open(&path, 2).unwrap()
    }

    #[test]
    fn every_network_and_activation_agrees_with_onnx_runtime_in_every_batch() {
        let folder = tempfile::tempdir().unwrap();
        for (name, network) in testing::every_network() {
            let mut model = classifier(folder.path(), &name, &network);
            for count in [1, 2, 9] {
                let parity = compare(&network, &mut model, count, 1e-4).expect(&name);
                assert_eq!((parity.images, parity.agreement), (count, 1.0), "{name}: {parity:?}");
            }
            // A network that says the same about every image would prove little.
            let logits = model.logits(&network.images(2)).unwrap();
            assert!(logits[..3].iter().zip(&logits[3..]).any(|(a, b)| (a - b).abs() > 1e-3), "{name}: {logits:?}");
        }
    }

    #[test]
    fn every_operator_set_gives_the_same_logits_with_normalisation_kept_or_folded() {
        let folder = tempfile::tempdir().unwrap();
        let network = testing::wide_resnet("softplus");
        for (opset, batch_norm) in (13..=21).flat_map(|opset| [(opset, BatchNorm::Keep), (opset, BatchNorm::Fold)]) {
            let path = folder.path().join(format!("{opset}.onnx"));
            std::fs::write(&path, convert(&network.source(), opset, batch_norm).unwrap().encode_to_vec()).unwrap();
            let mut model = Classifier::open(&path, 1).unwrap();
            compare(&network, &mut model, 2, 1e-4).unwrap();
        }
    }

    #[test]
    fn other_weights_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let network = testing::wide_resnet("relu");
        let mut other = testing::wide_resnet("relu");
        let bias = other.tensors.iter_mut().find(|tensor| tensor.name == "fc.bias").unwrap();
        bias.values = planish_formats::Values::F32(vec![0.0, 0.0, 9.0]);
        let mut model = classifier(folder.path(), "other", &other);
        let failure = compare(&network, &mut model, 3, 1e-3).unwrap_err();
        assert!(failure.to_string().contains("class 2 of image"), "{failure}");
    }
}
