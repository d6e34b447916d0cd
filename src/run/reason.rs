//! Why an instance has to run.

use planish_cache::{Store, StoreError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::{Difference, KeyParts};

use super::history::Past;
use super::resolve::Resolved;

/// Why an instance has to run, or why its result is another than last time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It has never run.
    First,
    /// The user asked for it.
    Forced,
    /// It failed last time.
    Retry,
    /// Its result was removed from the store, or found damaged.
    Lost,
    /// What it depends on is not what it was.
    Changed(Vec<Difference>),
    /// What it depends on is not what it was, and the store no longer knows how it was.
    Forgotten,
    /// Nothing changed since its last result.
    Unchanged,
}

impl Reason {
    /// Compares what an instance depends on now with what it depended on last time.
    ///
    /// # Errors
    /// A store that fails.
    pub fn of(past: Option<&Past>, now: &Resolved, store: &Store) -> Result<Self, StoreError> {
        let Some(past) = past else { return Ok(Reason::First) };
        match past.key {
            None if past.failure.is_some() => Ok(Reason::Retry),
            None => Ok(Reason::First),
            Some(before) if before == now.key => Ok(if past.failure.is_some() { Reason::Retry } else { Reason::Lost }),
            Some(before) => {
                let entry = store.peek(&before)?;
                let parts = entry.and_then(|entry| KeyParts::recall(entry.parts, &now.parts, store));
                Ok(parts.map_or(Reason::Forgotten, |parts| Reason::Changed(parts.differences(&now.parts))))
            }
        }
    }
}
