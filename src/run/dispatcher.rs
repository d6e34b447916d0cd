//! The run itself: one owner of all state, told by messages what its workers and the user do.

mod alarms;
mod decide;
mod finish;
mod limits;
mod pace;
mod queue;
mod reservation;
mod start;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Instant;

use planish_cache::{Digest, Key, PlanRoot, Store, StoreError};

use crate::plan::Plan;

use self::alarms::Alarms;
pub(crate) use self::decide::allow_read_only;
use self::pace::Pace;
use super::adoption::Adoptions;
use super::budget::{Budget, Total};
use super::ending;
use super::event::{Event, Failed};
use super::executor::{Executor, Report};
use super::history::History;
use super::observer::{Notice, Observer};
use super::priority;
use super::record::Recorder;
use super::resolve::Resolver;
use super::slot::{Outcome, Slot};
use queue::Queue;

/// How to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// What the machine has to give.
    pub total: Total,
    /// Stop the run at the first failure.
    pub fail_fast: bool,
    /// Instances that run even if their result is there.
    pub force: BTreeSet<usize>,
    /// Whether stages may use the memo of sub-results.
    pub memo: bool,
}

/// What a dispatcher is told.
#[derive(Debug)]
pub enum Message {
    /// Something about the worker of an instance.
    Worker(usize, Report),
    /// The user wants the run to end.
    Signal,
}

/// What a run comes to.
#[derive(Debug)]
pub struct RunResult {
    /// The run's name.
    pub run: String,
    /// How each instance of the plan ended.
    pub outcomes: Vec<Outcome>,
    /// The key of each instance, where it is known.
    pub keys: Vec<Option<Key>>,
    /// Pattern → the digest of the list of its files, as they entered keys; `None` where they changed in between.
    pub files: BTreeMap<String, Option<Digest>>,
    /// The seconds it took.
    pub seconds: f64,
    /// Whether the user ended it.
    pub interrupted: bool,
}

/// How far the end of a run was ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    No,
    Stopping,
    Killing,
}

/// What a run works with.
pub struct Surroundings<'a> {
    /// The store.
    pub store: &'a Store,
    /// Where workers run.
    pub executor: &'a dyn Executor,
    /// Who watches.
    pub observer: &'a mut dyn Observer,
    /// What happened before.
    pub history: &'a mut History,
    /// Where it is kept which results the plan reaches, so that they are not collected.
    pub root: Option<&'a mut PlanRoot>,
}

/// The owner of a run's state.
pub struct Dispatcher<'a> {
    plan: &'a Plan,
    around: Surroundings<'a>,
    options: RunOptions,
    resolver: Resolver<'a>,
    recorder: Recorder<'a>,
    adoptions: Adoptions,
    slots: Vec<Slot>,
    keys: Vec<Option<Key>>,
    queue: Queue,
    pace: Pace,
    budget: Budget,
    alarms: Alarms,
    /// How long each instance took the last time.
    seconds: Vec<Option<f64>>,
    /// Whether an instance asks for GPUs: then the others see none.
    assigns_gpus: bool,
    ending: Ending,
    interrupted: bool,
    /// Whether there are results that may not be on the disk yet.
    unsynced: bool,
    sender: Sender<Message>,
}

impl<'a> Dispatcher<'a> {
    /// A run of `plan`; messages sent to `sender` must come out of the receiver that [`Dispatcher::run`] is given.
    #[must_use]
    pub fn new(plan: &'a Plan, around: Surroundings<'a>, options: RunOptions, sender: Sender<Message>) -> Self {
        let store = around.store;
        let seconds: Vec<_> = plan.instances.iter().map(|i| around.history.past(&i.id).and_then(|past| past.seconds)).collect();
        Dispatcher {
            plan,
            resolver: Resolver::new(plan, store),
            recorder: Recorder::begin(store, &plan.name, plan.instances.iter().map(|instance| instance.id.as_str())),
            keys: vec![None; plan.instances.len()],
            adoptions: Adoptions::load(store),
            slots: plan.instances.iter().map(|_| Slot::Pending).collect(),
            queue: Queue::new(plan, priority::remaining(plan, &seconds)),
            pace: Pace::default(),
            budget: Budget::new(options.total.clone()),
            alarms: Alarms::default(),
            assigns_gpus: !options.total.gpus.is_empty() && plan.instances.iter().any(|instance| instance.resources.gpus > 0),
            seconds,
            ending: Ending::No,
            interrupted: false,
            unsynced: false,
            sender,
            around,
            options,
        }
    }

    /// Reading files from outside, which may take minutes, ends when `seen` is set, after a message that says why.
    #[must_use]
    pub(super) fn stopped_by(mut self, seen: Arc<AtomicBool>) -> Self {
        self.resolver = self.resolver.stopped_by(seen);
        self
    }

    /// A run by an executable with this code.
    #[cfg(test)]
    pub(super) fn with_fingerprints(mut self, fingerprints: crate::fingerprint::Fingerprints<'a>) -> Self {
        self.resolver = self.resolver.with_fingerprints(fingerprints);
        self
    }

    /// Runs to the end. Only a store that can't be written ends it early; then workers that still run are killed.
    ///
    /// # Errors
    /// A store that can't be written.
    pub fn run(mut self, messages: &Receiver<Message>) -> Result<RunResult, StoreError> {
        let clock = Instant::now();
        let ended = self.until_over(messages);
        if ended.is_err() {
            self.kill_all();
        }
        ended?;
        for slot in &mut self.slots {
            if matches!(slot, Slot::Pending | Slot::Ready(_)) {
                *slot = Slot::Over(Outcome::NotStarted);
            }
        }
        self.sync_results()?;
        let saved = self.around.history.save(self.around.store);
        // Where nothing ran, nothing has to be written: a store that can only be read will do.
        if self.recorder.has_news() || self.recorder.has_begun() {
            saved?;
        }
        let outcomes: Vec<Outcome> = self.slots.into_iter().filter_map(Slot::outcome).collect();
        let result = RunResult {
            run: self.recorder.record.run.clone(),
            seconds: clock.elapsed().as_secs_f64(),
            interrupted: self.interrupted,
            keys: self.keys,
            files: self.resolver.files_read().clone(),
            outcomes,
        };
        self.recorder.end(ending::exit(&result).code())?;
        Ok(result)
    }

    fn until_over(&mut self, messages: &Receiver<Message>) -> Result<(), StoreError> {
        loop {
            while let Ok(message) = messages.try_recv() {
                self.take(message)?;
            }
            self.keep_limits();
            self.try_again()?;
            if self.ending == Ending::No {
                if !self.settle()? {
                    continue;
                }
                self.start_ready()?;
            }
            if self.queue.running() == 0 {
                return Ok(());
            }
            self.write_if_due()?;
            // From here on it may take long: a collection beside this run goes by what was written down.
            self.around.store.settle()?;
            // The dispatcher holds a sender itself, so this never fails for want of one.
            let writing = self.recorder.has_news().then(|| self.pace.pause());
            let message = match [writing, self.alarms.pause(Instant::now())].into_iter().flatten().min() {
                Some(pause) => match messages.recv_timeout(pause) {
                    Err(RecvTimeoutError::Timeout) => continue,
                    received => received.ok(),
                },
                None => messages.recv().ok(),
            };
            let Some(message) = message else { return Ok(()) };
            self.take(message)?;
        }
    }

    fn take(&mut self, message: Message) -> Result<(), StoreError> {
        match message {
            Message::Signal => {
                self.interrupted = true;
                self.end_more();
                Ok(())
            }
            Message::Worker(index, Report::Event(event)) => {
                self.event(index, event);
                Ok(())
            }
            Message::Worker(index, Report::Exited(status)) => self.exited(index, &ending::of_status(status)),
            Message::Worker(index, Report::Lost(error)) => self.exited(index, &Failed::internal(format!("the worker was lost: {error}"))),
        }
    }

    fn event(&mut self, instance: usize, event: Event) {
        let Some(Slot::Running(active)) = self.slots.get_mut(instance) else { return };
        match event {
            Event::Waiting => {
                self.alarms.rest(instance);
                self.around.observer.notice(Notice::Waiting { instance });
            }
            Event::Working => self.watch_time(instance),
            Event::Progress(progress) => {
                if let Some(known) = self.plan.instances.get(instance) {
                    self.recorder.progress(&known.id, &progress);
                }
                self.around.observer.notice(Notice::Progress { instance, progress: &progress });
            }
            Event::Finished(finished) => active.result = Some(Ok(finished)),
            Event::Failed(failed) => active.result = Some(Err(failed)),
            // Executors keep this to themselves.
            Event::Idle => {}
        }
    }

    fn set(&mut self, index: usize, slot: Slot) {
        drop(self.replace(index, slot));
    }

    fn replace(&mut self, index: usize, slot: Slot) -> Option<Slot> {
        self.slots.get_mut(index).map(|place| std::mem::replace(place, slot))
    }
}
