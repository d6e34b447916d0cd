//! An ONNX model as a classifier under attack.

use std::path::Path;

use planish_contract::Failure;
use planish_nn::{Aim, GradientPass, LogitLoss, Surrogate, Victim, check_aims};

use crate::classifier::Classifier;
use crate::differentiate::{Masking, Objective, Refusal, differentiate};
use crate::gradient_graph::{Cores, Extra, GradientGraph, LARGE};
use crate::inspect::Signature;
use crate::model_file::ModelFile;
use crate::proto::ModelProto;
use crate::provider::Compute;

/// An image classifier in an ONNX file with its gradients, both computed by ONNX Runtime.
///
/// On the processor a result for an image does not depend on the images beside it nor on the number of threads.
#[derive(Debug)]
pub struct OnnxVictim {
    classifier: Classifier,
    model: ModelProto,
    signature: Signature,
    gradients: Result<Masking, Refusal>,
    graphs: Vec<(Objective, GradientGraph)>,
    /// Bytes of the model.
    size: usize,
    cores: Cores,
    file: String,
}

impl OnnxVictim {
    /// Opens the model at `path`; at most `batch` images are computed at a time by what `compute` says (a number of threads, or also
    /// where).
    ///
    /// # Errors
    /// What [`Classifier::open`] returns, and [`Failure::Input`] when the model can't be differentiated; it names the operators
    /// and nodes.
    pub fn open(path: &Path, compute: impl Into<Compute>, batch: usize) -> Result<Self, Failure> {
        let victim = Self::open_read(ModelFile::read(path)?, path, compute, batch)?;
        match victim.gradients {
            Ok(_) => Ok(victim),
            Err(refusal) => Err(refusal.into_failure(&victim.file)),
        }
    }

    /// As [`OnnxVictim::open`], of a model that was read from `path` already. One that can't be differentiated is opened too, for what
    /// needs no gradients: [`OnnxVictim::gradients`] tells.
    ///
    /// # Errors
    /// What [`Classifier::open_read`] returns.
    pub fn open_read(file: ModelFile, path: &Path, compute: impl Into<Compute>, batch: usize) -> Result<Self, Failure> {
        let compute = compute.into();
        // A stranger's model runs in a process of its own before anything here computes with it.
        let classifier = Classifier::open_read(&file, path, compute)?;
        let ModelFile { bytes, model, signature, .. } = file;
        let gradients = differentiate(model.clone(), &signature, Objective::Seed).map(|derived| derived.masking);
        let size = bytes.len();
        let cores = Cores::of(compute, size, batch, signature.single);
        Ok(OnnxVictim { classifier, model, signature, gradients, graphs: vec![], size, cores, file: path.display().to_string() })
    }

    /// Where gradients end before they reach the images, or why there are none.
    ///
    /// # Errors
    /// Why the model can't be differentiated.
    pub fn gradients(&self) -> Result<&Masking, &Refusal> {
        self.gradients.as_ref()
    }

    /// The graph for an objective, made when it is first asked for.
    fn graph(&mut self, objective: Objective) -> Result<&mut GradientGraph, Failure> {
        if let Some(index) = self.graphs.iter().position(|(of, _)| *of == objective) {
            let found = self.graphs.swap_remove(index);
            self.graphs.push(found);
        } else {
            if self.size > LARGE {
                self.graphs.clear();
            }
            let derived =
                differentiate(self.model.clone(), &self.signature, objective).map_err(|refusal| refusal.into_failure(&self.file))?;
            let graph = GradientGraph::open(derived, &self.signature, (&self.file, self.cores))?;
            self.graphs.push((objective, graph));
        }
        self.graphs.last_mut().map(|(_, graph)| graph).ok_or_else(|| Failure::internal("no gradient graph"))
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
        let pass = self.graph(Objective::Seed)?.run(images, &Extra::Slopes(slopes, classes))?;
        Ok(GradientPass { losses, logits, gradient: pass.gradient })
    }

    fn surrogate_gradient(&mut self, images: &[f32], surrogate: Surrogate, aims: &[Aim]) -> Result<GradientPass, Failure> {
        check_aims((self.shape(), self.classes()), images, surrogate, aims)?;
        let classes = self.classes();
        let labels: Vec<i64> = aims.iter().map(|aim| i64::from(aim.label)).collect();
        let targets: Vec<i64> = aims.iter().map(|aim| i64::from(aim.target)).collect();
        let mut pass = self.graph(Objective::Surrogate(surrogate))?.run(images, &Extra::Classes(labels, targets))?;
        // In double precision: the graph's own loss has lost its digits where the true class dominates.
        let mut slope = vec![0.0; classes];
        let rows = pass.logits.chunks_exact(classes).zip(aims);
        pass.losses = rows.map(|(row, &aim)| surrogate.value(row, aim, &mut slope)).collect();
        Ok(pass)
    }
}
