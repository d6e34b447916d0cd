//! Ending what takes too long or too much, and trying again.

use std::time::{Duration, Instant};

use planish_cache::StoreError;

use super::{Dispatcher, Ending};
use crate::run::event::Failed;
use crate::run::memory;
use crate::run::observer::Notice;
use crate::run::slot::{Outcome, Slot, Todo};
use crate::show::words::{duration, size};

impl Dispatcher<'_> {
    /// The time of a running instance begins.
    pub(super) fn watch_time(&mut self, index: usize) {
        let timeout = self.plan.instances.get(index).and_then(|instance| instance.limits.timeout);
        if let Some(deadline) = timeout.and_then(|timeout| Instant::now().checked_add(timeout)) {
            self.alarms.watch(index, deadline);
        }
    }

    /// Ends what runs beyond its limits.
    pub(super) fn keep_limits(&mut self) {
        let now = Instant::now();
        for index in self.alarms.late(now) {
            let limit = self.plan.instances.get(index).and_then(|instance| instance.limits.timeout).unwrap_or_default();
            let message = format!("it took longer than its `timeout` of {} and was ended", duration(limit.as_secs_f64()));
            self.overrun(
                index,
                Failed::stage(message).hint("raise `timeout`; a stage that keeps checkpoints goes on from the last one").transient(),
            );
        }
        let Some(limits) = self.alarms.look(now) else { return };
        let group = |index: usize| match self.slots.get(index) {
            Some(Slot::Running(active)) => active.worker.process_group(),
            _ => None,
        };
        let groups: Vec<_> = limits.iter().filter_map(|(index, limit)| Some((*index, *limit, group(*index)?))).collect();
        let used = memory::used(&groups.iter().map(|(_, _, group)| *group).collect::<Vec<_>>());
        for (index, limit, group) in groups {
            let used = used.get(&group).copied().unwrap_or_default();
            if used > limit {
                let message = format!("it used {} of memory, more than its `memory` of {}, and was ended", size(used), size(limit));
                self.overrun(index, Failed::stage(message).hint("raise `memory`, or let the stage use less").transient());
            }
        }
    }

    fn overrun(&mut self, index: usize, failed: Failed) {
        if let Some(Slot::Running(active)) = self.slots.get_mut(index) {
            active.overrun = Some(failed);
            active.worker.kill();
        }
    }

    /// How long to wait before an instance that `failed` is tried again, if it is to be.
    pub(super) fn pause_after(&self, index: usize, todo: &Todo, failed: &Failed) -> Option<Duration> {
        let limits = self.plan.instances.get(index)?.limits;
        let again = failed.transient && self.ending == Ending::No;
        limits.pause(todo.failures + 1).filter(|_| again)
    }

    /// An instance waits until it is tried again. Others that need its result wait on.
    pub(super) fn put_off(&mut self, index: usize, mut todo: Box<Todo>, failed: Failed, pause: Duration) {
        todo.failures += 1;
        if let Some(instance) = self.plan.instances.get(index) {
            let attempt = (todo.failures + 1, instance.limits.retries + 1);
            self.around.observer.notice(Notice::Retry { instance: index, failed: &failed, pause, attempt });
            self.recorder.note(&instance.id, true, |record| record.message = Some(failed.message.clone()));
        }
        todo.last = Some(failed);
        self.set(index, Slot::Ready(todo));
        self.alarms.delay(index, Instant::now() + pause);
    }

    /// Lets instances start again whose time has come; when the run is ending, they have failed instead.
    pub(super) fn try_again(&mut self) -> Result<(), StoreError> {
        let ending = self.ending != Ending::No;
        while let Some(index) = self.alarms.due(Instant::now(), ending) {
            if !ending {
                self.queue.ready(index);
            } else if let Some(Slot::Ready(todo)) = self.replace(index, Slot::Pending) {
                let Todo { resolved, reason, last, .. } = *todo;
                let failed = last.unwrap_or_else(|| Failed::internal("an instance was to be tried again that had not failed"));
                self.finish(index, Outcome::Failed { failed, reason }, resolved.key)?;
            }
        }
        Ok(())
    }
}
