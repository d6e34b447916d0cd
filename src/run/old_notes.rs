//! Notes that no run can answer from any more, and lists of files that no result was made from.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use planish_cache::{Key, Store, StoreError};
use serde::Deserialize;

use super::settled;
use crate::fingerprint::BUILD_ID;
use crate::key::{self, Files, KeyParts};

/// How long a list of files stays that no result needs: a stage that is working may come to need it.
const LIST_AGE: Duration = Duration::from_hours(7 * 24);

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
        let mut old = OldNotes::default();
        old.take(&settled::folder(store), older_than, |path| !is_of_use(settled::read::<Note>(store, path), &there));
        let mut lists = OldNotes::default();
        lists.take(&key::listings(store), older_than.max(Some(LIST_AGE)), |_| true);
        if !lists.files.is_empty() {
            let needed = needed_lists(store, &there)?;
            let is_needed = |path: &Path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| needed.contains(name));
            old.take(&key::listings(store), older_than.max(Some(LIST_AGE)), |path| !is_needed(path));
        }
        Ok(old)
    }

    /// Takes in the files of `folder` that are so old and `useless`.
    fn take(&mut self, folder: &Path, older_than: Option<Duration>, useless: impl Fn(&Path) -> bool) {
        let now = SystemTime::now();
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            let (Ok(written), path) = (metadata.modified(), entry.path()) else { continue };
            // A clock that was set back makes things younger, which keeps them.
            let aged = older_than.is_none_or(|age| now.duration_since(written).is_ok_and(|found| found >= age));
            if metadata.is_file() && aged && useless(&path) {
                self.bytes += metadata.len();
                self.written = self.written.max(Some(written));
                self.files.push(path);
            }
        }
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

/// The digests of the lists that the results under these keys were made from.
fn needed_lists(store: &Store, there: &BTreeSet<Key>) -> Result<BTreeSet<String>, StoreError> {
    let mut needed = BTreeSet::new();
    for key in there {
        let parts = store.peek(key)?.and_then(|entry| serde_json::from_value::<KeyParts>(entry.parts).ok());
        let lists = parts.iter().flat_map(|parts| parts.files.values()).filter_map(|files| match files {
            Files::Listed(listing) => Some(listing.digest().to_string()),
            Files::Each(_) => None,
        });
        needed.extend(lists);
    }
    Ok(needed)
}

fn is_of_use(note: Option<Note>, there: &BTreeSet<Key>) -> bool {
    note.is_some_and(|note| note.build == BUILD_ID && note.keys.iter().all(|key| there.contains(key)))
}
