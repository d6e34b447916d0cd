//! Why a stage did not finish.

use std::any::Any;
use std::path::{Path, PathBuf};

/// Why a stage did not finish. Messages are lowercase fragments; the hint says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something that the user gave can't be used: a data file, a checkpoint, an ONNX model.
    #[error("{message}")]
    Input {
        /// What is wrong, and where.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The numbers went wrong: a loss that is not finite, a parity bound that was exceeded.
    #[error("{0}")]
    Diverged(String),
    /// The run was asked to stop; what was kept under the key lets it go on later.
    #[error("stopped on request")]
    Stopped,
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A mistake of planish itself.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Failure {
    /// A [`Failure::Input`] without a hint.
    pub fn input(message: impl Into<String>) -> Self {
        Failure::Input { message: message.into(), hint: None }
    }

    /// A [`Failure::Input`] with a hint.
    pub fn input_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Failure::Input { message: message.into(), hint: Some(hint.into()) }
    }

    /// A [`Failure::Io`] about `path`.
    #[must_use]
    pub fn io(path: &Path, source: std::io::Error) -> Self {
        Failure::Io { path: path.to_path_buf(), source }
    }

    /// A [`Failure::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Failure::Internal(message.into())
    }

    /// What to do about it, where something can be said.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Failure::Input { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }
}

/// What a panic said, if it said something in words; from what unwinding or a thread's end gives.
#[must_use]
pub fn panic_message(payload: &(dyn Any + Send)) -> Option<&str> {
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}
