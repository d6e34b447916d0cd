//! Graphs that give gradients, run by ONNX Runtime.

use std::borrow::Cow;

use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;
use planish_contract::Failure;
use planish_nn::GradientPass;
use prost::Message;

use crate::classifier::{session, words};
use crate::differentiate::Differentiated;
use crate::inspect::Signature;
use crate::provider::{Compute, Provider};

/// How many images a thread computes at once at most: more of them leave its cache between one node and the next.
const AT_ONCE_PER_THREAD: usize = 8;
/// How many images a model that takes several is given at least: an image alone costs as much as two (see `Runner::run_all`).
const LEAST: usize = 2;
/// Models with more bytes than this are in memory once at a time, those with fewer once a thread and objective.
pub(crate) const LARGE: usize = 64 << 20;

/// What a gradient graph is given beside the images.
pub(crate) enum Extra {
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

/// How the work is spread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    /// Sessions side by side, each with its own images.
    lanes: usize,
    /// Threads of each.
    threads: usize,
    /// Images that a session computes at once.
    batch: usize,
    provider: Provider,
}

impl Cores {
    /// For a model of `size` bytes, and at most `batch` images at once on all threads together, or one at a time where it takes a
    /// `single` one.
    ///
    /// Threads that share each node's work wait for each other at its end, so each gets a session and images of its own. A large
    /// model has large nodes, and its weights should be in memory once. A GPU is one lane, however many images it is given.
    pub(crate) fn of(Compute { threads, provider }: Compute, size: usize, batch: usize, single: bool) -> Self {
        let threads = threads.max(1);
        if provider == Provider::Cuda {
            return Cores { lanes: 1, threads, batch: if single { 1 } else { batch.max(LEAST) }, provider };
        }
        let side_by_side = if single { threads } else { threads.min(batch.max(1)) };
        let (lanes, threads) = if size > LARGE { (1, threads) } else { (side_by_side, 1) };
        let batch = if single { 1 } else { (batch / lanes).clamp(LEAST, AT_ONCE_PER_THREAD * threads) };
        Cores { lanes, threads, batch, provider }
    }
}

/// A graph that gives gradients, in ONNX Runtime.
#[derive(Debug)]
pub(crate) struct GradientGraph {
    sessions: Vec<Session>,
    batch: usize,
    runner: Runner,
}

/// What all sessions of a graph have in common.
#[derive(Debug)]
struct Runner {
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
    pub(crate) fn open(derived: Differentiated, signature: &Signature, (file, cores): (&str, Cores)) -> Result<Self, Failure> {
        let Differentiated { model, labels, targets, seed, gradient, .. } = derived;
        let bytes = model.encode_to_vec();
        let open = |_| {
            session(&bytes, Compute { threads: cores.threads, provider: cores.provider })?
                .map_err(|e| Failure::input(format!("{file}: ONNX Runtime refuses the graph of its gradient: {}", words(&e))))
        };
        let sessions = (0..cores.lanes).map(open).collect::<Result<_, _>>()?;
        let names = Names { labels, targets, seed, gradient };
        Ok(GradientGraph { sessions, batch: cores.batch, runner: Runner { names, signature: signature.clone(), file: file.to_owned() } })
    }

    /// Logits and gradients of all images, no losses. What an image gets does not depend on the others.
    pub(crate) fn run(&mut self, images: &[f32], extra: &Extra) -> Result<GradientPass, Failure> {
        let (runner, batch) = (&self.runner, self.batch);
        let pixels = runner.pixels();
        let count = images.len() / pixels;
        let least = if runner.signature.single { 1 } else { LEAST };
        let share = count.div_ceil(self.sessions.len().max(1)).max(least);
        let parts = images.chunks(share * pixels).enumerate().map(|(lane, part)| (lane * share, part));
        let parts: Vec<Result<GradientPass, Failure>> = std::thread::scope(|scope| {
            let work = self
                .sessions
                .iter_mut()
                .zip(parts)
                .map(|(session, (first, part))| scope.spawn(move || runner.run_all(session, part, (first, batch, extra))));
            let threads: Vec<_> = work.collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err(Failure::internal("a gradient's thread ended early"))))
                .collect()
        });
        let mut pass = GradientPass { losses: vec![], logits: vec![], gradient: Vec::with_capacity(images.len()) };
        for part in parts {
            let part = part?;
            pass.logits.extend(part.logits);
            pass.gradient.extend(part.gradient);
        }
        Ok(pass)
    }
}

impl Runner {
    /// Values of one image.
    fn pixels(&self) -> usize {
        self.signature.shape.iter().product::<usize>().max(1)
    }

    /// Runs images, the first of which has what `extra` says for image `first`, `batch` at a time.
    fn run_all(
        &self,
        session: &mut Session,
        images: &[f32],
        (first, batch, extra): (usize, usize, &Extra),
    ) -> Result<GradientPass, Failure> {
        let pixels = self.pixels();
        let mut pass = GradientPass { losses: vec![], logits: vec![], gradient: Vec::with_capacity(images.len()) };
        for (index, chunk) in images.chunks(batch * pixels).enumerate() {
            let start = first + index * batch;
            let extra = extra.rows(start..start + chunk.len() / pixels);
            if chunk.len() == pixels && !self.signature.single {
                // ONNX Runtime multiplies a single row by other code, with other rounding, than several.
                self.run(session, &chunk.repeat(2), (&extra.twice(), &mut pass))?;
                pass.logits.truncate((index * batch + 1) * self.signature.classes);
                pass.gradient.truncate((index * batch + 1) * pixels);
            } else {
                self.run(session, chunk, (&extra, &mut pass))?;
            }
        }
        Ok(pass)
    }

    /// Runs one batch and appends its logits and gradient to `pass`.
    fn run(&self, session: &mut Session, images: &[f32], (extra, pass): (&Extra, &mut GradientPass)) -> Result<(), Failure> {
        let Runner { names, signature, file } = self;
        let failed = |e: ort::Error| Failure::input(format!("{file}: ONNX Runtime can't compute its gradient: {}", words(&e)));
        let [channels, height, width] = signature.shape;
        let count = images.len() / self.pixels();
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
