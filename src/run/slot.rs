//! Where each instance of a run stands.

use std::collections::BTreeMap;
use std::time::Instant;

use planish_cache::Digest;

use super::budget::Share;
use super::event::{Failed, Finished};
use super::executor::Running;
use super::readiness::Upstream;
use super::reason::Reason;
use super::resolve::Resolved;

/// Where an instance stands.
pub(super) enum Slot {
    /// It waits for others.
    Pending,
    /// All it takes is known, and its result is not in the store.
    Ready(Box<Todo>),
    /// Its worker runs.
    Running(Box<Active>),
    /// Nothing more happens to it in this run.
    Over(Outcome),
}

/// Work to be done.
pub(super) struct Todo {
    pub(super) resolved: Resolved,
    pub(super) reason: Reason,
    /// How often it failed in this run.
    pub(super) failures: u32,
    /// How it failed last, if it did.
    pub(super) last: Option<Failed>,
}

/// Work being done.
pub(super) struct Active {
    pub(super) todo: Box<Todo>,
    pub(super) worker: Box<dyn Running>,
    pub(super) share: Share,
    /// When it will have ended, if it takes as long as the last time.
    pub(super) ends: Option<Instant>,
    /// Why the engine ended the worker, if it did.
    pub(super) overrun: Option<Failed>,
    /// What the worker said last about its result.
    pub(super) result: Option<Result<Finished, Failed>>,
}

/// How an instance ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Its result was in the store.
    Hit {
        /// Output name → digest.
        outputs: BTreeMap<String, Digest>,
    },
    /// Its worker made the result, or found that another run had just made it.
    Done {
        /// What the worker told.
        finished: Finished,
        /// Why it ran.
        reason: Reason,
    },
    /// It has no result.
    Failed {
        /// What happened.
        failed: Failed,
        /// Why it ran.
        reason: Reason,
    },
    /// It needs instances that have no result.
    Blocked {
        /// Their indices in the plan.
        by: Vec<usize>,
    },
    /// It was asked to stop while it ran.
    Stopped,
    /// The run ended before its turn.
    NotStarted,
}

impl Outcome {
    /// Output name → digest, where there is a result.
    #[must_use]
    pub fn outputs(&self) -> Option<&BTreeMap<String, Digest>> {
        match self {
            Outcome::Hit { outputs } => Some(outputs),
            Outcome::Done { finished, .. } => Some(&finished.outputs),
            Outcome::Failed { .. } | Outcome::Blocked { .. } | Outcome::Stopped | Outcome::NotStarted => None,
        }
    }
}

impl Slot {
    /// What instances that take from this one may know.
    pub(super) fn upstream(&self) -> Upstream<'_> {
        match self {
            Slot::Over(Outcome::Hit { outputs }) => Upstream::Made(outputs),
            Slot::Over(Outcome::Done { finished, .. }) => Upstream::Made(&finished.outputs),
            Slot::Over(Outcome::Failed { .. } | Outcome::Blocked { .. }) => Upstream::Absent,
            Slot::Over(Outcome::Stopped | Outcome::NotStarted) | Slot::Pending | Slot::Ready(_) | Slot::Running(_) => Upstream::Unknown,
        }
    }

    /// How the instance ended.
    pub(super) fn outcome(self) -> Option<Outcome> {
        match self {
            Slot::Over(outcome) => Some(outcome),
            Slot::Pending | Slot::Ready(_) | Slot::Running(_) => None,
        }
    }
}
