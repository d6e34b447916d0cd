//! How an instance stands, and why: `status` and `why`.

use std::collections::BTreeSet;

use planish_cache::{Store, StoreError};
use schemars::JsonSchema;
use serde::Serialize;

use crate::key::Difference;
use crate::plan::{Instance, Plan};

use super::event::Failed;
use super::forecast::Forecast;
use super::history::{History, Past};
use super::reason::Reason;

/// How an instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Its result is in the store.
    Fresh,
    /// It has a result, made of something else than what it would be made of now.
    Stale,
    /// It has no result.
    Missing,
    /// It has no result, and the last try failed.
    Failed,
}

impl Standing {
    /// How an instance stands of which a run would do this, after that past.
    #[must_use]
    pub fn of(forecast: &Forecast, past: Option<&Past>) -> Self {
        match (forecast, past) {
            (Forecast::Hit { .. }, _) => Standing::Fresh,
            (_, Some(past)) if past.failure.is_some() => Standing::Failed,
            (Forecast::Run { reason: Reason::Lost, .. }, _) => Standing::Missing,
            (_, Some(past)) if past.key.is_some() => Standing::Stale,
            _ => Standing::Missing,
        }
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Fresh => "fresh",
            Standing::Stale => "stale",
            Standing::Missing => "missing",
            Standing::Failed => "failed",
        }
    }
}

/// Why an instance stands as it does, down to the first cause.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Explanation {
    /// The instance.
    pub instance: String,
    /// How it stands.
    pub standing: Standing,
    /// Why it has to run; or, when it is fresh, why its result is another than the one before.
    pub reason: Option<Reason>,
    /// The run that last worked on it.
    pub run: Option<String>,
    /// What went wrong when it was last tried.
    pub failure: Option<Failed>,
    /// The instances that it takes from and that are part of the reason.
    pub causes: Vec<Explanation>,
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
    /// Why the instance with this index stands as it does; `None` when there is none.
    ///
    /// # Errors
    /// A store that fails.
    pub fn explain(&self, index: usize) -> Result<Option<Explanation>, StoreError> {
        self.explain_once(index, &mut BTreeSet::new())
    }

    /// Explains each instance with its causes only once, so that the whole stays small.
    fn explain_once(&self, index: usize, seen: &mut BTreeSet<usize>) -> Result<Option<Explanation>, StoreError> {
        let (Some(instance), Some(forecast)) = (self.plan.instances.get(index), self.forecasts.get(index)) else { return Ok(None) };
        let past = self.history.past(&instance.id);
        let reason = self.reason(forecast, past)?;
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
        Ok(Some(Explanation {
            instance: instance.id.clone(),
            standing: Standing::of(forecast, past),
            reason,
            run: past.and_then(|past| past.run.clone()),
            failure,
            causes,
        }))
    }

    fn reason(&self, forecast: &Forecast, past: Option<&Past>) -> Result<Option<Reason>, StoreError> {
        match (forecast, past) {
            (Forecast::Run { reason, .. }, _) => Ok(Some(reason.clone())),
            (Forecast::Hit { resolved, .. }, Some(past)) if past.key == Some(resolved.key) => Ok(past.reason.clone()),
            // An earlier result that fits again, without a run in between.
            (Forecast::Hit { resolved, .. }, Some(past)) if past.key.is_some() => Reason::of(Some(past), resolved, self.store).map(Some),
            (Forecast::Hit { .. } | Forecast::Depends { .. } | Forecast::Broken { .. }, _) => Ok(None),
        }
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
