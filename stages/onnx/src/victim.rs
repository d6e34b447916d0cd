//! An ONNX model as a classifier under attack.

use std::borrow::Cow;
use std::path::Path;

use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;
use planish_contract::Failure;
use planish_nn::{Aim, GradientPass, LogitLoss, Surrogate, Victim, check_aims};
use prost::Message;

use crate::classifier::{Classifier, session, words};
use crate::differentiate::{Differentiated, Masking, Objective, differentiate};
use crate::model_file::{ModelFile, Signature};
use crate::proto::ModelProto;

/// How many images a thread computes at once at most: more of them leave its cache between one node and the next.
const AT_ONCE_PER_THREAD: usize = 8;
/// Models with more bytes than this keep one gradient graph in memory at a time.
const SEVERAL_BELOW: usize = 64 << 20;

/// An image classifier in an ONNX file with its gradients, both computed by ONNX Runtime on the CPU.
///
/// A result for an image does not depend on the images beside it nor on the number of threads.
#[derive(Debug)]
pub struct OnnxVictim {
    classifier: Classifier,
    model: ModelProto,
    signature: Signature,
    masking: Masking,
    graphs: Vec<(Objective, GradientGraph)>,
    /// Bytes of the model.
    size: usize,
    threads: usize,
    batch: usize,
    file: String,
}

impl OnnxVictim {
    /// Opens the model at `path`; at most `batch` images are computed at a time by at most `threads` threads; neither changes
    /// a result.
    ///
    /// # Errors
    /// What [`Classifier::open`] returns, and [`Failure::Input`] when the model can't be differentiated; it names the operators
    /// and nodes.
    pub fn open(path: &Path, threads: usize, batch: usize) -> Result<Self, Failure> {
        let ModelFile { bytes, model, signature } = ModelFile::read(path)?;
        let file = path.display().to_string();
        let derived = differentiate(model.clone(), &signature, Objective::Seed).map_err(|refusal| refusal.into_failure(&file))?;
        let masking = derived.masking;
        let classifier = Classifier::open(path, threads)?;
        let batch = if signature.single { 1 } else { batch.clamp(1, AT_ONCE_PER_THREAD * threads.max(1)) };
        let size = bytes.len();
        Ok(OnnxVictim { classifier, model, signature, masking, graphs: vec![], size, threads, batch, file })
    }

    /// Where gradients end before they reach the images.
    #[must_use]
    pub fn masking(&self) -> &Masking {
        &self.masking
    }

    /// The graph for an objective, made when it is first asked for.
    fn graph(&mut self, objective: Objective) -> Result<&mut GradientGraph, Failure> {
        if let Some(index) = self.graphs.iter().position(|(of, _)| *of == objective) {
            let found = self.graphs.swap_remove(index);
            self.graphs.push(found);
        } else {
            if self.size > SEVERAL_BELOW {
                self.graphs.clear();
            }
            let derived =
                differentiate(self.model.clone(), &self.signature, objective).map_err(|refusal| refusal.into_failure(&self.file))?;
            let graph = GradientGraph::open(derived, &self.signature, (&self.file, self.threads))?;
            self.graphs.push((objective, graph));
        }
        self.graphs.last_mut().map(|(_, graph)| graph).ok_or_else(|| Failure::internal("no gradient graph"))
    }

    /// Runs a graph on all images, in batches.
    fn run(&mut self, objective: Objective, images: &[f32], extra: &Extra) -> Result<GradientPass, Failure> {
        let (pixels, batch) = (self.signature.shape.iter().product::<usize>(), self.batch);
        let graph = self.graph(objective)?;
        let mut pass = GradientPass { losses: vec![], logits: vec![], gradient: Vec::with_capacity(images.len()) };
        for (index, chunk) in images.chunks(batch * pixels).enumerate() {
            let rows = index * batch..index * batch + chunk.len() / pixels;
            if rows.len() == 1 && !graph.signature.single {
                // ONNX Runtime multiplies a single row by other code, with other rounding, than several.
                graph.run(&chunk.repeat(2), &extra.rows(rows).twice(), &mut pass)?;
                pass.logits.truncate((index * batch + 1) * graph.signature.classes);
                pass.gradient.truncate((index * batch + 1) * pixels);
            } else {
                graph.run(chunk, &extra.rows(rows), &mut pass)?;
            }
        }
        Ok(pass)
    }
}

impl Victim for OnnxVictim {
    fn shape(&self) -> [usize; 3] {
        self.signature.shape
    }

    fn classes(&self) -> usize {
        self.signature.classes
    }

    fn logits(&mut self, images: &[f32]) -> Result<Vec<f32>, Failure> {
        self.classifier.logits(images)
    }

    fn gradient(&mut self, images: &[f32], loss: LogitLoss<'_>) -> Result<GradientPass, Failure> {
        let logits = self.classifier.logits(images)?;
        let classes = self.classes();
        let (mut slopes, mut losses) = (vec![0.0; logits.len()], Vec::new());
        for (row, slope) in logits.chunks_exact(classes).zip(slopes.chunks_exact_mut(classes)) {
            losses.push(loss(losses.len(), row, slope));
        }
        let pass = self.run(Objective::Seed, images, &Extra::Slopes(slopes, classes))?;
        Ok(GradientPass { losses, logits, gradient: pass.gradient })
    }

    fn surrogate_gradient(&mut self, images: &[f32], surrogate: Surrogate, aims: &[Aim]) -> Result<GradientPass, Failure> {
        check_aims((self.shape(), self.classes()), images, surrogate, aims)?;
        let classes = self.classes();
        let labels: Vec<i64> = aims.iter().map(|aim| i64::from(aim.label)).collect();
        let targets: Vec<i64> = aims.iter().map(|aim| i64::from(aim.target)).collect();
        let mut pass = self.run(Objective::Surrogate(surrogate), images, &Extra::Classes(labels, targets))?;
        // In double precision: the graph's own loss has lost its digits where the true class dominates.
        let mut slope = vec![0.0; classes];
        let rows = pass.logits.chunks_exact(classes).zip(aims);
        pass.losses = rows.map(|(row, &aim)| surrogate.value(row, aim, &mut slope)).collect();
        Ok(pass)
    }
}

/// What a gradient graph is given beside the images.
enum Extra {
    /// Labels and targets, `[n]` each.
    Classes(Vec<i64>, Vec<i64>),
    /// The derivative of the loss with respect to the logits `[n, k]`, and k.
    Slopes(Vec<f32>, usize),
}

impl Extra {
    /// What belongs to some of the images.
    fn rows(&self, rows: std::ops::Range<usize>) -> Extra {
        match self {
            Extra::Classes(labels, targets) => {
                let part = |classes: &[i64]| classes.get(rows.clone()).unwrap_or_default().to_vec();
                Extra::Classes(part(labels), part(targets))
            }
            Extra::Slopes(slopes, classes) => {
                Extra::Slopes(slopes.get(rows.start * classes..rows.end * classes).unwrap_or_default().to_vec(), *classes)
            }
        }
    }

    fn twice(self) -> Extra {
        match self {
            Extra::Classes(labels, targets) => Extra::Classes(labels.repeat(2), targets.repeat(2)),
            Extra::Slopes(slopes, classes) => Extra::Slopes(slopes.repeat(2), classes),
        }
    }
}

/// A graph that gives gradients, in ONNX Runtime.
#[derive(Debug)]
struct GradientGraph {
    session: Session,
    names: Names,
    signature: Signature,
    file: String,
}

/// The names of what a graph takes and gives.
#[derive(Debug)]
struct Names {
    labels: Option<String>,
    targets: Option<String>,
    seed: Option<String>,
    gradient: String,
}

impl GradientGraph {
    fn open(derived: Differentiated, signature: &Signature, (file, threads): (&str, usize)) -> Result<Self, Failure> {
        let Differentiated { model, labels, targets, seed, gradient, .. } = derived;
        let session = session(&model.encode_to_vec(), threads)?
            .map_err(|e| Failure::input(format!("{file}: ONNX Runtime refuses the graph of its gradient: {}", words(&e))))?;
        Ok(GradientGraph { session, names: Names { labels, targets, seed, gradient }, signature: signature.clone(), file: file.to_owned() })
    }

    /// Runs one batch and appends its logits and gradient to `pass`.
    fn run(&mut self, images: &[f32], extra: &Extra, pass: &mut GradientPass) -> Result<(), Failure> {
        let GradientGraph { session, names, signature, file } = self;
        let failed = |e: ort::Error| Failure::input(format!("{file}: ONNX Runtime can't compute its gradient: {}", words(&e)));
        let [channels, height, width] = signature.shape;
        let count = images.len() / signature.shape.iter().product::<usize>().max(1);
        let mut inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::new();
        let tensor = TensorRef::from_array_view(([count, channels, height, width], images)).map_err(failed)?;
        inputs.push((signature.input.as_str().into(), tensor.into()));
        match extra {
            Extra::Classes(labels, targets) => {
                for (name, classes) in [(&names.labels, labels), (&names.targets, targets)] {
                    if let Some(name) = name {
                        let tensor = TensorRef::from_array_view(([count], classes.as_slice())).map_err(failed)?;
                        inputs.push((name.as_str().into(), tensor.into()));
                    }
                }
            }
            Extra::Slopes(slopes, classes) => {
                let name = names.seed.as_deref().ok_or_else(|| Failure::internal("a gradient graph without a seed"))?;
                let tensor = TensorRef::from_array_view(([count, *classes], slopes.as_slice())).map_err(failed)?;
                inputs.push((name.into(), tensor.into()));
            }
        }
        let outputs = session.run(inputs).map_err(failed)?;
        let sizes: [(&str, &str, Vec<usize>, &mut Vec<f32>); 2] = [
            (&signature.output, "logits", vec![count, signature.classes], &mut pass.logits),
            (&names.gradient, "gradients", vec![count, channels, height, width], &mut pass.gradient),
        ];
        for (name, what, expected, values) in sizes {
            let output = outputs.get(name).ok_or_else(|| Failure::internal(format!("no output `{name}`")))?;
            let (shape, found) = output.try_extract_tensor::<f32>().map_err(failed)?;
            if !shape.iter().map(|&size| usize::try_from(size).ok()).eq(expected.iter().map(|&size| Some(size))) {
                return Err(Failure::input(format!("{file}: the {what} have shape {shape} instead of {expected:?}")));
            }
            if found.iter().any(|value| !value.is_finite()) {
                return Err(Failure::Diverged(format!("{file}: the {what} of the model are not finite")));
            }
            values.extend_from_slice(found);
        }
        Ok(())
    }
}
