//! The shared library of ONNX Runtime: found on this machine or obtained, loaded once a process.
//!
//! Looked for in this order: the path that the user gives, `ORT_DYLIB_PATH`, beside the executable and in
//! `../lib`, in the active Python environment, in the user's cache folder; never in the working directory.
//! When all of that fails the pinned release is obtained with pip, verified and kept in the cache folder.
//!
//! Telemetry is switched off, but the official library notes the start of the process in the user's cache
//! folder before it can be told: start processes that load it with `ORT_DISABLE_TELEMETRY=1`.

#[cfg(not(feature = "dynamic"))]
mod built_in;
#[cfg(feature = "dynamic")]
mod library;
#[cfg(feature = "dynamic")]
mod obtain;
#[cfg(feature = "dynamic")]
mod pins;
#[cfg(feature = "dynamic")]
mod search;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use planish_contract::Failure;
use serde::Serialize;
use sha2::{Digest, Sha256};

#[cfg(not(feature = "dynamic"))]
use built_in::find;
#[cfg(not(feature = "dynamic"))]
pub use built_in::present;
#[cfg(feature = "dynamic")]
use library::find;
#[cfg(feature = "dynamic")]
pub use library::present;

#[cfg(not(any(feature = "dynamic", feature = "static")))]
compile_error!("planish-onnx needs ONNX Runtime: enable its feature `dynamic` (the default) or `static`");

/// Whether ONNX Runtime is a library that is loaded when it is needed, rather than a part of this program.
pub(crate) const IS_DYNAMIC: bool = cfg!(feature = "dynamic");

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
    /// Where it can compute, for people.
    pub providers: String,
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

    #[cfg(feature = "dynamic")]
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

    #[cfg(feature = "dynamic")]
    #[test]
    fn people_are_told_what_is_in_use() {
        let info = ensure(None).expect("an ONNX Runtime");
        assert!(info.providers.starts_with("CPU"), "{}", info.providers);
        let found = present(Some(&info.path)).unwrap().unwrap();
        assert!(found.contains(&info.version) && found.contains("execution providers: CPU"), "{found}");
        assert_eq!(
            present(Some(Path::new("/nowhere/libonnxruntime.so"))).unwrap_err().to_string(),
            "/nowhere/libonnxruntime.so is not there"
        );
    }

    #[test]
    fn digests_are_hex() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(sha256(file.path()).unwrap(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
