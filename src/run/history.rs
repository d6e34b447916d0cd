//! What happened to each instance of a pipeline before: the memory behind `why` and `status`.
//!
//! One file per pipeline file and profile, `runs/history/<hash>.json`. It only informs: results are found
//! by their keys alone, and a lost history costs explanations, nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use planish_cache::{Key, Store, StoreError};
use serde::{Deserialize, Serialize};

use super::event::{Failed, Finished};
use super::reason::Reason;
use super::record;

/// The format of the file.
const SCHEMA: u32 = 1;
pub(super) const FOLDER: &str = "history";

/// What happened to the instances of a pipeline under one profile.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct History {
    schema: u32,
    pipeline: PathBuf,
    profile: Option<String>,
    /// The latest run that did anything.
    pub latest_run: Option<String>,
    instances: BTreeMap<String, Past>,
    #[serde(skip)]
    touched: BTreeSet<String>,
}

/// What happened to one instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// The key of its last result.
    pub key: Option<Key>,
    /// Why that result is another than the one before it.
    pub reason: Option<Reason>,
    /// The run that last worked on it.
    pub run: Option<String>,
    /// How long that took, in seconds, if it succeeded.
    pub seconds: Option<f64>,
    /// The log of that work, relative to the store.
    pub log: Option<PathBuf>,
    /// What went wrong when it was last tried, if it did.
    pub failure: Option<Failed>,
}

/// The work of a run on one instance.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// The instance.
    pub instance: &'a str,
    /// The run.
    pub run: &'a str,
    /// The log, relative to the store.
    pub log: &'a Path,
    /// Why it ran.
    pub reason: &'a Reason,
}

impl History {
    /// The history of `pipeline` under `profile`; empty when there is none that can be read.
    #[must_use]
    pub fn load(store: &Store, pipeline: &Path, profile: Option<&str>) -> Self {
        let empty = History {
            schema: SCHEMA,
            pipeline: std::path::absolute(pipeline).unwrap_or_else(|_| pipeline.to_path_buf()),
            profile: profile.map(str::to_owned),
            latest_run: None,
            instances: BTreeMap::new(),
            touched: BTreeSet::new(),
        };
        let text = record::read(store, &empty.path(store)).unwrap_or_default();
        match serde_json::from_slice::<History>(&text) {
            // That of another pipeline, copied here, would be written back to that one's place.
            Ok(history) if history.schema == SCHEMA && history.pipeline == empty.pipeline && history.profile == empty.profile => history,
            _ => empty,
        }
    }

    /// Where it is kept.
    #[must_use]
    pub fn path(&self, store: &Store) -> PathBuf {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.pipeline.as_os_str().as_encoded_bytes());
        hasher.update(b"\0");
        hasher.update(self.profile.as_deref().unwrap_or_default().as_bytes());
        let name = hasher.finalize().to_hex();
        store.runs_dir().join(FOLDER).join(format!("{name}.json"))
    }

    /// What happened to an instance before.
    #[must_use]
    pub fn past(&self, instance: &str) -> Option<&Past> {
        self.instances.get(instance)
    }

    /// Whether `key` is that of the last result of an instance, and nothing went wrong since.
    #[must_use]
    pub fn is_settled(&self, instance: &str, key: &Key) -> bool {
        self.past(instance).is_some_and(|past| past.key == Some(*key) && past.failure.is_none())
    }

    /// The result of an instance was in the store; `reason` says why it is not the one that it had before.
    pub fn hit(&mut self, instance: &str, key: Key, reason: Reason) {
        if self.is_settled(instance, &key) {
            return;
        }
        let past = self.touch(instance);
        if past.key != Some(key) {
            // Nothing ran, so only a change explains anything.
            let reason = Some(reason).filter(|reason| matches!(reason, Reason::Changed(_) | Reason::Forgotten));
            *past = Past { key: Some(key), reason, ..Past::default() };
        }
        past.failure = None;
    }

    /// An instance was worked on and has a result.
    pub fn succeeded(&mut self, work: Work<'_>, key: Key, finished: &Finished) {
        let past = self.touch(work.instance);
        *past = Past {
            key: Some(key),
            reason: Some(work.reason.clone()),
            run: Some(work.run.to_owned()),
            seconds: Some(finished.seconds),
            log: Some(work.log.to_path_buf()),
            failure: None,
        };
        self.latest_run = Some(work.run.to_owned());
    }

    /// An instance was worked on and has no result.
    pub fn failed(&mut self, work: Work<'_>, failed: &Failed) {
        let past = self.touch(work.instance);
        past.run = Some(work.run.to_owned());
        past.log = Some(work.log.to_path_buf());
        past.failure = Some(failed.clone());
        self.latest_run = Some(work.run.to_owned());
    }

    /// Another result of the instance is in use now, and nothing ran.
    pub fn adopted(&mut self, instance: &str, key: Key, reason: Reason) {
        let past = self.touch(instance);
        past.key = Some(key);
        past.reason = Some(reason);
        past.failure = None;
    }

    fn touch(&mut self, instance: &str) -> &mut Past {
        self.touched.insert(instance.to_owned());
        self.instances.entry(instance.to_owned()).or_default()
    }

    /// Writes what this run learned; what other runs wrote meanwhile about other instances stays.
    ///
    /// # Errors
    /// A store that can't be written.
    pub fn save(&mut self, store: &Store) -> Result<(), StoreError> {
        if self.touched.is_empty() {
            return Ok(());
        }
        let mut merged = History::load(store, &self.pipeline, self.profile.as_deref());
        for name in &self.touched {
            if let Some(past) = self.instances.get(name) {
                merged.instances.insert(name.clone(), past.clone());
            }
        }
        merged.latest_run.clone_from(&self.latest_run);
        let text = serde_json::to_vec(&merged).unwrap_or_default();
        let path = self.path(store);
        record::make_folder(&store.runs_dir().join(FOLDER))?;
        store.write_atomic(&path, &text)?;
        self.touched.clear();
        Ok(())
    }
}

/// The runs that the histories of all pipelines and profiles name; `None` when one of them can't be read.
pub(super) fn named_runs(store: &Store) -> Option<BTreeSet<String>> {
    let mut named = BTreeSet::new();
    for entry in std::fs::read_dir(store.runs_dir().join(FOLDER)).into_iter().flatten().flatten() {
        let text = record::read(store, &entry.path())?;
        let history = serde_json::from_slice::<History>(&text).ok().filter(|history| history.schema == SCHEMA)?;
        named.extend(history.latest_run);
        named.extend(history.instances.into_values().filter_map(|past| past.run));
    }
    Some(named)
}

#[cfg(test)]
mod tests {
    use planish_cache::Digest;

    use super::*;
    use crate::run::tests::open;

    /// Found by the fuzz target `run_records`.
    #[test]
    fn a_history_of_another_pipeline_or_profile_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let key = Key::new(Digest::of(b"key"));
        let saved = |pipeline: &str, profile: Option<&str>| {
            let mut history = History::load(&store, Path::new(pipeline), profile);
            history.adopted("a", key, Reason::Unchanged);
            history.save(&store).unwrap();
            history.path(&store)
        };
        let is_settled = |pipeline: &str, profile: Option<&str>| History::load(&store, Path::new(pipeline), profile).is_settled("a", &key);
        let other = saved("/other.toml", None);
        for profile in [None, Some("quick")] {
            let own = saved("/own.toml", profile);
            assert!(is_settled("/own.toml", profile));
            std::fs::copy(&other, &own).unwrap();
            assert!(!is_settled("/own.toml", profile), "{profile:?}");
            assert_eq!(saved("/own.toml", profile), own, "it is written where it is read");
            assert!(is_settled("/own.toml", profile));
        }
    }
}
