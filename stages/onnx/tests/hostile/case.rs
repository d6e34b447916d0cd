//! One file of the corpus.

use std::path::Path;

use planish_onnx::probe::Limits;
use planish_onnx::proto::ModelProto;
use prost::Message;

/// What must become of a file.
pub(crate) enum Expected {
    /// Refused, in a message that contains all of these.
    Refused(&'static [&'static str]),
    /// It loads and runs, and gives the same twice.
    Accepted,
    /// It loads and runs, and gives something else every time.
    AcceptedAsRandom,
    /// Damage at random: it may still be a model. It ends in order, one way or the other.
    Either,
}

/// One file.
pub(crate) struct Case {
    pub(crate) name: String,
    /// Makes the file.
    pub(crate) write: Box<dyn Fn(&Path) + Send + Sync>,
    pub(crate) expected: Expected,
    /// The limits for its first run, where they are not those of all.
    pub(crate) limits: Option<Limits>,
}

impl Case {
    pub(crate) fn limits(self, memory: u64, seconds: u64) -> Self {
        Case { limits: Some(Limits { memory, seconds }), ..self }
    }
}

/// A file written by a function.
pub(crate) fn written(name: &str, expected: Expected, write: impl Fn(&Path) + Send + Sync + 'static) -> Case {
    Case { name: name.to_owned(), write: Box::new(write), expected, limits: None }
}

/// A file of these bytes.
pub(crate) fn bytes(name: &str, expected: Expected, bytes: Vec<u8>) -> Case {
    written(name, expected, move |path| std::fs::write(path, &bytes).unwrap())
}

/// A model.
pub(crate) fn model(name: &str, expected: Expected, model: &ModelProto) -> Case {
    bytes(name, expected, model.encode_to_vec())
}
