//! The files that the pipeline gives: the model, and files with its weights.

use std::collections::BTreeSet;
use std::path::Path;

use planish_contract::{Failure, Folder};
use planish_onnx::proto::ModelProto;
use sha2::{Digest, Sha256};

use crate::parameters::ImportParameters;

/// Reads the model out of `files.model`, weights and all; checks its checksum, and that no file outside `files.model` is read.
///
/// # Errors
/// [`Failure::Input`] when there is not exactly one model, when it is another one than `sha256` says, and when it is malformed.
pub(crate) fn read(files: Option<&Folder>, parameters: &ImportParameters) -> Result<(String, ModelProto), Failure> {
    const HINT: &str = "files.model = \"model.onnx\", or \"model.onnx*\" when its weights are in a file beside it";
    let files: Vec<(&str, &Path)> = files.map(|folder| folder.files().collect()).unwrap_or_default();
    let mut models = match files.as_slice() {
        [only] => vec![*only],
        several => several.iter().copied().filter(|(_, path)| path.extension().is_some_and(|e| e == "onnx")).collect(),
    };
    let (Some((name, path)), true) = (models.pop(), models.is_empty()) else {
        return Err(Failure::input_hint("the stage needs one ONNX file as `files.model`", HINT));
    };
    check_sum(name, path, parameters.sha256.as_deref())?;
    let present: BTreeSet<&str> = files.iter().map(|(name, _)| *name).collect();
    let model = planish_onnx::read_proto(path, &mut |location| present.contains(location)).map_err(|failure| match failure {
        Failure::Input { message, hint } => Failure::Input { message, hint: hint.or_else(|| Some(HINT.to_owned())) },
        other => other,
    })?;
    Ok((name.to_owned(), model))
}

fn check_sum(name: &str, path: &Path, expected: Option<&str>) -> Result<(), Failure> {
    let Some(expected) = expected else { return Ok(()) };
    let mut file = std::fs::File::open(path).map_err(|e| Failure::io(path, e))?;
    let mut hasher = Sha256::new();
    std::io::copy(&mut file, &mut hasher).map_err(|e| Failure::io(path, e))?;
    let found: String = format!("{:x}", hasher.finalize());
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let hint = "it was changed or damaged, or the pipeline means another file";
    Err(Failure::input_hint(format!("{name} has the SHA-256 {found}, not {expected}"), hint))
}
