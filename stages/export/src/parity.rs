//! ONNX Runtime's logits against burn's.

use planish_contract::{Context, Failure};
use planish_formats::{DataSet, Parity, SCHEMA, SplitName};
use planish_nn::{BurnVictim, Checkpoint, Stream, Victim};
use planish_onnx::Classifier;

/// How many images the original network is given at once; its logits do not depend on it.
const BATCH: usize = 64;

/// The images to compare on, `[n, c, h, w]` in `[0,1]`: the first `count` of the test split of the artifact
/// connected to `data`, else random ones, always the same.
pub(crate) fn images(context: &Context, shape: [usize; 3], count: usize) -> Result<Vec<f32>, Failure> {
    let Some(folder) = context.optional_input("data")? else {
        let mut images = vec![0.0; count * shape.iter().product::<usize>()];
        Stream::new(0, "export parity images", &[]).fill_uniform(&mut images, 0.0, 1.0);
        return Ok(images);
    };
    let data = DataSet::open(folder)?;
    if data.info.shape != shape {
        let message =
            format!("the network takes images of shape {shape:?}, but those of `{}` have shape {:?}", data.info.name, data.info.shape);
        return Err(Failure::input_hint(message, "connect the data set that the network was trained on to `inputs.data`"));
    }
    let split = data.split(SplitName::Test)?.first(count);
    if split.is_empty() {
        return Err(Failure::input(format!("the test split of `{}` has no images to compare logits on", data.info.name)));
    }
    Ok(split.pixels(0..split.len()))
}

/// The logits that are furthest apart.
struct Furthest {
    difference: f64,
    image: usize,
    class: usize,
}

/// Compares both networks' logits on `images`.
///
/// # Errors
/// [`Failure::Diverged`] when two logits are further apart than `bound`, or one is not finite; whatever either network fails with.
pub(crate) fn compare(checkpoint: Checkpoint, model: &mut Classifier, images: &[f32], bound: f64) -> Result<Parity, Failure> {
    let mut original = BurnVictim::new(checkpoint, BATCH);
    if (original.shape(), original.classes()) != (model.shape(), model.classes()) {
        return Err(Failure::internal("the exported model takes other images or gives other classes than the network"));
    }
    let (expected, actual) = (original.logits(images)?, model.logits(images)?);
    judge(&expected, &actual, model.classes(), bound)
}

fn judge(expected: &[f32], actual: &[f32], classes: usize, bound: f64) -> Result<Parity, Failure> {
    let images = expected.len() / classes;
    let furthest = furthest(expected, actual, classes);
    // A difference that is no number is none within the bound either.
    if furthest.difference.is_nan() || furthest.difference > bound {
        let Furthest { difference, image, class } = furthest;
        return Err(Failure::Diverged(format!(
            "the exported model is not the network: its logits differ by up to {difference:.3e} (class {class} of image {image}), more than the bound {bound:.3e}"
        )));
    }
    let equal = expected.chunks(classes).zip(actual.chunks(classes)).filter(|(a, b)| prediction(a) == prediction(b)).count();
    Ok(Parity { schema: SCHEMA, images, max_abs_difference: furthest.difference, bound, agreement: equal as f64 / images as f64 })
}

fn furthest(expected: &[f32], actual: &[f32], classes: usize) -> Furthest {
    let differences = expected.iter().zip(actual).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    let largest = differences.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap_or((0, 0.0));
    Furthest { difference: largest.1, image: largest.0 / classes, class: largest.0 % classes }
}

/// The class of the largest logit, the first of equals.
fn prediction(logits: &[f32]) -> Option<usize> {
    logits.iter().enumerate().rev().max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(class, _)| class)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::convert;
    use crate::testing;
    use prost::Message;
    use std::path::Path;

    #[test]
    fn the_largest_difference_and_the_agreement_are_measured() {
        let parity = judge(&[1.0, 2.0, 5.0, 1.0], &[1.0, 2.5, 1.0, 1.25], 2, 4.0).unwrap();
        assert_eq!(parity, Parity { schema: SCHEMA, images: 2, max_abs_difference: 4.0, bound: 4.0, agreement: 0.5 });
    }

    #[test]
    fn a_difference_above_the_bound_is_named() {
        let message = judge(&[1.0, 2.0, 5.0, 1.0], &[1.0, 2.5, 5.0, 1.25], 2, 0.1).unwrap_err().to_string();
        assert!(message.contains("5.000e-1 (class 1 of image 0)") && message.contains("1.000e-1"), "{message}");
        assert!(judge(&[f32::NAN], &[1.0], 1, 0.1).is_err());
    }

    #[test]
    fn the_first_of_equal_logits_is_the_prediction() {
        assert_eq!(prediction(&[1.0, 3.0, 3.0]), Some(1));
        assert_eq!(prediction(&[]), None);
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
                let parity = compare(network.checkpoint(), &mut model, &network.images(count), 1e-4).expect(&name);
                assert_eq!((parity.images, parity.agreement), (count, 1.0), "{name}: {parity:?}");
            }
            // A network that says the same about every image would prove little.
            let logits = model.logits(&network.images(2)).unwrap();
            assert!(logits[..3].iter().zip(&logits[3..]).any(|(a, b)| (a - b).abs() > 1e-3), "{name}: {logits:?}");
        }
    }

    #[test]
    fn every_operator_set_gives_the_same_logits() {
        let folder = tempfile::tempdir().unwrap();
        let network = testing::wide_resnet("softplus");
        for opset in 13..=21 {
            let path = folder.path().join(format!("{opset}.onnx"));
            std::fs::write(&path, convert(&network.source(), opset).unwrap().encode_to_vec()).unwrap();
            let mut model = Classifier::open(&path, 1).unwrap();
            compare(network.checkpoint(), &mut model, &network.images(2), 1e-4).unwrap();
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
        let failure = compare(network.checkpoint(), &mut model, &network.images(3), 1e-3).unwrap_err();
        assert!(failure.to_string().contains("class 2 of image"), "{failure}");
    }

    /// Runs only where `PLANISH_TEST_PYTHON` names an interpreter that has the package `onnx`.
    #[test]
    fn the_onnx_package_accepts_every_model_and_computes_the_same() {
        let Some(python) = std::env::var_os("PLANISH_TEST_PYTHON") else { return };
        let folder = tempfile::tempdir().unwrap();
        let mut command = std::process::Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/onnx_check.py"));
        for (name, network) in testing::every_network() {
            let images = network.images(2);
            let logits = BurnVictim::new(network.checkpoint(), BATCH).logits(&images).unwrap();
            classifier(folder.path(), &name, &network);
            for (extension, values) in [("images", &images), ("logits", &logits)] {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                std::fs::write(folder.path().join(format!("{name}.{extension}")), bytes).unwrap();
            }
            command.arg(folder.path().join(format!("{name}.onnx")));
        }
        for opset in [13, 21] {
            let path = folder.path().join(format!("{opset}.onnx"));
            std::fs::write(&path, convert(&testing::wide_resnet("silu").source(), opset).unwrap().encode_to_vec()).unwrap();
            command.arg(path);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), testing::every_network().len());
    }
}
