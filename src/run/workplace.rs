//! The private folder that a worker works in. One that runs program after program uses it again: making and removing a dozen folders
//! takes longer than many a program.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use planish_cache::{Scratch, Store, StoreError};

use super::job::Job;

/// The folder that `kept` is, or a new one: private, and empty but for folders in which the job finds nothing.
///
/// # Errors
/// A store that can't be written.
pub(super) fn prepare(kept: Option<Scratch>, job: &Job, store: &Store) -> Result<Scratch, StoreError> {
    match kept.and_then(|scratch| tidied(scratch, job)) {
        Some(scratch) => Ok(scratch),
        None => store.scratch(),
    }
}

/// The folder without what the job left in it; `None`, and all of it removed, when it can't be used again.
pub(super) fn tidied(scratch: Scratch, job: &Job) -> Option<Scratch> {
    let own = fs::symlink_metadata(scratch.path()).ok()?;
    tidy(scratch.path(), Path::new(""), &Wanted { folders: folders(job), mode: mode(&own) }).ok()?;
    Some(scratch)
}

/// What may stay.
struct Wanted {
    folders: BTreeSet<PathBuf>,
    mode: u32,
}

/// The folders that a job needs.
fn folders(job: &Job) -> BTreeSet<PathBuf> {
    let fixed = ["outputs", "sandbox", "sandbox/work", "sandbox/home", "sandbox/tmp", "sandbox/inputs", "sandbox/files"];
    let named = [("outputs", job.outputs.iter().collect::<Vec<_>>()), ("sandbox/inputs", job.inputs.keys().collect())];
    let named = named.into_iter().flat_map(|(parent, names)| names.into_iter().map(move |name| Path::new(parent).join(name)));
    fixed.into_iter().map(PathBuf::from).chain(named).collect()
}

fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode()
}

/// Removes everything in `folder` but the wanted folders; links are not followed.
fn tidy(folder: &Path, name: &Path, wanted: &Wanted) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), name.join(entry.file_name()));
        let metadata = entry.metadata()?;
        if !metadata.is_dir() {
            fs::remove_file(&path)?;
        } else if wanted.folders.contains(&name) && mode(&metadata) == wanted.mode {
            tidy(&path, &name, wanted)?;
        } else {
            fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::run::tests::{job, open};

    #[test]
    fn whatever_a_program_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let job = job(store.root(), "command", serde_json::json!({}));
        let scratch = prepare(None, &job, &store).unwrap();
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        let at = |name: &str| scratch.path().join(name);
        for name in ["outputs/out/deep", "outputs/other", "sandbox/work/deep", "sandbox/home", "stray"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for name in ["file", "outputs/out/deep/file", "sandbox/work/deep/file", "sandbox/home/.profile"] {
            fs::write(at(name), "x").unwrap();
        }
        symlink(&outside, at("sandbox/tmp")).unwrap();
        symlink(&outside, at("sandbox/work/link")).unwrap();
        fs::set_permissions(at("sandbox/home"), fs::Permissions::from_mode(0o777)).unwrap();
        let path = scratch.path().to_path_buf();
        let again = prepare(Some(scratch), &job, &store).unwrap();
        assert_eq!(again.path(), path);
        let mut left = Vec::new();
        let mut pending = vec![path.clone()];
        while let Some(folder) = pending.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap().path();
                left.push(entry.strip_prefix(&path).unwrap().to_str().unwrap().to_owned());
                pending.extend(Some(entry).filter(|entry| entry.is_dir()));
            }
        }
        left.sort();
        assert_eq!(left, ["outputs", "outputs/out", "sandbox", "sandbox/work"]);
        assert!(outside.join("kept").exists());
    }
}
