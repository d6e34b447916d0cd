//! Ending instances, and the run.

use planish_cache::{Key, StoreError};
use planish_contract::Failure;

use super::{Dispatcher, Ending};
use crate::run::ending;
use crate::run::event::{Failed, FailureClass};
use crate::run::history::Work;
use crate::run::observer::Notice;
use crate::run::slot::{Active, Outcome, Slot};

impl Dispatcher<'_> {
    /// A worker is gone; `silent` is what that means if it told nothing.
    pub(super) fn exited(&mut self, index: usize, silent: &Failed) -> Result<(), StoreError> {
        let Some(Slot::Running(active)) = self.replace(index, Slot::Pending) else { return Ok(()) };
        let Active { todo, share, result, overrun, .. } = *active;
        self.budget.give_back(share);
        self.alarms.forget(index);
        let failed = match (result, overrun) {
            (Some(Ok(finished)), _) => {
                return self.finish(index, Outcome::Done { finished, reason: todo.reason }, todo.resolved.key);
            }
            (_, Some(overrun)) => overrun,
            (Some(Err(failed)), None) => failed,
            (None, None) if self.ending == Ending::Killing => Failure::Stopped.into(),
            (None, None) => silent.clone(),
        };
        if failed.class == FailureClass::Stopped && self.ending != Ending::No {
            return self.finish(index, Outcome::Stopped, todo.resolved.key);
        }
        if let Some(pause) = self.pause_after(index, &todo, &failed) {
            self.put_off(index, todo, failed, pause);
            return Ok(());
        }
        self.finish(index, Outcome::Failed { failed, reason: todo.reason }, todo.resolved.key)
    }

    /// Remembers how the work on an instance ended.
    pub(super) fn finish(&mut self, index: usize, outcome: Outcome, key: Key) -> Result<(), StoreError> {
        let Some(instance) = self.plan.instances.get(index) else { return Ok(()) };
        let log = self.recorder.relative(&self.recorder.log(&instance.id));
        let run = self.recorder.record.run.clone();
        let work = |reason| Work { instance: &instance.id, run: &run, log: &log, reason };
        match &outcome {
            Outcome::Done { finished, reason } => self.around.history.succeeded(work(reason), key, finished),
            Outcome::Failed { failed, reason } => self.around.history.failed(work(reason), failed),
            _ => {}
        }
        self.unsynced |= matches!(outcome, Outcome::Done { .. });
        let failed = matches!(outcome, Outcome::Failed { .. });
        self.over(index, outcome, Some(key));
        self.serve_twins(&key)?;
        if failed && self.options.fail_fast && self.ending == Ending::No {
            self.end_more();
        }
        Ok(())
    }

    /// Instances that wait for the key that was just made are hits now.
    fn serve_twins(&mut self, key: &Key) -> Result<(), StoreError> {
        for index in self.queue.made(key) {
            if let Some(Slot::Ready(todo)) = self.replace(index, Slot::Pending) {
                self.look_up(index, todo.resolved)?;
            }
        }
        Ok(())
    }

    pub(super) fn over(&mut self, index: usize, outcome: Outcome, key: Option<Key>) {
        let Some(instance) = self.plan.instances.get(index) else { return };
        if let (Some(place), Some(key)) = (self.keys.get_mut(index), key) {
            *place = Some(key);
        }
        let hit = matches!(outcome, Outcome::Hit { .. });
        let log = (!hit).then(|| self.recorder.log(&instance.id)).filter(|log| log.exists());
        self.around.observer.notice(Notice::Over { instance: index, outcome: &outcome, log: log.as_deref() });
        // A run that finds everything in the store leaves no record.
        self.recorder.note(&instance.id, !hit, |record| ending::note(record, &outcome, key));
        let has_result = matches!(outcome, Outcome::Hit { .. } | Outcome::Done { .. });
        self.set(index, Slot::Over(outcome));
        self.queue.over(self.plan, index, has_result);
    }

    /// Orders the end of the run: first in order, then at once.
    pub(super) fn end_more(&mut self) {
        self.ending = if self.ending == Ending::No { Ending::Stopping } else { Ending::Killing };
        let killing = self.ending == Ending::Killing;
        self.around.observer.notice(if killing { Notice::Killing } else { Notice::Stopping });
        for slot in &self.slots {
            if let Slot::Running(active) = slot {
                if killing { active.worker.kill() } else { active.worker.stop() }
            }
        }
    }

    pub(super) fn kill_all(&self) {
        for slot in &self.slots {
            if let Slot::Running(active) = slot {
                active.worker.kill();
            }
        }
    }
}
