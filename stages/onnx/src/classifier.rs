//! Image classifiers run by ONNX Runtime.

use std::path::Path;
use std::sync::Arc;

use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{RunOptions, Session};
use ort::value::TensorRef;
use planish_contract::Failure;

use crate::inspect::Signature;
use crate::model_file::ModelFile;
use crate::probe;
use crate::provider::{self, Compute};
use crate::runtime;

/// How many images are run at once; logits do not depend on it.
const BATCH: usize = 64;

/// An image classifier in an ONNX file, run by ONNX Runtime.
pub struct Classifier {
    session: Session,
    signature: Signature,
    options: Option<Arc<RunOptions>>,
    /// The file, for messages.
    file: String,
}

impl std::fmt::Debug for Classifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Classifier").field("file", &self.file).field("signature", &self.signature).finish_non_exhaustive()
    }
}

impl Classifier {
    /// Opens the model at `path`; `compute` is a number of threads, or also says where. [`runtime::ensure`] says which library of
    /// ONNX Runtime is used.
    ///
    /// The model may be anybody's: it is [inspected](crate::inspect), and where the executable can do so ([`probe::is_available`])
    /// its first run happens in a process of its own, once for each process and model.
    ///
    /// # Errors
    /// What [`ModelFile::read`], [`probe::first_run`] and [`runtime::ensure`] return; [`Failure::Input`] when ONNX Runtime refuses the
    /// model, or when the provider is not there: nothing else is used in its place.
    pub fn open(path: &Path, compute: impl Into<Compute>) -> Result<Self, Failure> {
        Self::open_read(&ModelFile::read(path)?, path, compute)
    }

    /// As [`Classifier::open`], of a model that was read from `path` already.
    ///
    /// # Errors
    /// As there, but for reading.
    pub fn open_read(model: &ModelFile, path: &Path, compute: impl Into<Compute>) -> Result<Self, Failure> {
        if probe::is_available() {
            probe::first_run_once(path, model)?;
        }
        Self::of_model(model, &path.display().to_string(), compute)
    }

    /// Opens a model that was inspected before, without a first run elsewhere; messages call it `file`.
    ///
    /// # Errors
    /// As there, but for reading.
    pub fn of_model(model: &ModelFile, file: &str, compute: impl Into<Compute>) -> Result<Self, Failure> {
        runtime::ensure(None)?;
        let session = session(&model.bytes, compute.into())?
            .map_err(|e| Failure::input(format!("{file}: ONNX Runtime refuses the model: {}", words(&e))))?;
        Ok(Classifier { session, signature: model.signature.clone(), options: None, file: file.to_owned() })
    }

    /// Has every run obey `options`, which another thread may use to end it.
    pub(crate) fn set_options(&mut self, options: Arc<RunOptions>) {
        self.options = Some(options);
    }

    /// An image: `[c, h, w]`.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.signature.shape
    }

    /// The number of classes, `k`.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.signature.classes
    }

    /// The logits `[n, k]` of the images `[n, c, h, w]` (values in `[0,1]`), both row by row.
    ///
    /// # Errors
    /// [`Failure::Input`] when ONNX Runtime can't run the model or gives logits of another shape,
    /// [`Failure::Diverged`] when a logit is not finite, [`Failure::Internal`] when `images` is not a whole number of images.
    pub fn logits(&mut self, images: &[f32]) -> Result<Vec<f32>, Failure> {
        let size = self.signature.shape.iter().product::<usize>();
        if !images.len().is_multiple_of(size) {
            return Err(Failure::internal(format!("{} values are no whole number of images {:?}", images.len(), self.shape())));
        }
        let batch = if self.signature.single { 1 } else { BATCH };
        let mut logits = Vec::with_capacity(images.len() / size * self.classes());
        for images in images.chunks(batch * size) {
            let count = images.len() / size;
            if count == 1 && !self.signature.single {
                // ONNX Runtime multiplies a single row by other code, with other rounding, than several.
                let rows = self.run(&images.repeat(2), 2)?;
                logits.extend(rows.get(..self.signature.classes).unwrap_or_default());
            } else {
                logits.extend(self.run(images, count)?);
            }
        }
        match logits.iter().position(|logit| !logit.is_finite()) {
            None => Ok(logits),
            Some(at) => {
                let (image, class) = (at / self.classes(), at % self.classes());
                Err(Failure::Diverged(format!("{}: the logit of class {class} of image {image} is not finite", self.file)))
            }
        }
    }

    /// Runs one batch of `count` images.
    fn run(&mut self, images: &[f32], count: usize) -> Result<Vec<f32>, Failure> {
        let Classifier { session, signature, options, file } = self;
        let failed = |e: ort::Error| Failure::input(format!("{file}: ONNX Runtime can't run the model: {}", words(&e)));
        let [channels, height, width] = signature.shape;
        let tensor = TensorRef::from_array_view(([count, channels, height, width], images)).map_err(failed)?;
        let inputs = ort::inputs![signature.input.as_str() => tensor];
        let outputs = match options {
            Some(options) => session.run_with_options(inputs, &**options),
            None => session.run(inputs),
        };
        let outputs = outputs.map_err(failed)?;
        let output = outputs.get(&signature.output).ok_or_else(|| Failure::internal(format!("no output `{}`", signature.output)))?;
        let (shape, values) = output.try_extract_tensor::<f32>().map_err(failed)?;
        let expected = [count, signature.classes];
        if !shape.iter().map(|&size| usize::try_from(size).ok()).eq(expected.iter().map(|&size| Some(size))) {
            let message = format!("{file}: the logits have shape {shape} instead of {expected:?}, which the model declares");
            return Err(Failure::input_hint(message, "export the model with the shapes that it has, and a dynamic first axis"));
        }
        Ok(values.to_vec())
    }
}

/// What ONNX Runtime says, in one line.
pub(crate) fn words(error: &ort::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A session of ONNX Runtime for the inspected model in `bytes`.
pub(crate) fn session(bytes: &[u8], Compute { threads, provider }: Compute) -> Result<ort::Result<Session>, Failure> {
    let environment = runtime::environment()?;
    let builder = || -> ort::Result<SessionBuilder> {
        let builder = Session::builder(environment)?
            .with_intra_threads(threads.max(1))?
            // Other work shares the cores.
            .with_intra_op_spinning(false)?
            .with_optimization_level(GraphOptimizationLevel::Level3)?;
        Ok(builder)
    };
    let builder = match builder() {
        Ok(builder) => builder,
        Err(e) => return Ok(Err(e)),
    };
    Ok(provider::register(builder, provider)?.commit_from_memory(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ModelProto;
    use crate::testing;
    use prost::Message;

    fn open(model: &ModelProto) -> Result<Classifier, Failure> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), model.encode_to_vec()).unwrap();
        Classifier::open(file.path(), 2)
    }

    fn weights() -> Vec<f32> {
        (0..24u8).map(|i| f32::from(i) / 7.0 - 1.5).collect()
    }

    /// Deterministic values in [0, 1).
    fn images(count: usize) -> Vec<f32> {
        (0..count * 12).map(|i| ((i * 37 + 11) % 101) as f32 / 101.0).collect()
    }

    #[test]
    fn logits_are_those_of_the_model() {
        let mut classifier = open(&testing::linear(&weights())).unwrap();
        assert_eq!((classifier.shape(), classifier.classes()), ([3, 2, 2], 2));
        let images = images(5);
        let logits = classifier.logits(&images).unwrap();
        for (image, row) in images.chunks(12).zip(logits.chunks(2)) {
            for (class, logit) in row.iter().enumerate() {
                let expected: f32 = image.iter().zip(weights().chunks(2)).map(|(x, w)| x * w[class]).sum();
                assert!((logit - expected).abs() < 1e-5, "{logit} {expected}");
            }
        }
        assert_eq!(classifier.logits(&[]).unwrap(), Vec::<f32>::new());
    }

    #[test]
    fn logits_do_not_depend_on_the_batch() {
        let mut classifier = open(&testing::linear(&weights())).unwrap();
        let images = images(BATCH * 2 + 3);
        let together = classifier.logits(&images).unwrap();
        for size in [1, 2, 9] {
            let apart: Vec<f32> = images.chunks(12 * size).flat_map(|chunk| classifier.logits(chunk).unwrap()).collect();
            assert_eq!(together, apart, "batches of {size}");
        }
    }

    #[test]
    fn a_model_for_single_images_is_run_image_by_image() {
        let mut model = testing::linear(&weights());
        if let Some(graph) = &mut model.graph {
            graph.input[0] = testing::value("images", &[Some(1), Some(3), Some(2), Some(2)]);
            graph.output[0] = testing::value("logits", &[Some(1), Some(2)]);
        }
        let expected = open(&testing::linear(&weights())).unwrap().logits(&images(3)).unwrap();
        assert_eq!(open(&model).unwrap().logits(&images(3)).unwrap(), expected);
    }

    #[test]
    fn a_model_that_takes_its_channels_last_is_given_them_so() {
        let mut model = testing::linear(&weights());
        if let Some(graph) = &mut model.graph {
            graph.input[0] = testing::value("images", &[None, Some(2), Some(2), Some(3)]);
        }
        let mut last = open(&model).unwrap();
        assert_eq!(last.shape(), [3, 2, 2]);
        let images = images(3);
        let turned: Vec<f32> = images.chunks(12).flat_map(|image| (0..12).map(|at| image[at % 3 * 4 + at / 3])).collect();
        assert_eq!(last.logits(&images).unwrap(), open(&testing::linear(&weights())).unwrap().logits(&turned).unwrap());
    }

    #[test]
    fn logits_that_are_not_finite_are_refused() {
        let mut weights = weights();
        weights[0] = f32::MAX;
        weights[2] = f32::MAX;
        let failure = open(&testing::linear(&weights)).unwrap().logits(&[1.0; 24]).unwrap_err();
        assert!(failure.to_string().contains("class 0 of image 0 is not finite"), "{failure}");
    }

    #[test]
    fn half_an_image_is_refused() {
        assert!(matches!(open(&testing::linear(&weights())).unwrap().logits(&[0.0; 13]), Err(Failure::Internal(_))));
    }

    #[test]
    fn what_onnx_runtime_refuses_is_an_error_with_its_words() {
        let misfit = testing::model(vec![testing::node("MatMul", &["images", "w"], "logits")], &weights());
        let failure = open(&misfit).unwrap_err();
        assert!(failure.to_string().contains("refuses the model") && failure.to_string().contains("MatMul"), "{failure}");
        let declares_wrongly = testing::model(vec![testing::node("Flatten", &["images"], "logits")], &weights());
        let outcome = open(&declares_wrongly).and_then(|mut classifier| classifier.logits(&[0.0; 12]));
        assert!(matches!(outcome, Err(Failure::Input { .. })), "{outcome:?}");
    }

    #[test]
    fn damaged_files_never_panic() {
        let bytes = testing::linear(&weights()).encode_to_vec();
        let file = tempfile::NamedTempFile::new().unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            std::fs::write(file.path(), &damaged).unwrap();
            // Damage to a weight gives another, valid model; anything else must be an error.
            if let Ok(mut classifier) = Classifier::open(file.path(), 1) {
                drop(classifier.logits(&images(1)));
            }
        }
    }
}
