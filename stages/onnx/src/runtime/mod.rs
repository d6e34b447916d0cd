//! The shared library of ONNX Runtime: found on this machine or obtained, loaded once a process.
//!
//! Looked for in this order: the path that the user gives, `ORT_DYLIB_PATH`, beside the executable and in
//! `../lib`, in the active Python environment, in the user's cache folder; never in the working directory.
//! When all of that fails the pinned release is obtained with pip, verified and kept in the cache folder.
//!
//! Telemetry is switched off, but the official library notes the start of the process in the user's cache
//! folder before it can be told: start processes that load it with `ORT_DISABLE_TELEMETRY=1`.

mod obtain;
mod pins;
mod search;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;
use planish_contract::Failure;
use serde::Serialize;
use sha2::{Digest, Sha256};

use search::Candidate;

/// What to do when there is no usable library.
const HINT: &str = "install `onnxruntime==1.31.1` with pip in the active Python environment, or name the library (`libonnxruntime.so`, \
                    `libonnxruntime.dylib`) with `--onnxruntime` or ORT_DYLIB_PATH";

/// The library in use; stages record it as provenance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuntimeInfo {
    /// Where it is.
    pub path: PathBuf,
    /// Its version, as its file name or its own build information tells it.
    pub version: String,
    /// How it was found, for people.
    pub found: String,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
}

struct Loaded {
    info: RuntimeInfo,
    environment: Environment,
}

/// Finds or obtains the library and loads it, once a process; later calls return the same.
///
/// # Errors
/// [`Failure::Input`] with the fix when no library works, when the one that `explicit` or
/// `ORT_DYLIB_PATH` names does not, or when `explicit` names another one than the process has loaded;
/// [`Failure::Io`] when the cache folder can't be used.
pub fn ensure(explicit: Option<&Path>) -> Result<&'static RuntimeInfo, Failure> {
    loaded(explicit).map(|loaded| &loaded.info)
}

/// The library that [`ensure`] would try first, as far as that can be told without loading it and without obtaining one: in words, with
/// its version where the file's name has it. `None` when one would have to be obtained.
///
/// # Errors
/// [`Failure::Input`] when the one that `explicit` or `ORT_DYLIB_PATH` names is not there.
pub fn present(explicit: Option<&Path>) -> Result<Option<String>, Failure> {
    let candidate = search::named(explicit)?.or_else(|| search::installed().into_iter().next()).or_else(obtain::cached);
    Ok(candidate.map(|Candidate { path, found }| {
        let path = path.canonicalize().unwrap_or(path);
        let version = version(&path).unwrap_or_else(|| "of unknown version".to_owned());
        format!("{version}, {found}: {}", path.display())
    }))
}

/// The one environment of the process.
pub(crate) fn environment() -> Result<&'static Environment, Failure> {
    loaded(None).map(|loaded| &loaded.environment)
}

fn loaded(explicit: Option<&Path>) -> Result<&'static Loaded, Failure> {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    // A failure is not kept: what was missing may be there at the next call.
    static LOADING: Mutex<()> = Mutex::new(());
    let _guard = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = LOADED.get() {
        return same_library(loaded, explicit);
    }
    let loaded = find(explicit)?;
    Ok(LOADED.get_or_init(|| loaded))
}

fn same_library<'a>(loaded: &'a Loaded, explicit: Option<&Path>) -> Result<&'a Loaded, Failure> {
    let Some(path) = explicit else { return Ok(loaded) };
    let asked = path.canonicalize().map_err(|e| Failure::io(path, e))?;
    if loaded.info.path == asked {
        return Ok(loaded);
    }
    let message = format!("ONNX Runtime {} can't be loaded: this process already uses {}", asked.display(), loaded.info.path.display());
    Err(Failure::input_hint(message, "name the same library everywhere"))
}

fn find(explicit: Option<&Path>) -> Result<Loaded, Failure> {
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
    Ok(Ok(Loaded { info: RuntimeInfo { path, version, found: candidate.found, sha256 }, environment }))
}

/// The version in a library's file name: `libonnxruntime.so.1.31.1`, `libonnxruntime.1.31.1.dylib`.
fn version(path: &Path) -> Option<String> {
    let numbers = search::version_numbers(path.file_name()?.to_str()?)?;
    (numbers.len() >= 2).then(|| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join("."))
}

/// SHA-256 of a file's bytes, in lowercase hex.
fn sha256(path: &Path) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    std::io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
    Ok(hex(&hasher.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_found_or_obtained_and_stays() {
        let info = ensure(None).expect("an ONNX Runtime");
        assert!(info.path.is_absolute() && info.path.is_file());
        assert_eq!(info.sha256, sha256(&info.path).unwrap());
        assert!(info.version.contains('.'), "{}", info.version);
        assert!(!info.found.is_empty());
        let again = ensure(Some(&info.path)).expect("the same library under its own name");
        assert!(std::ptr::eq(info, again));
    }

    #[test]
    fn another_library_is_refused_once_one_is_loaded() {
        ensure(None).expect("an ONNX Runtime");
        let other = tempfile::NamedTempFile::new().unwrap();
        let failure = ensure(Some(other.path())).unwrap_err();
        assert!(failure.to_string().contains("already uses"), "{failure}");
        assert!(failure.hint().is_some());
    }

    #[test]
    fn versions_come_from_file_names() {
        assert_eq!(version(Path::new("/a/libonnxruntime.so.1.31.1")).as_deref(), Some("1.31.1"));
        assert_eq!(version(Path::new("/a/libonnxruntime.1.31.1.dylib")).as_deref(), Some("1.31.1"));
        assert_eq!(version(Path::new("/a/libonnxruntime.so.1")), None);
        assert_eq!(version(Path::new("/a/libonnxruntime.so")), None);
    }

    #[test]
    fn digests_are_hex() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(sha256(file.path()).unwrap(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
