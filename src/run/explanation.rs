//! Why instances stand as they do, down to the first cause: `why`.

use std::collections::{BTreeMap, BTreeSet};

use planish_cache::{Entry, Key, Store, StoreError};
use schemars::JsonSchema;
use serde::Serialize;

use crate::key::{Change, Difference, KeyParts};
use crate::plan::{Instance, Plan};

use super::event::Failed;
use super::forecast::Forecast;
use super::history::{History, Past};
use super::provenance::Provenance;
use super::reason::Reason;
use super::resolve::Resolver;
use super::standing::Standing;

/// Why an instance stands as it does, down to the first cause.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Explanation {
    /// The instance.
    pub instance: String,
    /// How it stands.
    pub standing: Standing,
    /// The key that it has now, in hexadecimal; null when it depends on results that are not there.
    pub key: Option<String>,
    /// Why it has to run; or, when it is fresh, why its result is another than the one before.
    pub reason: Option<Reason>,
    /// The run that made its result, when it is fresh; otherwise the run that last worked on it.
    pub run: Option<String>,
    /// What went wrong when it was last tried.
    pub failure: Option<Failed>,
    /// The earlier result that is not the one of now.
    pub superseded: Option<Superseded>,
    /// The instances that it takes from and that are part of the reason.
    pub causes: Vec<Explanation>,
}

/// An earlier result of an instance, made under another key, that the store still knows.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Superseded {
    /// Its key, in hexadecimal.
    pub key: String,
    /// The run that made it.
    pub run: String,
    /// When, RFC 3339.
    pub made: String,
    /// Whether another pipeline file or profile made it: then it is the newest result in the store of an instance of that name.
    pub foreign: bool,
    /// What is not what it was, where `reason` does not tell: inputs that are not made yet can't be compared.
    pub differences: Vec<Difference>,
}

/// Everything that an explanation is made from.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What a run would do with each instance.
    pub forecasts: &'a [Forecast],
    /// What happened before.
    pub history: &'a History,
    /// The store.
    pub store: &'a Store,
}

impl Evidence<'_> {
    /// Why the instances with these indices stand as they do.
    ///
    /// # Errors
    /// A store that fails.
    pub fn explain(&self, indices: impl IntoIterator<Item = usize>) -> Result<Vec<Explanation>, StoreError> {
        let mut inquiry = Inquiry { evidence: *self, resolver: Resolver::new(self.plan, self.store), newest: None };
        let mut list = Vec::new();
        for index in indices {
            list.extend(inquiry.explain_once(index, &mut BTreeSet::new())?);
        }
        Ok(list)
    }
}

/// Explanations being made.
struct Inquiry<'a> {
    evidence: Evidence<'a>,
    resolver: Resolver<'a>,
    /// Instance → kind, time and key of its newest result in the store, once somebody asked.
    newest: Option<BTreeMap<String, (String, String, Key)>>,
}

impl Inquiry<'_> {
    /// Explains each instance with its causes only once, so that the whole stays small.
    fn explain_once(&mut self, index: usize, seen: &mut BTreeSet<usize>) -> Result<Option<Explanation>, StoreError> {
        let Evidence { plan, forecasts, history, store } = self.evidence;
        let (Some(instance), Some(forecast)) = (plan.instances.get(index), forecasts.get(index)) else { return Ok(None) };
        let past = history.past(&instance.id);
        let reason = reason(forecast, past, store)?;
        let mut causes = Vec::new();
        if seen.insert(index) {
            for cause in causes_of(instance, forecast, reason.as_ref()) {
                causes.extend(self.explain_once(cause, seen)?);
            }
        }
        let failure = match forecast {
            Forecast::Broken { failed } => Some(failed.clone()),
            _ => past.and_then(|past| past.failure.clone()),
        };
        let run = match forecast {
            Forecast::Hit { resolved, .. } => store.peek(&resolved.key)?.map(|entry| Provenance::read(&entry.provenance).run),
            _ => past.and_then(|past| past.run.clone()),
        };
        Ok(Some(Explanation {
            instance: instance.id.clone(),
            standing: Standing::of(forecast, past),
            key: forecast.key().map(|key| key.to_string()),
            run: run.filter(|run| !run.is_empty()),
            superseded: self.superseded(instance, forecast, reason.as_ref())?,
            reason,
            failure,
            causes,
        }))
    }

    /// The earlier result of an instance that has none under its key of now.
    fn superseded(&mut self, instance: &Instance, forecast: &Forecast, reason: Option<&Reason>) -> Result<Option<Superseded>, StoreError> {
        if matches!(forecast, Forecast::Hit { .. } | Forecast::Broken { .. }) {
            return Ok(None);
        }
        let store = self.evidence.store;
        let own = self.evidence.history.past(&instance.id).and_then(|past| past.key);
        let key = match own {
            Some(key) => Some(key),
            None => self.newest(instance)?,
        };
        let Some(key) = key.filter(|key| forecast.key() != Some(*key)) else { return Ok(None) };
        let Some(entry) = store.peek(&key)? else { return Ok(None) };
        let differences =
            if matches!(reason, Some(Reason::Changed(_))) { Vec::new() } else { self.differences(instance, forecast, &entry) };
        let Provenance { run, ended, .. } = Provenance::read(&entry.provenance);
        Ok(Some(Superseded { key: key.to_string(), run, made: ended, foreign: own.is_none(), differences }))
    }

    /// What is not what it was when `entry` was made, as far as it is known.
    fn differences(&mut self, instance: &Instance, forecast: &Forecast, entry: &Entry) -> Vec<Difference> {
        let recall = |now: &KeyParts| KeyParts::recall(entry.parts.clone(), now, self.evidence.store);
        if let Forecast::Run { resolved, .. } = forecast {
            return recall(&resolved.parts).map(|old| old.differences(&resolved.parts)).unwrap_or_default();
        }
        let Ok(known) = self.resolver.without_inputs(instance) else { return Vec::new() };
        let Some(mut old) = recall(&known) else { return Vec::new() };
        old.inputs.clear();
        // Members that an input names are not known without it.
        let is_known = |difference: &Difference| !matches!(difference, Difference::Code { change: Change::Removed, .. });
        old.differences(&known).into_iter().filter(is_known).collect()
    }

    /// The key of the newest result that the store has of an instance of that name and kind.
    fn newest(&mut self, instance: &Instance) -> Result<Option<Key>, StoreError> {
        if self.newest.is_none() {
            let mut newest: BTreeMap<String, (String, String, Key)> = BTreeMap::new();
            for entry in self.evidence.store.entries()? {
                let entry = entry?;
                let made = Provenance::read(&entry.provenance).ended;
                if newest.get(&entry.instance).is_none_or(|(_, latest, _)| *latest < made) {
                    newest.insert(entry.instance, (entry.kind, made, entry.key));
                }
            }
            self.newest = Some(newest);
        }
        let found = self.newest.as_ref().and_then(|newest| newest.get(&instance.id));
        Ok(found.filter(|(kind, ..)| *kind == instance.kind).map(|(_, _, key)| *key))
    }
}

fn reason(forecast: &Forecast, past: Option<&Past>, store: &Store) -> Result<Option<Reason>, StoreError> {
    match (forecast, past) {
        (Forecast::Run { reason, .. }, _) => Ok(Some(reason.clone())),
        (Forecast::Hit { resolved, .. }, Some(past)) if past.key == Some(resolved.key) => Ok(past.reason.clone()),
        // An earlier result that fits again, without a run in between.
        (Forecast::Hit { resolved, .. }, Some(past)) if past.key.is_some() => Reason::of(Some(past), resolved, store).map(Some),
        (Forecast::Hit { .. } | Forecast::Depends { .. } | Forecast::Broken { .. }, _) => Ok(None),
    }
}

/// The instances that are part of the reason.
fn causes_of(instance: &Instance, forecast: &Forecast, reason: Option<&Reason>) -> Vec<usize> {
    if let Forecast::Depends { on } = forecast {
        return on.clone();
    }
    let Some(Reason::Changed(differences)) = reason else { return Vec::new() };
    let mut causes = Vec::new();
    for difference in differences {
        let Difference::Input { name, place, .. } = difference else { continue };
        for input in instance.inputs.iter().filter(|input| input.name == *name) {
            let at_place = input.sources.iter().filter(|source| place.as_ref().is_none_or(|place| *place == label(&source.coordinates)));
            causes.extend(at_place.map(|source| source.instance));
        }
    }
    causes.sort_unstable();
    causes.dedup();
    causes
}

/// A place as [`Difference::Input`] writes it.
fn label(coordinates: &planish_contract::Coordinates) -> String {
    coordinates.iter().map(|(axis, coordinate)| format!("{axis}={}", coordinate.label)).collect::<Vec<_>>().join(",")
}
