//! Who watches a run.

use std::path::Path;
use std::time::Duration;

use planish_contract::Progress;

use super::event::Failed;
use super::reason::Reason;
use super::slot::Outcome;

/// Something that happens in a run. Instances are named by their index in the plan.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// An instance asks for more than there is.
    Clamped {
        /// The instance.
        instance: usize,
        /// What was cut.
        message: &'a str,
    },
    /// Many files from outside are being read.
    Reading {
        /// The instance whose key they enter.
        instance: usize,
        /// How many were read.
        done: usize,
        /// How many there are.
        total: usize,
    },
    /// A worker was started.
    Started {
        /// The instance.
        instance: usize,
        /// Why it runs.
        reason: &'a Reason,
    },
    /// A worker waits for another run that makes the same result.
    Waiting {
        /// The instance.
        instance: usize,
    },
    /// An instance failed in a way that may not be one the next time, and will be tried again.
    Retry {
        /// The instance.
        instance: usize,
        /// How it failed.
        failed: &'a Failed,
        /// How long until then.
        pause: Duration,
        /// Which try that will be (from 1), of how many.
        attempt: (u32, u32),
    },
    /// How far a running instance is.
    Progress {
        /// The instance.
        instance: usize,
        /// How far.
        progress: &'a Progress,
    },
    /// Nothing more happens to an instance.
    Over {
        /// The instance.
        instance: usize,
        /// How it ended.
        outcome: &'a Outcome,
        /// Its log, if it ran.
        log: Option<&'a Path>,
    },
    /// The store noticed something and dealt with it.
    Store {
        /// What it noticed.
        message: &'a str,
    },
    /// The run was asked to stop; workers are ending in order.
    Stopping,
    /// The run was asked again: workers are ended at once.
    Killing,
}

/// Who watches a run.
pub trait Observer {
    /// Takes note.
    fn notice(&mut self, notice: Notice<'_>);
}
