//! What a worker is told of an instance's inputs and files.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::key::{Files, KeyParts};
use crate::plan::{Instance, PlannedFile};

use super::job::{JobFiles, JobInput};

/// What a worker is told of its inputs.
#[must_use]
pub(super) fn job_inputs(instance: &Instance, parts: &KeyParts) -> BTreeMap<String, JobInput> {
    let mut inputs = BTreeMap::new();
    for input in &instance.inputs {
        let connected = parts.inputs.get(&input.name).map(Vec::as_slice).unwrap_or_default();
        if input.gather {
            let list = connected.iter().map(|part| (part.coordinates.clone().unwrap_or_default(), part.digest)).collect();
            inputs.insert(input.name.clone(), JobInput::Gather(list));
        } else if let Some(digest) = connected.first().and_then(|part| part.digest) {
            inputs.insert(input.name.clone(), JobInput::One(digest));
        }
    }
    inputs
}

/// What a worker is told of the files from outside.
#[must_use]
pub(super) fn job_files(instance: &Instance, parts: &KeyParts) -> BTreeMap<String, JobFiles> {
    let files = instance.files.iter().map(|file| {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let listed = matches!(parts.files.get(&file.name), Some(Files::Listed(_)));
        let paths = file.paths.iter().filter(|_| !listed).map(|(inner, path)| (inner.clone(), absolute(path))).collect();
        let (pattern, folder) = (file.pattern.clone(), absolute(&file.folder));
        (file.name.clone(), JobFiles { single: is_single(file), pattern, folder, paths })
    });
    files.collect()
}

/// Whether the pipeline wrote the path of one file: no pattern, and no folder that happens to hold one.
fn is_single(file: &PlannedFile) -> bool {
    let [(inner, path)] = &*file.paths else { return false };
    let written: PathBuf = Path::new(&file.pattern).components().filter(|part| *part != Component::CurDir).collect();
    path.ends_with(&written) && !path.ends_with(written.join(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_told_from_a_folder_with_one_file() {
        let file = |pattern: &str, inner: &str, path: &str| PlannedFile {
            name: "x".to_owned(),
            pattern: pattern.to_owned(),
            folder: PathBuf::from("here"),
            paths: [(inner.to_owned(), PathBuf::from(path))].into(),
        };
        assert!(is_single(&file("a.txt", "a.txt", "here/a.txt")));
        assert!(is_single(&file("./tools/a.txt", "a.txt", "here/./tools/a.txt")));
        assert!(is_single(&file("/abs/a.txt", "a.txt", "/abs/a.txt")));
        assert!(!is_single(&file("data", "a.txt", "here/data/a.txt")));
        assert!(!is_single(&file("data", "data", "here/data/data")));
        assert!(!is_single(&file("*.txt", "a.txt", "here/a.txt")));
    }
}
