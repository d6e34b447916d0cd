//! How an instance stands.

use schemars::JsonSchema;
use serde::Serialize;

use super::forecast::Forecast;
use super::history::Past;
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
