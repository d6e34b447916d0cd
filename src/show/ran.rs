//! What was made: the answers of `run --json`, `report --json` and `init --json`.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::Template;
use crate::run::{Failed, Mark, Outcome, Reason, RunResult};

use super::summary::Summary;

/// What a run came to.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RunView<'a> {
    /// The run; null when nothing had to be recorded because every result was in the store.
    run: Option<&'a str>,
    /// The exit code.
    exit: u8,
    /// Whether the user ended it.
    interrupted: bool,
    /// How long it took, in seconds.
    seconds: f64,
    /// How many instances ended how.
    counts: CountsView,
    /// An entry for each instance of the plan, in its order.
    instances: Vec<EndView<'a>>,
    /// The pages that show results, written after a run that left nothing undone.
    pages: Vec<PageView>,
}

/// How many instances ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct CountsView {
    /// Their results were in the store.
    pub hit: usize,
    /// They ran and have results.
    pub done: usize,
    /// Another run made their results meanwhile.
    pub made_by_another_run: usize,
    /// They have no results.
    pub failed: usize,
    /// They need instances that have no results.
    pub blocked: usize,
    /// They were stopped while they ran.
    pub stopped: usize,
    /// The run ended before their turn.
    pub not_started: usize,
}

/// How an instance ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum End {
    /// Its result was in the store.
    Hit,
    /// It ran and has a result.
    Done,
    /// Another run made its result meanwhile.
    MadeByAnotherRun,
    /// It has no result.
    Failed,
    /// It needs an instance that has no result.
    Blocked,
    /// It was stopped while it ran.
    Stopped,
    /// The run ended before its turn.
    NotStarted,
}

/// How an instance ended, and why it ran.
#[derive(Debug, Serialize, JsonSchema)]
struct EndView<'a> {
    /// The instance.
    instance: &'a str,
    /// Its stage.
    stage: &'a str,
    /// Its stage kind.
    kind: &'a str,
    /// How it ended.
    state: End,
    /// Its key, in hexadecimal; null when it was not known.
    key: Option<String>,
    /// Why it ran; null when it did not.
    reason: Option<&'a Reason>,
    /// How long it took, in seconds; null unless this run made its result.
    seconds: Option<f64>,
    /// What went wrong.
    failure: Option<&'a Failed>,
    /// The instances without results that keep it from running.
    blocked_by: Vec<&'a str>,
    /// Something to know about the result.
    note: Option<&'a str>,
    /// Where its log is; null when it did not run.
    log: Option<String>,
    /// Whether its result was made by earlier code and adopted.
    adopted: bool,
    /// The adopted results that it was made from, by instance.
    rests_on: Vec<&'a str>,
}

/// A page that shows a result.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PageView {
    /// The file.
    pub path: String,
    /// What it shows, as text.
    pub text: String,
}

/// The pages that were written.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReportView {
    /// The pages.
    pub pages: Vec<PageView>,
}

/// The pipeline that was written.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InitView {
    /// The file.
    pub path: String,
    /// Which one it is.
    pub template: Template,
}

impl CountsView {
    /// The counts of a run.
    #[must_use]
    pub(super) fn of(outcomes: &[Outcome]) -> Self {
        let mut counts = CountsView::default();
        for outcome in outcomes {
            *match End::of(outcome) {
                End::Hit => &mut counts.hit,
                End::Done => &mut counts.done,
                End::MadeByAnotherRun => &mut counts.made_by_another_run,
                End::Failed => &mut counts.failed,
                End::Blocked => &mut counts.blocked,
                End::Stopped => &mut counts.stopped,
                End::NotStarted => &mut counts.not_started,
            } += 1;
        }
        counts
    }
}

impl End {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Hit { .. } => End::Hit,
            Outcome::Done { finished, .. } if finished.ran => End::Done,
            Outcome::Done { .. } => End::MadeByAnotherRun,
            Outcome::Failed { .. } => End::Failed,
            Outcome::Blocked { .. } => End::Blocked,
            Outcome::Stopped => End::Stopped,
            Outcome::NotStarted => End::NotStarted,
        }
    }
}

impl<'a> RunView<'a> {
    /// The view of a run that ends with `exit`; `recorded` says whether there is a record of it.
    #[must_use]
    pub fn new(summary: Summary<'a>, marks: &'a [Mark], recorded: bool, exit: u8) -> Self {
        let result: &RunResult = summary.result;
        let instances = (0..summary.plan.instances.len()).filter_map(|index| EndView::new(summary, marks.get(index), index));
        RunView {
            run: recorded.then_some(result.run.as_str()),
            exit,
            interrupted: result.interrupted,
            seconds: result.seconds,
            counts: CountsView::of(&result.outcomes),
            instances: instances.collect(),
            pages: Vec::new(),
        }
    }

    /// The same with the pages that were written.
    #[must_use]
    pub fn pages(mut self, pages: Vec<PageView>) -> Self {
        self.pages = pages;
        self
    }
}

impl<'a> EndView<'a> {
    fn new(summary: Summary<'a>, mark: Option<&'a Mark>, index: usize) -> Option<Self> {
        let (instance, outcome) = (summary.plan.instances.get(index)?, summary.result.outcomes.get(index)?);
        let log = summary.logs.get(index).filter(|log| log.is_file());
        let mut view = EndView {
            instance: &instance.id,
            stage: &instance.stage,
            kind: &instance.kind,
            state: End::of(outcome),
            key: summary.result.keys.get(index).copied().flatten().map(|key| key.to_string()),
            reason: None,
            seconds: None,
            failure: None,
            blocked_by: Vec::new(),
            note: None,
            log: log.map(|log| super::path(log)),
            adopted: mark.is_some_and(|mark| mark.own.is_some()),
            rests_on: mark.map(|mark| mark.rests_on.keys().map(String::as_str).collect()).unwrap_or_default(),
        };
        match outcome {
            Outcome::Done { finished, reason } => {
                view.reason = Some(reason);
                view.seconds = finished.ran.then_some(finished.seconds);
                view.note = finished.note.as_deref();
            }
            Outcome::Failed { failed, reason } => {
                view.failure = Some(failed);
                // One whose key can't be known never began.
                view.reason = Some(reason).filter(|reason| **reason != Reason::Unchanged);
            }
            Outcome::Blocked { by } => {
                view.blocked_by = by.iter().filter_map(|index| summary.plan.instances.get(*index)).map(|other| other.id.as_str()).collect();
            }
            Outcome::Hit { .. } | Outcome::Stopped | Outcome::NotStarted => {}
        }
        Some(view)
    }
}

impl PageView {
    /// The view of the page at `path`.
    #[must_use]
    pub fn new(path: &Path, text: &str) -> Self {
        PageView { path: super::path(path), text: text.to_owned() }
    }
}
