//! Model files whose input is not settled yet: decoded and whole, but not inspected.

use std::path::Path;

use planish_contract::Failure;

use crate::inspect::{self, external};
use crate::model_file::read_bytes;
use crate::proto::ModelProto;

/// Decodes the model at `path`, with the values that it keeps in files beside it. Whoever changes it has to have the result read as a
/// [`crate::ModelFile`] before it is run.
///
/// `allow` says whether a file of that name, beside the model, may be read for the values that the model keeps there.
///
/// # Errors
/// [`Failure::Io`] when the file can't be read, [`Failure::Input`] when it is no ONNX model, or keeps values in files not allowed.
pub fn read_proto(path: &Path, allow: &mut dyn FnMut(&str) -> bool) -> Result<ModelProto, Failure> {
    let file = path.file_name().unwrap_or_default().display().to_string();
    let decoded = read_bytes(path)?.and_then(|bytes| {
        let mut model = inspect::decode(&bytes)?;
        external::fetch_allowed(&mut model, path.parent(), allow)?;
        Ok(model)
    });
    decoded.map_err(|problem| problem.of_file(&file))
}
