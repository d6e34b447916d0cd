//! Why a command could not do what it was asked.

use std::path::PathBuf;

use planish_cache::StoreError;
use planish_contract::Failure;

use crate::exit::Exit;
use crate::run::{AdoptError, Failed, FailureClass, RunError};
use crate::spec::SpecErrors;

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The pipeline can't be used.
    #[error(transparent)]
    Pipeline(#[from] SpecErrors),
    /// The command line asks for something that is not there.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A run could not be begun or ended.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Something about one instance failed, outside a run.
    #[error("{}", .0.message)]
    Instance(Failed),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl CommandError {
    /// A mistake on the command line.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        CommandError::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    /// What to do about it, where something can be said.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            CommandError::Usage { hint, .. } => hint.as_deref(),
            CommandError::Store(error) | CommandError::Run(RunError::Store(error)) => error.hint(),
            CommandError::Instance(failed) => failed.hint.as_deref(),
            CommandError::Pipeline(_) | CommandError::Run(RunError::Signals(_)) | CommandError::Io { .. } => None,
        }
    }

    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            CommandError::Pipeline(_) | CommandError::Usage { .. } => Exit::Usage,
            CommandError::Store(_) | CommandError::Run(RunError::Store(_)) => Exit::Store,
            CommandError::Run(RunError::Signals(_)) => Exit::Internal,
            CommandError::Instance(failed) => match failed.class {
                FailureClass::Store => Exit::Store,
                FailureClass::Internal => Exit::Internal,
                FailureClass::Stage | FailureClass::Stopped => Exit::StageFailed,
            },
            CommandError::Io { .. } => Exit::StageFailed,
        }
    }
}

impl From<AdoptError> for CommandError {
    fn from(error: AdoptError) -> Self {
        let hint = match &error {
            AdoptError::Store(_) => None,
            AdoptError::Nothing(instance) => Some(format!("`planish run '{instance}'` makes one")),
            AdoptError::More { instance, .. } => Some(format!("only code may differ; `planish run '{instance}'` makes it anew")),
            AdoptError::NotAdopted(_) => Some("`planish status` shows what was adopted".to_owned()),
        };
        match error {
            AdoptError::Store(error) => error.into(),
            error => CommandError::Usage { message: error.to_string(), hint },
        }
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        CommandError::Instance(failure.into())
    }
}

impl From<Failed> for CommandError {
    fn from(failed: Failed) -> Self {
        CommandError::Instance(failed)
    }
}
