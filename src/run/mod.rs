//! Running a plan: the dispatcher owns all state and decides; workers, each a process of this same
//! executable, do the work and report; an [`Observer`] shows what happens.
//!
//! ```text
//! plan ─► Dispatcher ◄─ messages ─ Executor ─ starts ─► planish worker ─► stage or program
//!            │                                             │
//!            └─► Resolver (keys) ─► Store ◄─ publishes ────┘
//! ```

mod adoption;
mod brief;
mod budget;
mod contents;
mod dispatcher;
mod ending;
mod estimate;
mod event;
mod executor;
mod explanation;
mod forecast;
mod guard;
mod guess;
mod history;
mod host;
mod job;
mod live;
mod machine;
mod memo;
mod memory;
mod observer;
mod old_notes;
mod old_runs;
mod orphans;
mod outlook;
mod perform;
mod pool;
mod priority;
mod program;
mod provenance;
mod readiness;
mod reason;
mod record;
mod resolve;
mod settled;
mod signals;
mod slot;
mod sources;
mod standing;
mod throughput;
mod worker;
mod workplace;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::mpsc;

use planish_cache::StoreError;

use crate::plan::Plan;

pub use adoption::{AdoptError, Adoption, Adoptions, Mark, adopt, undo};
pub use budget::{Budget, Share, Total};
pub(crate) use dispatcher::allow_read_only;
pub use dispatcher::{Dispatcher, Message, RunOptions, RunResult, Surroundings};
pub use ending::exit;
pub use estimate::Estimate;
pub use event::{Event, Failed, FailureClass, Finished};
pub use executor::{Executor, Local, Report, Running, Tell};
pub use explanation::{Evidence, Explanation, Superseded};
pub use forecast::{Forecast, forecast};
pub use guard::guard;
pub use guess::{Earlier, Ground, Guess, guesses};
pub use history::{History, Past, Work};
pub use job::{Job, JobFiles, JobInput, JobLimits};
pub use live::{read_progress, telltales};
pub use machine::{cpu_features, gpus, memory, processors, seconds_since_1970};
pub use observer::{Notice, Observer};
pub use old_notes::OldNotes;
pub use old_runs::{OldRun, old_runs, remove_runs};
pub use outlook::{Prospect, prospects};
pub use perform::open_artifact;
pub use program::unknown_placeholder;
pub use provenance::Provenance;
pub use readiness::Upstream;
pub use reason::Reason;
pub use record::{InstanceRecord, RunRecord, State, find_log, latest_run, read_record};
pub use resolve::{ResolveError, Resolved, Resolver};
pub use settled::{Ended, Settled, note_path, settle};
pub use slot::Outcome;
pub use standing::Standing;
pub use throughput::{Basis, Rate, Throughput, Usual, keep_trials, now, read_throughput};
pub use worker::work;

/// Why a run could not be begun or ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Interrupts can't be watched for, so a run could not be ended in order.
    #[error("can't watch for interrupts: {0}")]
    Signals(std::io::Error),
}

/// Runs a plan to its end, or until the user interrupts it.
///
/// # Errors
/// A store that can't be written, or signals that can't be watched.
pub fn run<'a>(plan: &'a Plan, around: Surroundings<'a>, options: RunOptions) -> Result<RunResult, RunError> {
    let (sender, receiver) = mpsc::channel();
    let watch = signals::Watch::begin(sender.clone()).map_err(RunError::Signals)?;
    Ok(Dispatcher::new(plan, around, options, sender).stopped_by(watch.seen()).run(&receiver)?)
}
