//! Where a library may already be.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use planish_contract::Failure;

/// A library that may be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Where it is.
    pub(super) path: PathBuf,
    /// How it was found, for people.
    pub(super) found: String,
}

/// The library that the user names: it is used or the stage fails, no other one is tried.
///
/// A relative `explicit` is relative to the working directory, as any path a user types; a relative
/// `ORT_DYLIB_PATH`, which may be inherited from anywhere, is relative to the executable's folder.
pub(super) fn named(explicit: Option<&Path>) -> Result<Option<Candidate>, Failure> {
    if let Some(path) = explicit {
        let path = std::path::absolute(path).map_err(|e| Failure::io(path, e))?;
        return Ok(Some(Candidate { path, found: "named by the user".to_owned() }));
    }
    let Some(path) = variable("ORT_DYLIB_PATH") else { return Ok(None) };
    let path = if path.is_absolute() { path } else { executable_folder().map_or(path.clone(), |folder| folder.join(&path)) };
    if !path.is_absolute() {
        return Err(Failure::input_hint(format!("ORT_DYLIB_PATH: {} is not absolute", path.display()), "write the whole path"));
    }
    Ok(Some(Candidate { path, found: "named by ORT_DYLIB_PATH".to_owned() }))
}

/// The libraries beside the executable and in the active Python environment, in the order to try them.
pub(super) fn installed() -> Vec<Candidate> {
    let mut folders = Vec::new();
    if let Some(folder) = executable_folder() {
        folders.push((folder.clone(), "beside the executable".to_owned()));
        folders.extend(folder.parent().map(|parent| (parent.join("lib"), "in `lib` beside the executable's folder".to_owned())));
    }
    for name in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        let Some(prefix) = variable(name).filter(|path| path.is_absolute()) else { continue };
        folders.extend(site_packages(&prefix).into_iter().map(|folder| (folder, format!("in the Python environment of {name}"))));
    }
    folders.into_iter().filter_map(|(folder, found)| Some(Candidate { path: newest_in(&folder)?, found })).collect()
}

/// The folders of an installed `onnxruntime` below the prefix of a Python environment.
fn site_packages(prefix: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(prefix.join("lib")) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("python"))
        .map(|entry| entry.path().join("site-packages/onnxruntime/capi"))
        .filter(|folder| folder.is_dir())
        .collect();
    folders.sort();
    folders.reverse();
    folders
}

/// The library of the highest version in a folder, by the names that wheels and distributions use.
fn newest_in(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let libraries = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        Some((version_numbers(&name)?, entry.path()))
    });
    libraries.max().map(|(_, path)| path)
}

/// The numbers in a library's file name, none in `libonnxruntime.so`; `None` for every other file.
pub(super) fn version_numbers(name: &str) -> Option<Vec<u64>> {
    let rest = name.strip_prefix("libonnxruntime.")?;
    let version = match rest.strip_prefix("so") {
        Some("") => return Some(Vec::new()),
        Some(version) => version.strip_prefix('.')?,
        None if rest == "dylib" => return Some(Vec::new()),
        None => rest.strip_suffix(".dylib")?,
    };
    version.split('.').map(|number| number.parse().ok()).collect()
}

fn executable_folder() -> Option<PathBuf> {
    env::current_exe().ok()?.parent().map(Path::to_path_buf)
}

/// A path in an environment variable that is set and not empty.
pub(super) fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| *value != OsString::new()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_of_a_folder_wins() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "libonnxruntime.so",
            "libonnxruntime.so.1.9.0",
            "libonnxruntime.so.1.31.1",
            "libonnxruntime_providers_shared.so",
            "libonnxruntime.so.bak",
        ] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        assert_eq!(newest_in(folder.path()), Some(folder.path().join("libonnxruntime.so.1.31.1")));
        assert_eq!(newest_in(&folder.path().join("absent")), None);
    }

    #[test]
    fn python_environments_are_searched_below_lib() {
        let prefix = tempfile::tempdir().unwrap();
        let capi = prefix.path().join("lib/python3.11/site-packages/onnxruntime/capi");
        std::fs::create_dir_all(&capi).unwrap();
        std::fs::create_dir_all(prefix.path().join("lib/python3.12")).unwrap();
        assert_eq!(site_packages(prefix.path()), [capi]);
    }

    #[test]
    fn a_path_that_the_user_types_becomes_absolute() {
        let candidate = named(Some(Path::new("libonnxruntime.so"))).unwrap().unwrap();
        assert_eq!(candidate.path, env::current_dir().unwrap().join("libonnxruntime.so"));
    }

    #[test]
    fn only_the_runtime_itself_counts_as_a_library() {
        assert_eq!(version_numbers("libonnxruntime.dylib"), Some(vec![]));
        assert_eq!(version_numbers("libonnxruntime.1.31.1.dylib"), Some(vec![1, 31, 1]));
        assert_eq!(version_numbers("libonnxruntime.so.x"), None);
        assert_eq!(version_numbers("libother.so"), None);
    }
}
