//! What a worker tells its engine, one JSON line at a time.

use std::collections::BTreeMap;

use planish_cache::{Digest, StoreError};
use planish_contract::{Failure, Progress};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that happened to an instance while its worker ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Another run is making the same result; this one waits for it.
    Waiting,
    /// The wait for the other run is over.
    Working,
    /// How far the stage is.
    Progress(Progress),
    /// The result is in the store.
    Finished(Finished),
    /// There is no result.
    Failed(Failed),
    /// The worker left nothing behind and takes another job; it has told how the last one ended.
    Idle,
}

/// The result of an instance is in the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Output name → digest of its manifest, as the store has it now.
    pub outputs: BTreeMap<String, Digest>,
    /// Whether this worker did the work (otherwise another run did, in the meantime).
    pub ran: bool,
    /// How long the stage took, in seconds.
    pub seconds: f64,
    /// Something that the user should know about the result.
    pub note: Option<String>,
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failed {
    /// Whose fault it is.
    pub class: FailureClass,
    /// What happened, as a lowercase fragment.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether trying again may help: after a crash, a time limit or an exit code, not after a mistake of the user.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub transient: bool,
}

/// Whose fault a failure is: decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureClass {
    /// The stage, its parameters or its inputs.
    Stage,
    /// It was asked to stop, and did.
    Stopped,
    /// The store could not be read or written.
    Store,
    /// A mistake of planish itself.
    Internal,
}

impl Failed {
    /// A failure of the stage itself.
    pub fn stage(message: impl Into<String>) -> Self {
        Failed { class: FailureClass::Stage, message: message.into(), hint: None, transient: false }
    }

    /// A mistake of planish itself.
    pub fn internal(message: impl Into<String>) -> Self {
        Failed { class: FailureClass::Internal, message: message.into(), hint: None, transient: false }
    }

    /// The same failure, which may not be one the next time.
    #[must_use]
    pub fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    /// The same failure with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        let class = match error {
            // What was to be stored is at fault, not the store.
            StoreError::Refused { .. } | StoreError::Changed { .. } | StoreError::Invalid(_) => FailureClass::Stage,
            _ => FailureClass::Store,
        };
        Failed { class, message: error.to_string(), hint: error.hint().map(str::to_owned), transient: false }
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        let class = match failure {
            Failure::Stopped => FailureClass::Stopped,
            Failure::Internal(_) => FailureClass::Internal,
            Failure::Input { .. } | Failure::Diverged(_) | Failure::Io { .. } => FailureClass::Stage,
        };
        let transient = matches!(failure, Failure::Io { .. });
        Failed { class, message: failure.to_string(), hint: failure.hint().map(str::to_owned), transient }
    }
}

/// One line from a worker: the tag keeps events apart from whatever else a program may print.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    planish_event: Event,
}

impl Event {
    /// The event as one line, without its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        let line = Line { planish_event: self.clone() };
        // Maps with string keys and plain values always serialise.
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// Reads what [`Event::to_line`] wrote; `None` for any other line.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Event> {
        if !line.starts_with("{\"planish_event\":") {
            return None;
        }
        serde_json::from_str::<Line>(line).ok().map(|line| line.planish_event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back_from_their_line() {
        let events = [
            Event::Waiting,
            Event::Progress(Progress { done: 1, total: 2, text: "epoch 1\nof 2".to_owned() }),
            Event::Finished(Finished { outputs: BTreeMap::new(), ran: true, seconds: 0.25, note: None }),
            Event::Failed(Failed::stage("no such file").hint("make one")),
        ];
        for event in events {
            let line = event.to_line();
            assert!(!line.contains('\n'));
            assert_eq!(Event::from_line(&line), Some(event));
        }
    }

    #[test]
    fn other_lines_are_not_events() {
        for line in ["", "hello", "{}", "{\"planish_event\":", "{\"planish_event\":{\"other\":1}}"] {
            assert_eq!(Event::from_line(line), None);
        }
    }

    #[test]
    fn a_stopped_stage_is_no_failure_of_the_stage() {
        assert_eq!(Failed::from(Failure::Stopped).class, FailureClass::Stopped);
        let failed = Failed::from(Failure::input_hint("bad", "fix it"));
        assert_eq!((failed.class, failed.hint.as_deref()), (FailureClass::Stage, Some("fix it")));
    }
}
