//! What a run would do, without running anything.

use std::collections::{BTreeMap, BTreeSet};

use planish_cache::{Digest, Key, Store, StoreError};

use crate::plan::Plan;

use super::event::Failed;
use super::history::{History, Past};
use super::readiness::{Readiness, Upstream, readiness};
use super::reason::Reason;
use super::resolve::{Resolved, Resolver};

/// What a run would do with an instance.
#[derive(Clone, Debug)]
pub enum Forecast {
    /// Nothing: its result is in the store.
    Hit {
        /// Its key.
        resolved: Box<Resolved>,
        /// Output name → digest.
        outputs: BTreeMap<String, Digest>,
    },
    /// Run it.
    Run {
        /// Its key.
        resolved: Box<Resolved>,
        /// Why.
        reason: Reason,
    },
    /// It depends on results that are not there yet.
    Depends {
        /// The instances that come first, by index.
        on: Vec<usize>,
    },
    /// Its key can't be known.
    Broken {
        /// Why.
        failed: Failed,
    },
}

impl Forecast {
    /// The instance's key, where it is known.
    #[must_use]
    pub fn key(&self) -> Option<Key> {
        match self {
            Forecast::Hit { resolved, .. } | Forecast::Run { resolved, .. } => Some(resolved.key),
            Forecast::Depends { .. } | Forecast::Broken { .. } => None,
        }
    }

    fn upstream(&self) -> Upstream<'_> {
        match self {
            Forecast::Hit { outputs, .. } => Upstream::Made(outputs),
            Forecast::Run { .. } | Forecast::Depends { .. } | Forecast::Broken { .. } => Upstream::Unknown,
        }
    }
}

/// What a run would do with each instance of `plan`.
///
/// # Errors
/// A store that fails.
pub fn forecast(plan: &Plan, store: &Store, history: &History, force: &BTreeSet<usize>) -> Result<Vec<Forecast>, StoreError> {
    let mut resolver = Resolver::new(plan, store);
    let mut all: Vec<Forecast> = Vec::with_capacity(plan.instances.len());
    for (index, instance) in plan.instances.iter().enumerate() {
        let upstream = |i: usize| all.get(i).map_or(Upstream::Unknown, Forecast::upstream);
        let next = match readiness(instance, upstream) {
            Readiness::Waiting(on) | Readiness::Blocked(on) => Forecast::Depends { on },
            Readiness::Ready => match resolver.resolve(instance, upstream) {
                Err(error) => Forecast::Broken { failed: error.into() },
                Ok(known) => look_up(known, force.contains(&index), history.past(&instance.id), store)?,
            },
        };
        all.push(next);
    }
    Ok(all)
}

fn look_up(resolved: Resolved, forced: bool, past: Option<&Past>, store: &Store) -> Result<Forecast, StoreError> {
    let resolved = Box::new(resolved);
    if forced {
        return Ok(Forecast::Run { resolved, reason: Reason::Forced });
    }
    if let Some(outputs) = store.outputs(&resolved.key)? {
        return Ok(Forecast::Hit { resolved, outputs });
    }
    Ok(Forecast::Run { reason: Reason::of(past, &resolved, store)?, resolved })
}
