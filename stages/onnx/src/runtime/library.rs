//! ONNX Runtime as a shared library: the first one that works.

use std::path::Path;

use ort::logging::LogLevel;
use planish_contract::Failure;

use super::search::{self, Candidate};
use super::{Loaded, RuntimeInfo, obtain, sha256};
use crate::provider;

/// What to do when there is no usable library.
const HINT: &str = "install `onnxruntime==1.31.1` with pip in the active Python environment, or name the library (`libonnxruntime.so`, \
                    `libonnxruntime.dylib`) with `--onnxruntime` or ORT_DYLIB_PATH";

/// Finds or obtains the library and loads it.
pub(super) fn find(explicit: Option<&Path>) -> Result<Loaded, Failure> {
    if let Some(candidate) = search::named(explicit)? {
        let name = candidate.path.display().to_string();
        return load(candidate)?.map_err(|why| Failure::input_hint(format!("{name} can't be used as ONNX Runtime: {why}"), HINT));
    }
    let mut refused = Vec::new();
    for candidate in search::installed() {
        match load(candidate)? {
            Ok(loaded) => return Ok(loaded),
            Err(why) => refused.push(why),
        }
    }
    let why = match obtain::cached_or_obtained() {
        Ok(candidate) => match load(candidate)? {
            Ok(loaded) => return Ok(loaded),
            Err(why) => why,
        },
        Err(Failure::Input { message, .. }) => message,
        Err(other) => return Err(other),
    };
    refused.push(why);
    Err(Failure::input_hint(format!("no usable ONNX Runtime: {}", refused.join("; ")), HINT))
}

/// The library that [`ensure`](super::ensure) would try first, as far as that can be told without loading it and without obtaining one: in words, with
/// its version where the file's name has it. `None` when one would have to be obtained.
///
/// # Errors
/// [`Failure::Input`] when the one that `explicit` or `ORT_DYLIB_PATH` names is not there.
pub fn present(explicit: Option<&Path>) -> Result<Option<String>, Failure> {
    let named = search::named(explicit)?;
    if let Some(named) = &named
        && !named.path.is_file()
    {
        return Err(Failure::input_hint(format!("{} is not there", named.path.display()), HINT));
    }
    let candidate = named.or_else(|| search::installed().into_iter().next()).or_else(obtain::cached);
    Ok(candidate.map(|Candidate { path, found }| {
        let path = path.canonicalize().unwrap_or(path);
        let version = version(&path).unwrap_or_else(|| "of unknown version".to_owned());
        format!("{version}, {found}: {}; execution providers: {}", path.display(), provider::of_library(&path))
    }))
}

/// Loads a candidate; the inner error says why it can't be used, so that the next one is tried.
fn load(candidate: Candidate) -> Result<Result<Loaded, String>, Failure> {
    // Without links, so that the version is in the name and the same file is recognised again.
    let path = match candidate.path.canonicalize() {
        Ok(path) => path,
        Err(e) => return Ok(Err(format!("{}: {e}", candidate.path.display()))),
    };
    let sha256 = match sha256(&path) {
        Ok(sha256) => sha256,
        Err(e) => return Ok(Err(format!("{}: {e}", path.display()))),
    };
    let builder = match ort::init_from(&path) {
        Ok(builder) => builder,
        Err(e) => return Ok(Err(e.to_string())),
    };
    // From here on the process is bound to this library, so an error is final.
    let environment = builder
        .with_name("planish")
        .with_telemetry(false)
        .build()
        .map_err(|e| Failure::input_hint(format!("{}: ONNX Runtime does not start: {e}", path.display()), HINT))?;
    // What goes wrong is returned as an error; the library must not print it as well.
    environment.set_log_level(LogLevel::Fatal);
    let version = version(&path).unwrap_or_else(|| ort::info().to_owned());
    let providers = provider::of_library(&path);
    Ok(Ok(Loaded { info: RuntimeInfo { path, version, found: candidate.found, sha256, providers }, environment }))
}

/// The version in a library's file name: `libonnxruntime.so.1.31.1`, `libonnxruntime.1.31.1.dylib`.
fn version(path: &Path) -> Option<String> {
    let numbers = search::version_numbers(path.file_name()?.to_str()?)?;
    (numbers.len() >= 2).then(|| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_file_names() {
        assert_eq!(version(Path::new("/a/libonnxruntime.so.1.31.1")).as_deref(), Some("1.31.1"));
        assert_eq!(version(Path::new("/a/libonnxruntime.1.31.1.dylib")).as_deref(), Some("1.31.1"));
        assert_eq!(version(Path::new("/a/libonnxruntime.so.1")), None);
        assert_eq!(version(Path::new("/a/libonnxruntime.so")), None);
    }
}
