//! Files from outside: when a stage begins they are what its key says, and nothing happens to them until it ends.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use planish_cache::Store;

use crate::plan;

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
    /// By name in `files` and name inside the folder.
    states: BTreeMap<(&'a str, &'a str), FileState>,
}

impl<'a> Sources<'a> {
    /// Makes sure that the files are what the job's key says.
    ///
    /// # Errors
    /// A file that was edited or removed since the key was made.
    pub(super) fn begin(job: &'a Job, store: &Store) -> Result<Self, Failed> {
        let mut states = BTreeMap::new();
        for (name, files) in &job.files {
            for (inner, path) in &files.paths {
                // Before it is read: an edit in between shows at the end.
                let state = FileState::of(path);
                let expected = job.parts.files.get(name).and_then(|folder| folder.get(inner));
                let Some(state) = state.ok().filter(|_| store.hash_file(path).ok().as_ref() == expected) else {
                    return Err(spoiled(path, name, "was edited after the run began"));
                };
                states.insert((name.as_str(), inner.as_str()), state);
            }
        }
        Ok(Sources { job, states })
    }

    /// Refuses the result of a stage during which a file was edited, even if it was changed back, or during which a pattern came to stand for
    /// other files: nobody knows what the stage read.
    ///
    /// # Errors
    /// The first such file.
    pub(super) fn end(&self) -> Result<(), Failed> {
        for (name, files) in &self.job.files {
            for (inner, path) in &files.paths {
                let before = self.states.get(&(name.as_str(), inner.as_str()));
                match FileState::of(path) {
                    Ok(now) if Some(&now) == before => {}
                    Ok(_) => return Err(spoiled(path, name, "was edited while the stage ran")),
                    Err(_) => return Err(spoiled(path, name, "was removed while the stage ran")),
                }
            }
            if let Some(path) = added(files) {
                return Err(spoiled(&path, name, "was added while the stage ran"));
            }
        }
        Ok(())
    }
}

/// A file that the pattern stands for now and did not when the key was made.
fn added(files: &JobFiles) -> Option<PathBuf> {
    if files.single {
        return None;
    }
    let now = plan::files_of(&files.folder, &files.pattern).ok()?;
    now.into_iter().find(|(inner, _)| !files.paths.contains_key(inner)).map(|(_, path)| path)
}

fn spoiled(path: &Path, name: &str, what: &str) -> Failed {
    Failed::stage(format!("{} (in `files.{name}`) {what}; the result was not stored", path.display())).hint("run again")
}
