//! Files from outside: when a stage begins they are what its key says, and nothing happens to them until it ends.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use planish_cache::{Digest, Store};
use planish_contract::{Failure, Folder};

use crate::key::{Files, Listing};
use crate::plan;

use super::contents::{self, Unread};
use super::event::Failed;
use super::job::{Job, JobFiles};

/// In which state a file is, as far as that is known without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileState {
    file: (u64, u64),
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

impl FileState {
    /// The state of the file at `path`.
    ///
    /// # Errors
    /// What the system says of a file that is not there.
    pub(super) fn of(path: &Path) -> std::io::Result<Self> {
        let meta = std::fs::metadata(path)?;
        Ok(FileState { file: (meta.dev(), meta.ino()), size: meta.size(), modified: (meta.mtime(), meta.mtime_nsec()) })
    }
}

/// The files from outside that a job brings, in the state in which its stage began.
pub(super) struct Sources<'a> {
    pub(super) job: &'a Job,
    /// By name in `files`, in the order of the names inside the folder.
    states: BTreeMap<&'a str, Vec<FileState>>,
}

impl<'a> Sources<'a> {
    /// Makes sure that the files are what the job's key says; them by name in `files`.
    ///
    /// # Errors
    /// A file that was edited or removed since the key was made.
    pub(super) fn begin(job: &'a Job, store: &Store, stopped: &dyn Fn() -> bool) -> Result<(Self, BTreeMap<String, Folder>), Failed> {
        let (mut states, mut folders) = (BTreeMap::new(), BTreeMap::new());
        for (name, files) in &job.files {
            let paths = paths(files);
            // Before they are read: an edit in between shows at the end.
            let before: Vec<_> = paths.iter().map_while(|(_, path)| FileState::of(path).ok()).collect();
            if let Some((_, path)) = paths.get(before.len()) {
                return Err(spoiled(path, name, EDITED));
            }
            let edited = match contents::hash(store, &paths, &mut |_| !stopped()) {
                Ok(digests) => edited(job, name, &paths, &digests),
                Err(Unread::Stopped) => return Err(Failure::Stopped.into()),
                Err(Unread::File(path, _)) => Some(path),
            };
            if let Some(path) = edited {
                return Err(spoiled(&path, name, EDITED));
            }
            states.insert(name.as_str(), before);
            folders.insert(name.clone(), Folder::new(paths.into_iter().collect()));
        }
        Ok((Sources { job, states }, folders))
    }

    /// Refuses the result of a stage during which a file was edited, even if it was changed back, or during which a pattern came to stand for
    /// other files: nobody knows what the stage read. `folders` are those that [`Sources::begin`] gave.
    ///
    /// # Errors
    /// The first such file.
    pub(super) fn end(&self, folders: &BTreeMap<String, Folder>) -> Result<(), Failed> {
        for (name, files) in &self.job.files {
            let Some(folder) = folders.get(name) else { continue };
            let states = self.states.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
            for ((_, path), before) in folder.files().zip(states) {
                match FileState::of(path) {
                    Ok(now) if now == *before => {}
                    Ok(_) => return Err(spoiled(path, name, "was edited while the stage ran")),
                    Err(_) => return Err(spoiled(path, name, "was removed while the stage ran")),
                }
            }
            if let Some(path) = added(files, folder) {
                return Err(spoiled(&path, name, "was added while the stage ran"));
            }
        }
        Ok(())
    }
}

const EDITED: &str = "was edited after the run began";

/// The files, sorted by name. Many are not in the job and looked for again; whether they are the same, their content tells.
fn paths(files: &JobFiles) -> Vec<(String, PathBuf)> {
    if files.paths.is_empty() {
        return plan::files_of(&files.folder, &files.pattern).unwrap_or_default();
    }
    files.paths.iter().map(|(inner, path)| (inner.clone(), path.clone())).collect()
}

/// The first file whose content is not what the key says, or what stands for all of them where they are kept as one list.
fn edited(job: &Job, name: &str, paths: &[(String, PathBuf)], digests: &[Digest]) -> Option<PathBuf> {
    let all = || job.files.get(name).map_or_else(|| name.into(), |files| files.folder.join(&files.pattern));
    match job.parts.files.get(name) {
        Some(Files::Each(each)) => {
            let unknown = paths.iter().zip(digests).find(|((inner, _), digest)| each.get(inner) != Some(digest));
            unknown.map(|((_, path), _)| path.clone()).or_else(|| (paths.len() != each.len()).then(all))
        }
        Some(Files::Listed(list)) => (Listing::of(contents::with(paths, digests)) != *list).then(all),
        None => Some(all()),
    }
}

/// A file that the pattern stands for now and did not when the key was made.
fn added(files: &JobFiles, known: &Folder) -> Option<PathBuf> {
    if files.single {
        return None;
    }
    let now = plan::files_of(&files.folder, &files.pattern).ok()?;
    now.into_iter().find(|(inner, _)| !known.has(inner)).map(|(_, path)| path)
}

fn spoiled(path: &Path, name: &str, what: &str) -> Failed {
    Failed::stage(format!("{} (in `files.{name}`) {what}; the result was not stored", path.display())).hint("run again")
}
