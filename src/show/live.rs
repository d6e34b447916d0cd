//! How a pipeline stands while it runs: what `planish serve` tells.

use std::collections::BTreeMap;

use planish_contract::Progress;
use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::Plan;
use crate::run::{Forecast, History, InstanceRecord, RunRecord, Standing, State};

/// How a pipeline stands.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct LiveView {
    /// The pipeline's name, or its file where it can't be read.
    pub pipeline: String,
    /// The profile that is laid over it.
    pub profile: Option<String>,
    /// What keeps the pipeline from being read, in words; the rest is empty then.
    pub problem: Option<String>,
    /// Its latest run.
    pub run: Option<LatestView>,
    /// An entry for each instance of the plan, in its order.
    pub instances: Vec<PresentView>,
    /// The report pages whose results are in the store, by name.
    pub pages: Vec<String>,
}

/// The latest run of a pipeline.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LatestView {
    /// Its name.
    run: String,
    /// When it began, RFC 3339.
    started: String,
    /// When it ended; null while it goes on, and when it was killed.
    ended: Option<String>,
    /// Its exit code.
    exit: Option<u8>,
    /// Whether it goes on.
    running: bool,
}

/// How an instance stands, or what a run that goes on does with it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PresentView {
    instance: String,
    stage: String,
    kind: String,
    state: Present,
    /// How long its result took, in seconds; null without a result.
    seconds: Option<f64>,
    /// How far it is; null unless it runs and has told.
    progress: Option<ProgressView>,
    /// What went wrong.
    message: Option<String>,
    /// Whether it has a log.
    log: bool,
}

/// How far an instance is.
#[derive(Debug, Serialize, JsonSchema)]
struct ProgressView {
    /// Units of work done.
    done: u64,
    /// Units of work in all; 0 when unknown.
    total: u64,
    /// A short text.
    text: String,
}

/// How an instance stands, or what a run that goes on does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Present {
    /// Its result is in the store.
    Fresh,
    /// Its result is made of something else than it would be made of now.
    Stale,
    /// It has no result.
    Missing,
    /// The last try failed.
    Failed,
    /// The run that goes on will come to it.
    Pending,
    /// It runs.
    Running,
    /// It needs an instance that failed.
    Blocked,
    /// It was stopped while it ran.
    Stopped,
}

impl From<Standing> for Present {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Fresh => Present::Fresh,
            Standing::Stale => Present::Stale,
            Standing::Missing => Present::Missing,
            Standing::Failed => Present::Failed,
        }
    }
}

impl From<State> for Present {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Present::Pending,
            State::Running => Present::Running,
            State::Hit | State::Done => Present::Fresh,
            State::Failed => Present::Failed,
            State::Blocked => Present::Blocked,
            State::Stopped => Present::Stopped,
        }
    }
}

impl LatestView {
    /// The view of a run.
    #[must_use]
    pub fn new(record: &RunRecord) -> Self {
        let running = record.goes_on();
        let RunRecord { run, started, ended, exit, .. } = record.clone();
        LatestView { run, started, ended, exit, running }
    }
}

/// What is known of the instances of a plan.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What a run would do with each instance.
    pub forecasts: &'a [Forecast],
    /// What happened before.
    pub history: &'a History,
    /// The run that goes on, if one does.
    pub run: Option<&'a RunRecord>,
    /// How far its instances are.
    pub progress: &'a BTreeMap<String, Progress>,
}

impl Known<'_> {
    /// The views of all instances.
    #[must_use]
    pub fn instances(&self) -> Vec<PresentView> {
        // A run of another profile has instances of the same names.
        let run = self.run.filter(|run| self.is_of_this_plan(run));
        (0..self.plan.instances.len()).filter_map(|index| self.instance(index, run)).collect()
    }

    fn instance(&self, index: usize, run: Option<&RunRecord>) -> Option<PresentView> {
        let (instance, forecast) = (self.plan.instances.get(index)?, self.forecasts.get(index)?);
        let past = self.history.past(&instance.id);
        let standing = Standing::of(forecast, past);
        let record: Option<&InstanceRecord> = run.and_then(|run| run.instances.get(&instance.id));
        // What is in the store is there, whatever the run has come to yet.
        let state = record.filter(|_| standing != Standing::Fresh).map_or(standing.into(), |record| record.state.into());
        let failure = past.and_then(|past| past.failure.as_ref()).filter(|_| state == Present::Failed);
        let message = record.and_then(|record| record.message.clone()).or_else(|| failure.map(|failed| failed.message.clone()));
        let progress = self.progress.get(&instance.id).filter(|_| state == Present::Running);
        let seconds = record.and_then(|record| record.seconds).or_else(|| past.and_then(|past| past.seconds));
        Some(PresentView {
            instance: instance.id.clone(),
            stage: instance.stage.clone(),
            kind: instance.kind.clone(),
            state,
            seconds: seconds.filter(|_| state == Present::Fresh),
            progress: progress.map(|told| ProgressView { done: told.done, total: told.total, text: told.text.clone() }),
            message,
            log: record.is_some_and(|record| record.log.is_some()) || past.is_some_and(|past| past.log.is_some()),
        })
    }

    fn is_of_this_plan(&self, run: &RunRecord) -> bool {
        self.plan.instances.iter().zip(self.forecasts).all(|(instance, forecast)| {
            let then = run.instances.get(&instance.id).and_then(|record| record.key);
            forecast.key().zip(then).is_none_or(|(now, then)| now == then)
        })
    }
}
