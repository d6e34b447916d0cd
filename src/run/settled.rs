//! What a run that had nothing left to do depended on. While all of that is unchanged, the same command line has nothing to do
//! again, and nothing has to be planned to know it.
//!
//! One file per command line, `runs/settled/<hash>.json`. Everything that a plan and its keys are made of is compared: the
//! executable, the command line, the bytes of the pipeline, the names and bytes of the files from outside, the machine where it counts,
//! and every file of every result. Whatever differs, or can't be read, means that the run is planned as always.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use planish_cache::{Digest, Key, Store, StoreError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fingerprint::BUILD_ID;
use crate::key::Listing;
use crate::plan::{Plan, files_of};

use super::slot::Outcome;
use super::{RunResult, contents, machine, record};

/// The format of the file.
const SCHEMA: u32 = 2;
const FOLDER: &str = "settled";
/// The largest note that is read.
const LIMIT: u64 = 128 << 20;
/// Longer than the clock that stamps files stands still.
const TICK: Duration = Duration::from_millis(15);

/// What a run with nothing left to do depended on, and what it said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    schema: u32,
    build: String,
    /// What of the machine can enter a key.
    machine: String,
    /// What the pipeline was read from, what was written from results, the memory of earlier runs: path and content.
    files: Vec<(PathBuf, Digest)>,
    /// The folder that patterns are relative to.
    folder: PathBuf,
    /// Pattern → the digest of the list of the files from outside that it stands for, with their content.
    outside: BTreeMap<String, Digest>,
    /// The key of each instance.
    keys: Vec<Key>,
    /// One digest of all their results.
    results: Digest,
    /// What the run said of the results.
    pub remarks: String,
    /// The pages that it showed.
    pub pages: Vec<(PathBuf, String)>,
}

/// What a note is made from.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// What was planned.
    pub plan: &'a Plan,
    /// The store.
    pub store: &'a Store,
    /// The folder of the pipeline file.
    pub folder: &'a Path,
    /// What the run came to.
    pub result: &'a RunResult,
    /// What the pipeline was read from, what was written from results, the memory of earlier runs: path and content.
    pub files: &'a [(PathBuf, Digest)],
    /// What was said of the results.
    pub remarks: &'a str,
    /// The pages that were shown: path and text.
    pub pages: &'a [(PathBuf, String)],
}

/// Where the note for a command line is: `question` is whatever changes what the run is about.
#[must_use]
pub fn note_path(root: &Path, question: &str) -> PathBuf {
    let mut hasher = blake3::Hasher::new();
    let folder = std::env::current_dir().unwrap_or_default();
    for part in [BUILD_ID.as_bytes(), folder.as_os_str().as_encoded_bytes(), question.as_bytes()] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    root.join("runs").join(FOLDER).join(format!("{}.json", hasher.finalize().to_hex()))
}

/// The folder of all notes.
pub(super) fn folder(store: &Store) -> PathBuf {
    store.runs_dir().join(FOLDER)
}

/// What the note at `path` says; `None` when there is none that is whole.
pub(super) fn read<T: DeserializeOwned>(store: &Store, path: &Path) -> Option<T> {
    let bytes = store.read_bounded(path, LIMIT).ok()??;
    let (checksum, body) = bytes.split_at_checked(64)?;
    if blake3::hash(body).to_hex().as_bytes() != checksum {
        return None;
    }
    serde_json::from_slice(body).ok()
}

impl Settled {
    /// The note at `path`, if there is one and everything that it depends on is unchanged.
    #[must_use]
    pub fn find(path: &Path, store: &Store) -> Option<Self> {
        read::<Settled>(store, path).filter(|note| note.holds(store))
    }

    /// How many instances the run had.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.keys.len()
    }

    fn holds(&self, store: &Store) -> bool {
        let is = |path: &Path, digest: &Digest| store.hash_file(path).ok().as_ref() == Some(digest);
        self.schema == SCHEMA
            && self.build == BUILD_ID
            && self.machine == machine::cpu_features()
            && self.files.iter().all(|(path, digest)| is(path, digest))
            && self.outside.iter().all(|(pattern, known)| {
                let found = files_of(&self.folder, pattern).unwrap_or_default();
                let digests = contents::hash(store, &found, &mut |_| true);
                digests.is_ok_and(|digests| Listing::of(contents::with(&found, &digests)).digest() == *known)
            })
            && store.unchanged_results(&self.keys) == Some(self.results)
    }
}

/// Leaves a note at `path` if the run that ended would have nothing to do again.
///
/// # Errors
/// A store that fails, or can't be written.
pub fn settle(path: &Path, ended: Ended<'_>) -> Result<(), StoreError> {
    // Files that were written just now can't be told from those that change within the same tick of the clock.
    if ended.result.outcomes.iter().any(|outcome| !matches!(outcome, Outcome::Hit { .. })) {
        std::thread::sleep(TICK);
    }
    let Some(note) = note(ended)? else { return Ok(()) };
    let body = serde_json::to_vec(&note).unwrap_or_default();
    let bytes = [blake3::hash(&body).to_hex().as_bytes(), &body].concat();
    record::make_folder(&folder(ended.store))?;
    ended.store.write_volatile(path, &bytes)
}

/// What to note; `None` when the run left something undone, or something changed meanwhile.
fn note(ended: Ended<'_>) -> Result<Option<Settled>, StoreError> {
    let (mut keys, mut results) = (Vec::new(), Vec::new());
    for (outcome, key) in ended.result.outcomes.iter().zip(&ended.result.keys) {
        let (Some(key), Some(outputs)) = (key, outcome.outputs()) else { return Ok(None) };
        if ended.store.outputs(key)?.as_ref() != Some(outputs) {
            return Ok(None);
        }
        keys.push(*key);
        results.push((*key, outputs));
    }
    let Some(outside) = outside(ended) else { return Ok(None) };
    Ok(Some(Settled {
        schema: SCHEMA,
        build: BUILD_ID.to_owned(),
        machine: machine::cpu_features(),
        files: ended.files.to_vec(),
        folder: ended.folder.to_path_buf(),
        outside,
        results: Store::digest_of_results(&results),
        keys,
        remarks: ended.remarks.to_owned(),
        pages: ended.pages.to_vec(),
    }))
}

/// The lists of the files from outside that entered the keys; `None` when one of them changed while the run went on.
fn outside(ended: Ended<'_>) -> Option<BTreeMap<String, Digest>> {
    let files = ended.plan.instances.iter().flat_map(|instance| &instance.files);
    files.map(|file| Some((file.pattern.clone(), (*ended.result.files.get(&file.pattern)?)?))).collect()
}
