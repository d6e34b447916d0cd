//! What a graph tells of its gradients before anything runs.

use crate::differentiate::{Masking, Refusal, masking};
use crate::inspect::{Note, NoteKind};
use crate::model_file::ModelFile;

/// What a graph tells of its gradients.
#[derive(Clone, Debug)]
pub struct GraphFacts {
    /// What the inspection noted.
    pub notes: Vec<Note>,
    /// Where gradients end, or why none can be derived.
    pub gradients: Result<Masking, Refusal>,
}

impl GraphFacts {
    /// Of a model that passed the inspection.
    #[must_use]
    pub fn of(file: &ModelFile) -> Self {
        GraphFacts { notes: file.inspection.notes.clone(), gradients: masking(file.model.clone(), &file.signature) }
    }

    /// Whether the logits of an image differ from run to run.
    #[must_use]
    pub fn is_random(&self) -> bool {
        self.notes.iter().any(|note| note.kind == NoteKind::Random)
    }

    /// Everything that whoever reads the model's numbers should know, a sentence each.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let gradients = match &self.gradients {
            Ok(masking) if masking.is_none() => None,
            Ok(masking) => Some(masking.to_string()),
            Err(refusal) => Some(refusal.to_string()),
        };
        self.notes.iter().map(ToString::to_string).chain(gradients).collect()
    }
}
