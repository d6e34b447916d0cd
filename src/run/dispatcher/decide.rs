//! Deciding about instances whose inputs are known: in the store, to be run, or neither.

use planish_cache::StoreError;

use super::Dispatcher;
use crate::run::Upstream;
use crate::run::observer::Notice;
use crate::run::readiness::{Readiness, readiness};
use crate::run::reason::Reason;
use crate::run::resolve::{ResolveError, Resolved};
use crate::run::slot::{Outcome, Slot, Todo};

impl Dispatcher<'_> {
    /// Decides about every instance that can be decided about; `false` when a message came that may end that.
    pub(super) fn settle(&mut self) -> Result<bool, StoreError> {
        let plan = self.plan;
        while let Some(index) = self.queue.undecided() {
            let Some(instance) = plan.instances.get(index) else { continue };
            if !matches!(self.slots.get(index), Some(Slot::Pending)) {
                continue;
            }
            let slots = &self.slots;
            let observer = &mut self.around.observer;
            let mut tell = |done, total| observer.notice(Notice::Reading { instance: index, done, total });
            let upstream = |i: usize| slots.get(i).map_or(Upstream::Unknown, Slot::upstream);
            match readiness(instance, upstream) {
                Readiness::Waiting(_) => {}
                Readiness::Blocked(by) => self.over(index, Outcome::Blocked { by }, None),
                Readiness::Ready => match self.resolver.resolve_telling(instance, upstream, &mut tell) {
                    Ok(resolved) => self.look_up(index, resolved)?,
                    Err(ResolveError::Stopped) => return Ok(false),
                    Err(error) => self.over(index, Outcome::Failed { failed: error.into(), reason: Reason::Unchanged }, None),
                },
            }
        }
        Ok(true)
    }

    pub(super) fn look_up(&mut self, index: usize, resolved: Resolved) -> Result<(), StoreError> {
        let Some(instance) = self.plan.instances.get(index) else { return Ok(()) };
        if let Some(root) = &mut self.around.root {
            allow_read_only(root.reaches(self.around.store, &instance.id, &resolved.key))?;
        }
        let forced = self.options.force.contains(&index);
        let outputs = if forced { None } else { self.around.store.outputs(&resolved.key)? };
        self.show_store_notices();
        let past = self.around.history.past(&instance.id);
        if let Some(outputs) = outputs {
            if !self.around.history.is_settled(&instance.id, &resolved.key) {
                let reason = Reason::of(past, &resolved, self.around.store)?;
                self.around.history.hit(&instance.id, resolved.key, reason);
            }
            self.over(index, Outcome::Hit { outputs }, Some(resolved.key));
            return Ok(());
        }
        let reason = if forced { Reason::Forced } else { Reason::of(past, &resolved, self.around.store)? };
        self.set(index, Slot::Ready(Box::new(Todo { resolved, reason, failures: 0, last: None })));
        self.queue.ready(index);
        Ok(())
    }

    pub(super) fn show_store_notices(&mut self) {
        for notice in self.around.store.take_notices() {
            self.around.observer.notice(Notice::Store { message: &notice.to_string() });
        }
    }
}

/// A run that finds everything in the store needs no right to write there.
pub(crate) fn allow_read_only(outcome: Result<(), StoreError>) -> Result<(), StoreError> {
    match outcome {
        Err(StoreError::NotWritable { .. }) => Ok(()),
        outcome => outcome,
    }
}
