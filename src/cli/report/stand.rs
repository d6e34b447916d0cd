//! How the instances of a pipeline stand, as its pages show it.

use std::collections::BTreeMap;

use planish_cache::{Digest, Key};

use crate::cli::error::CommandError;
use crate::cli::open::Opened;
use crate::plan::Instance;
use crate::run::{Forecast, Outcome, RunResult, Standing};

/// How an instance stands.
pub(super) struct Stand {
    pub(super) standing: Standing,
    /// The key of its result, or of its last one.
    pub(super) key: Option<Key>,
    /// Its outputs, if its result is in the store.
    pub(super) outputs: Option<BTreeMap<String, Digest>>,
}

/// How every instance stands.
pub(super) fn stands(opened: &Opened, forecasts: &[Forecast]) -> Vec<Stand> {
    let stand = |(instance, forecast): (&Instance, &Forecast)| {
        let past = opened.history.past(&instance.id);
        let standing = Standing::of(forecast, past);
        match forecast {
            Forecast::Hit { resolved, outputs } => Stand { standing, key: Some(resolved.key), outputs: Some(outputs.clone()) },
            _ => Stand { standing, key: past.and_then(|past| past.key), outputs: None },
        }
    };
    opened.plan.instances.iter().zip(forecasts).map(stand).collect()
}

/// Where instances failed, what depends on them stays open, although a report that goes on without them may have been made: those that are
/// open stand with the outputs of their last result.
pub(super) fn with_last_results(opened: &Opened, mut stands: Vec<Stand>) -> Result<Vec<Stand>, CommandError> {
    if !stands.iter().any(|stand| stand.standing == Standing::Failed) {
        return Ok(stands);
    }
    for stand in stands.iter_mut().filter(|stand| stand.outputs.is_none() && stand.standing != Standing::Failed) {
        let entry = stand.key.map(|key| opened.store.peek(&key)).transpose()?.flatten();
        stand.outputs = entry.map(|entry| entry.outputs);
    }
    Ok(stands)
}

/// How every instance stands after a run.
pub(super) fn stands_after(opened: &Opened, result: &RunResult) -> Vec<Stand> {
    let stand = |(instance, (outcome, key)): (&Instance, (&Outcome, &Option<Key>))| {
        let before = opened.history.past(&instance.id).and_then(|past| past.key);
        let (standing, key) = match outcome {
            Outcome::Hit { .. } | Outcome::Done { .. } => (Standing::Fresh, *key),
            Outcome::Failed { .. } => (Standing::Failed, before),
            Outcome::Blocked { .. } | Outcome::Stopped | Outcome::NotStarted if before.is_some() => (Standing::Stale, before),
            Outcome::Blocked { .. } | Outcome::Stopped | Outcome::NotStarted => (Standing::Missing, None),
        };
        Stand { standing, key, outputs: outcome.outputs().cloned() }
    };
    opened.plan.instances.iter().zip(result.outcomes.iter().zip(&result.keys)).map(stand).collect()
}
