//! ONNX Runtime as a part of this program.

use std::path::Path;

use ort::logging::LogLevel;
use planish_contract::Failure;

use super::{Loaded, RuntimeInfo, sha256};
use crate::provider;

/// Starts the runtime that is linked in.
pub(super) fn find(explicit: Option<&Path>) -> Result<Loaded, Failure> {
    if let Some(path) = explicit {
        let message = format!("{} can't be loaded: this planish has ONNX Runtime built in", path.display());
        return Err(Failure::input_hint(message, "leave the library out, or build planish with the feature `onnx-dynamic`"));
    }
    let path = std::env::current_exe().map_err(|e| Failure::internal(format!("this program can't be found: {e}")))?;
    let environment = ort::init()
        .with_name("planish")
        .with_telemetry(false)
        .build()
        .map_err(|e| Failure::internal(format!("ONNX Runtime does not start: {e}")))?;
    // What goes wrong is returned as an error; the library must not print it as well.
    environment.set_log_level(LogLevel::Fatal);
    let sha256 = sha256(&path).map_err(|e| Failure::io(&path, e))?;
    let info = RuntimeInfo { path, version: ort::info().to_owned(), found: "built in".to_owned(), sha256, providers: provider::built_in() };
    Ok(Loaded { info, environment })
}

/// What is linked in, in words.
///
/// # Errors
/// [`Failure::Input`] when another one is named.
pub fn present(explicit: Option<&Path>) -> Result<Option<String>, Failure> {
    match explicit {
        None => Ok(Some(format!("built in; execution providers: {}", provider::built_in()))),
        Some(path) => Err(Failure::input(format!("{} can't be loaded: this planish has ONNX Runtime built in", path.display()))),
    }
}
