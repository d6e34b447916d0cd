//! Results made by earlier code that their owner keeps: `planish adopt`.
//!
//! An adopted result is published under the key of the present code, and its provenance says so. A small list in the
//! store, `runs/adoptions.json`, tells without reading any entry which keys were adopted: nearly always none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::SystemTime;

use planish_cache::{Entry, Key, Store, StoreError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fingerprint::BUILD_ID;
use crate::key::{Difference, KeyParts};
use crate::plan::Plan;

use super::history::History;
use super::provenance::Provenance;
use super::reason::Reason;
use super::resolve::Resolved;
use super::{machine, record};

const FILE: &str = "adoptions.json";

/// That a result made by earlier code was kept, by whom asked and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Adoption {
    /// The instance whose result was kept.
    pub instance: String,
    /// The key of the earlier result, in hexadecimal.
    pub from: String,
    /// The reason that was given.
    pub because: Option<String>,
    /// When, RFC 3339.
    pub at: String,
    /// What in the code differs.
    pub code: Vec<Difference>,
    /// The build of planish that did it.
    pub build: String,
}

/// Why nothing was adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no earlier result whose outputs are intact.
    #[error("`{0}` has no earlier result in the store")]
    Nothing(String),
    /// More than the code changed.
    #[error("`{instance}` can't be adopted, for more than its code changed: {}", list(differences))]
    More {
        /// The instance.
        instance: String,
        /// What changed beside the code.
        differences: Vec<Difference>,
    },
    /// The result in use was not adopted, so there is nothing to undo.
    #[error("the result of `{0}` was not adopted")]
    NotAdopted(String),
}

fn list(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The adopted results of a store.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Adoptions {
    keys: BTreeMap<Key, Adoption>,
}

/// What of an instance's result was adopted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mark {
    /// The result itself.
    pub own: Option<Adoption>,
    /// Results that it was made from, directly or through others; by instance.
    pub rests_on: BTreeMap<String, Adoption>,
}

impl Mark {
    /// Whether nothing was adopted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.own.is_none() && self.rests_on.is_empty()
    }
}

impl Adoptions {
    /// What was adopted in `store`; a list that can't be read is empty (the provenance of each result still says it).
    #[must_use]
    pub fn load(store: &Store) -> Self {
        let bytes = record::read(store, &path(store)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    fn save(&self, store: &Store) -> Result<(), StoreError> {
        record::make_folder(&store.runs_dir())?;
        store.write_atomic(&path(store), &serde_json::to_vec_pretty(self).unwrap_or_default())
    }

    /// What of each instance's result was adopted; `key` says which result an instance has.
    pub fn marks(&self, plan: &Plan, key: impl Fn(usize) -> Option<Key>) -> Vec<Mark> {
        let mut marks: Vec<Mark> = vec![Mark::default(); plan.instances.len()];
        if self.keys.is_empty() {
            return marks;
        }
        for (index, mark) in marks.iter_mut().enumerate() {
            mark.own = key(index).and_then(|key| self.keys.get(&key)).cloned();
            mark.rests_on = self.under(plan, index, &key);
        }
        marks
    }
}

impl Adoptions {
    /// The adopted results that the instance with this index takes from, directly or through others.
    #[must_use]
    pub fn under(&self, plan: &Plan, index: usize, key: impl Fn(usize) -> Option<Key>) -> BTreeMap<String, Adoption> {
        let mut found = BTreeMap::new();
        if self.keys.is_empty() {
            return found;
        }
        let mut seen = BTreeSet::new();
        let mut pending = vec![index];
        while let Some(instance) = pending.pop().and_then(|index| plan.instances.get(index)) {
            for source in instance.inputs.iter().flat_map(|input| &input.sources).map(|source| source.instance) {
                if seen.insert(source) {
                    let adoption = key(source).and_then(|key| self.keys.get(&key));
                    found.extend(plan.instances.get(source).zip(adoption).map(|(name, adoption)| (name.id.clone(), adoption.clone())));
                    pending.push(source);
                }
            }
        }
        found
    }
}

fn path(store: &Store) -> PathBuf {
    store.runs_dir().join(FILE)
}

/// Keeps the latest earlier result of `instance` that differs from what `now` describes by its code alone.
///
/// # Errors
/// [`AdoptError`]: nothing is changed then.
pub fn adopt(
    store: &Store,
    history: &mut History,
    (instance, now): (&str, &Resolved),
    because: Option<&str>,
) -> Result<Adoption, AdoptError> {
    let (earlier, code) = candidate(store, history, instance, now)?;
    let adoption = Adoption {
        instance: instance.to_owned(),
        from: earlier.key.to_string(),
        because: because.map(str::to_owned),
        at: machine::rfc3339(SystemTime::now()),
        code: code.clone(),
        build: BUILD_ID.to_owned(),
    };
    now.parts.keep_lists(store)?;
    let mut provenance = Provenance::read(&earlier.provenance);
    provenance.adopted.push(adoption.clone());
    let entry = Entry {
        key: now.key,
        instance: instance.to_owned(),
        parts: serde_json::to_value(&now.parts).unwrap_or_default(),
        provenance: serde_json::to_value(&provenance).unwrap_or_default(),
        superseded: None,
        ..earlier
    };
    // The list first: a result that is listed and not there is harmless, an unmarked one is not.
    let mut adoptions = Adoptions::load(store);
    adoptions.keys.insert(now.key, adoption.clone());
    adoptions.save(store)?;
    store.publish(&entry)?;
    history.adopted(instance, now.key, Reason::Changed(code));
    history.save(store)?;
    Ok(adoption)
}

/// Takes an adoption back: the instance has to run again. What was made from it meanwhile keeps its own mark.
///
/// # Errors
/// [`AdoptError`]: nothing is changed then.
pub fn undo(store: &Store, history: &mut History, instance: &str, key: &Key) -> Result<Adoption, AdoptError> {
    let mut adoptions = Adoptions::load(store);
    let adoption = adoptions.keys.remove(key).ok_or_else(|| AdoptError::NotAdopted(instance.to_owned()))?;
    store.withdraw(key)?;
    adoptions.save(store)?;
    if let Ok(earlier) = adoption.from.parse::<Key>() {
        history.adopted(instance, earlier, Reason::Unchanged);
        history.save(store)?;
    }
    Ok(adoption)
}

/// The earlier result to keep, and what in the code differs: the instance's last one, else the latest of all in the store.
fn candidate(store: &Store, history: &History, instance: &str, now: &Resolved) -> Result<(Entry, Vec<Difference>), AdoptError> {
    let mut refused = None;
    let last = history.past(instance).and_then(|past| past.key).map(|key| store.get(&key)).transpose()?.flatten();
    if let Some(entry) = last {
        match code_alone(store, &entry, now) {
            Ok(code) => return Ok((entry, code)),
            Err(more) => refused = Some(more),
        }
    }
    let mut found: Vec<(String, Entry, Vec<Difference>)> = Vec::new();
    for entry in store.entries()? {
        let entry = entry?;
        if entry.key != now.key
            && entry.kind == now.parts.kind
            && let Ok(code) = code_alone(store, &entry, now)
        {
            found.push((Provenance::read(&entry.provenance).ended, entry, code));
        }
    }
    found.sort_by(|a, b| b.0.cmp(&a.0));
    for (_, entry, code) in found {
        if store.get(&entry.key)?.is_some() {
            return Ok((entry, code));
        }
    }
    Err(match refused.filter(|more| !more.is_empty()) {
        Some(differences) => AdoptError::More { instance: instance.to_owned(), differences },
        None => AdoptError::Nothing(instance.to_owned()),
    })
}

/// How the code differs, if nothing else does; otherwise what else does.
fn code_alone(store: &Store, entry: &Entry, now: &Resolved) -> Result<Vec<Difference>, Vec<Difference>> {
    let parts = KeyParts::recall(entry.parts.clone(), &now.parts, store).ok_or_else(Vec::new)?;
    let (code, more): (Vec<_>, Vec<_>) =
        parts.differences(&now.parts).into_iter().partition(|difference| matches!(difference, Difference::Code { .. }));
    if more.is_empty() { Ok(code) } else { Err(more) }
}
