//! The host of a stage inside its worker: events and lines go to the worker's host, sub-results to the store's memo.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use planish_cache::{Digest, Parts};
use planish_contract::{Host, PartKey, Progress};
use serde_json::{Value, json};

use crate::fingerprint::COMPILED;

use super::host::WorkerHost;
use super::machine;

/// How many bytes of sub-results may wait for their common write.
const PENDING_BYTES: usize = 16 << 20;
/// How long a sub-result may wait for it.
const PENDING_TIME: Duration = Duration::from_secs(10);
/// The version of what a key of the memo means.
const FORMAT_VERSION: u32 = 1;

/// The [`Host`] of a stage: that of its worker, with the store's memo of pure parts.
pub(super) struct StageHost<'a> {
    worker: &'a WorkerHost,
    /// `None` when the run does without a memo.
    parts: Option<Parts<'a>>,
    /// The package that holds the stage.
    package: &'a str,
    /// The family members that the inputs' artifacts name.
    members: Vec<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pending: BTreeMap<Digest, Vec<u8>>,
    bytes: usize,
    /// When the oldest of the pending ones came.
    since: Option<Instant>,
    /// How many sub-results were asked for and there.
    reused: u64,
    /// How many were put.
    made: u64,
    /// The store can't be written; nothing is kept any more.
    broken: bool,
    /// A member that this executable does not have was named, and complained about.
    complained: bool,
}

impl<'a> StageHost<'a> {
    /// The host of a stage of `package` whose inputs name `members`; without `parts` its memo is always empty.
    #[must_use]
    pub(super) fn new(worker: &'a WorkerHost, parts: Option<Parts<'a>>, package: &'a str, members: Vec<String>) -> Self {
        StageHost { worker, parts, package, members, state: Mutex::default() }
    }

    /// Writes what waits, and records how much the memo saved. To be called when the stage has ended, however it did.
    pub(super) fn finish(&self) {
        let mut state = self.state();
        self.write(&mut state);
        if state.reused + state.made > 0 {
            self.worker.provenance("memo", json!({ "reused": state.reused, "made": state.made }));
        }
    }

    /// The key in the store; `None` when the code of a member that was named is not known, so that its edits would go unnoticed.
    fn digest(&self, key: &PartKey<'_>, state: &mut State) -> Option<Digest> {
        if let Some(unknown) = key.members.iter().find(|member| COMPILED.member(member).is_none()) {
            if !state.complained {
                state.complained = true;
                self.worker.log(&format!("the memo is not used: it is asked for `{unknown}`, and there is no such family member"));
            }
            return None;
        }
        let members = key.members.iter().copied().chain(self.members.iter().map(String::as_str));
        let code = COMPILED.of(self.package, members);
        let mut hasher = blake3::Hasher::new();
        let mut list = |texts: &mut dyn Iterator<Item = &[u8]>| {
            let texts: Vec<&[u8]> = texts.collect();
            hasher.update(&(texts.len() as u64).to_le_bytes());
            for text in texts {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text);
            }
        };
        let (version, cpu) = (FORMAT_VERSION.to_le_bytes(), machine::cpu_features());
        list(&mut [&b"planish part"[..], &version, cpu.as_bytes(), self.package.as_bytes(), key.purpose.as_bytes()].into_iter());
        list(&mut code.iter().flat_map(|(name, fingerprint)| [name.as_bytes(), fingerprint.as_bytes()]));
        list(&mut key.words.iter().copied());
        Some(Digest::from(hasher.finalize()))
    }

    /// Many share a write, and with it an object and its flush to the disk.
    fn write(&self, state: &mut State) {
        let (pending, Some(parts)) = (std::mem::take(&mut state.pending), &self.parts) else { return };
        (state.bytes, state.since) = (0, None);
        if pending.is_empty() || state.broken {
            return;
        }
        if let Err(error) = parts.put_many(pending) {
            state.broken = true;
            self.worker.log(&format!("the memo keeps nothing more: {error}"));
        }
    }

    /// A panic elsewhere leaves plain data behind, never a broken invariant.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for StageHost<'_> {
    fn progress(&self, progress: Progress) {
        self.worker.progress(progress);
    }

    fn stopped(&self) -> bool {
        self.worker.stopped()
    }

    fn provenance(&self, name: &str, value: Value) {
        self.worker.provenance(name, value);
    }

    fn log(&self, line: &str) {
        self.worker.log(line);
    }

    fn recall(&self, key: &PartKey<'_>) -> Option<Vec<u8>> {
        let parts = self.parts.as_ref()?;
        let mut state = self.state();
        let digest = self.digest(key, &mut state)?;
        let pending = state.pending.get(&digest).cloned();
        drop(state);
        let value = pending.or_else(|| parts.get(&digest))?;
        self.state().reused += 1;
        Some(value)
    }

    fn keep(&self, key: &PartKey<'_>, value: Vec<u8>) {
        let mut state = self.state();
        if self.parts.is_none() || state.broken {
            return;
        }
        let Some(digest) = self.digest(key, &mut state) else { return };
        state.made += 1;
        state.bytes += value.len();
        // The first one stands, as in the store.
        state.pending.entry(digest).or_insert(value);
        let since = *state.since.get_or_insert_with(Instant::now);
        if state.bytes >= PENDING_BYTES || since.elapsed() >= PENDING_TIME {
            self.write(&mut state);
        }
    }
}
