//! TOML → typed pipeline: places, profiles, matrices; messages that point at the line.

pub(crate) mod de;
pub(crate) mod document;
mod error;
mod include;
pub(crate) mod limits;
mod load;
pub(crate) mod matrix;
mod name;
pub(crate) mod node;
pub(crate) mod overlay;
mod parse;
pub(crate) mod reference;
pub(crate) mod resources;
mod schema;
mod sets;
mod shape;
pub(crate) mod source;
pub(crate) mod suggest;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use planish_contract::AnyStage;

pub(crate) use error::{Problem, Problems};
pub use error::{SpecError, SpecErrors};
pub use load::load;
pub(crate) use name::refuse_name;
pub use schema::schema;
pub(crate) use source::read_bounded;
pub use source::{MAX_FILE_BYTES, Sources, Span};

/// The stage kinds that a pipeline may use; `command` is always one of them.
pub trait Kinds {
    /// The stage kind of that name.
    fn get(&self, name: &str) -> Option<&'static dyn AnyStage>;
    /// The names of all stage kinds.
    fn names(&self) -> Vec<&'static str>;
}

/// What to read, and what the command line lays over it.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The pipeline file.
    pub file: PathBuf,
    /// The pipeline itself, when it was made in memory: `file` is a name only then, and its folder that of relative paths.
    pub text: Option<String>,
    /// The profile to lay over the document.
    pub profile: Option<String>,
    /// `--set` values, later ones win: `stages.train.params.epochs=3` or, shorter, `train.epochs=3`.
    pub sets: Vec<String>,
    /// Execution values (`device`, `data_dir`, …), as text, for every stage whose `execution` has the key and does not set it.
    pub execution: BTreeMap<String, String>,
}

/// A pipeline: the stages of a document after profile and `--set`, names and structure checked.
///
/// [`crate::plan::plan`] makes instances of it and types their parameters.
pub struct Pipeline {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) sources: Sources,
    pub(crate) stages: Vec<document::StageSpec>,
    pub(crate) execution: BTreeMap<String, node::Node>,
}

impl Pipeline {
    /// The pipeline's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder of the pipeline file: `files` are relative to it, and the store lies in it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files that it was read from: absolute path, and blake3 of the bytes.
    #[must_use]
    pub fn files(&self) -> &[(PathBuf, [u8; 32])] {
        self.sources.files()
    }

    /// The names of the stages, in the order written.
    pub fn stage_names(&self) -> impl Iterator<Item = &str> {
        self.stages.iter().map(|stage| stage.name.text.as_str())
    }
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stages: Vec<&str> = self.stage_names().collect();
        f.debug_struct("Pipeline").field("name", &self.name).field("folder", &self.folder).field("stages", &stages).finish_non_exhaustive()
    }
}
