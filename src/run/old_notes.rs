//! Notes that no run can answer from any more.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use planish_cache::{Key, Store, StoreError};
use serde::Deserialize;

use super::settled;
use crate::fingerprint::BUILD_ID;

/// Notes of runs with nothing left to do that are of no use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OldNotes {
    /// The bytes of all of them.
    pub bytes: u64,
    /// When the latest of them was written; `None` when there are none.
    pub written: Option<SystemTime>,
    files: Vec<PathBuf>,
}

/// What tells whether a note is of use, whatever planish wrote it.
#[derive(Debug, Deserialize)]
struct Note {
    build: String,
    keys: Vec<Key>,
}

impl OldNotes {
    /// The notes that another build of planish left, that can't be read, or that tell of a result which is not in the store or among
    /// those that are `gone`, and that were not written within `older_than`.
    ///
    /// # Errors
    /// A store that can't be read.
    pub fn find(store: &Store, gone: &BTreeSet<Key>, older_than: Option<Duration>) -> Result<Self, StoreError> {
        let there: BTreeSet<Key> = store.keys()?.into_iter().filter(|key| !gone.contains(key)).collect();
        let (now, mut old) = (SystemTime::now(), OldNotes::default());
        for entry in std::fs::read_dir(settled::folder(store)).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            let (Ok(written), path) = (metadata.modified(), entry.path()) else { continue };
            // A clock that was set back makes things younger, which keeps them.
            let aged = older_than.is_none_or(|age| now.duration_since(written).is_ok_and(|found| found >= age));
            if metadata.is_file() && aged && !is_of_use(settled::read::<Note>(store, &path), &there) {
                old.bytes += metadata.len();
                old.written = old.written.max(Some(written));
                old.files.push(path);
            }
        }
        Ok(old)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// Removes them.
    ///
    /// # Errors
    /// A file that can't be removed, with what the system says.
    pub fn remove(&self) -> Result<(), (PathBuf, io::Error)> {
        for file in &self.files {
            match std::fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err((file.clone(), error)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn is_of_use(note: Option<Note>, there: &BTreeSet<Key>) -> bool {
    note.is_some_and(|note| note.build == BUILD_ID && note.keys.iter().all(|key| there.contains(key)))
}
