//! Starting what is ready.

use std::fs::File;
use std::io::Write;

use planish_cache::StoreError;

use super::reservation::Reservation;
use super::{Dispatcher, Ending, Message};
use crate::fingerprint::BUILD_ID;
use crate::plan::Instance;
use crate::run::brief::{job_files, job_inputs};
use crate::run::budget::Share;
use crate::run::event::Failed;
use crate::run::job::{Job, JobLimits};
use crate::run::observer::Notice;
use crate::run::record::{InstanceRecord, State};
use crate::run::slot::{Active, Outcome, Slot, Todo};

impl Dispatcher<'_> {
    /// Starts what the machine has room for, the longest remaining chain first.
    pub(super) fn start_ready(&mut self) -> Result<(), StoreError> {
        let mut last = None;
        let mut reservation: Option<Reservation> = None;
        // Every instance keeps at least one processor busy.
        while !self.budget.is_used_up()
            && let Some(index) = self.queue.next_ready(last)
        {
            last = Some(index);
            let Some(instance) = self.plan.instances.get(index) else { continue };
            let Some(Slot::Ready(todo)) = self.slots.get(index) else { continue };
            // The second of two with one key is a hit when the first is done.
            if todo.failures == 0 && self.queue.waits_for_twin(index, &todo.resolved.key) {
                continue;
            }
            let demand = self.budget.demand(instance.resources);
            let ends = self.expected_end(index);
            if let Some(reservation) = &mut reservation {
                if reservation.is_tired() {
                    return Ok(());
                }
                if !reservation.admits(demand, ends) {
                    continue;
                }
            }
            match self.budget.take(instance.resources) {
                Some(share) => self.start(index, instance, share)?,
                // The first that has to wait has the longest chain behind it: what starts before it must not make it wait longer.
                None if reservation.is_none() => reservation = self.reserve(demand),
                None => {}
            }
            if self.ending != Ending::No {
                return Ok(());
            }
        }
        Ok(())
    }

    fn start(&mut self, index: usize, instance: &Instance, share: Share) -> Result<(), StoreError> {
        let Some(Slot::Ready(todo)) = self.replace(index, Slot::Pending) else { return Ok(()) };
        for message in self.options.total.clamp(instance.resources).1 {
            self.around.observer.notice(Notice::Clamped { instance: index, message: &message });
        }
        self.queue.started(index, todo.resolved.key);
        let job = self.job(index, instance, &todo, &share);
        note_attempt(&job);
        todo.resolved.parts.keep_lists(self.around.store)?;
        let record = InstanceRecord {
            key: Some(todo.resolved.key),
            reason: Some(todo.reason.clone()),
            log: Some(self.recorder.relative(&job.log)),
            ..InstanceRecord::of(State::Running)
        };
        self.recorder.note(&instance.id, true, |known| *known = record);
        // Before anything is started: a store that can't be written ends the run here.
        self.write_if_due()?;
        let sender = self.sender.clone();
        // The receiver goes away only after the last worker did.
        let tell = Box::new(move |report| drop(sender.send(Message::Worker(index, report))));
        match self.around.executor.start(&job, tell) {
            Ok(worker) => {
                self.around.observer.notice(Notice::Started { instance: index, reason: &todo.reason });
                let ends = self.expected_end(index);
                self.set(index, Slot::Running(Box::new(Active { todo, worker, share, ends, overrun: None, result: None })));
                self.watch_time(index);
                self.alarms.measure(index, instance.resources.memory);
                Ok(())
            }
            Err(error) => {
                self.budget.give_back(share);
                let failed = Failed::internal(format!("the worker can't be started: {error}"));
                self.finish(index, Outcome::Failed { failed, reason: todo.reason }, todo.resolved.key)
            }
        }
    }

    fn job(&self, index: usize, instance: &Instance, todo: &Todo, share: &Share) -> Job {
        let sees_all = !self.assigns_gpus;
        Job {
            build_id: BUILD_ID.to_owned(),
            store: self.around.store.root().to_path_buf(),
            run: self.recorder.record.run.clone(),
            instance: instance.id.clone(),
            kind: instance.kind.clone(),
            key: todo.resolved.key,
            parts: todo.resolved.parts.clone(),
            execution: instance.execution.clone(),
            inputs: job_inputs(instance, &todo.resolved.parts),
            files: job_files(instance, &todo.resolved.parts),
            outputs: instance.interface.outputs.iter().map(|output| output.name.clone()).collect(),
            threads: share.cpus,
            gpus: (!sees_all).then(|| share.gpus.join(",")),
            attempt: todo.failures + 1,
            limits: JobLimits {
                timeout: instance.limits.timeout.map(|timeout| timeout.as_secs_f64()),
                memory: instance.resources.memory,
                retries: instance.limits.retries,
            },
            force: self.options.force.contains(&index),
            memo: self.options.memo,
            log: self.recorder.log(&instance.id),
            rests_on: self.adoptions.under(self.plan, index, |i| self.keys.get(i).copied().flatten()),
        }
    }
}

/// Tells in the log where another try begins.
fn note_attempt(job: &Job) {
    if job.attempt > 1
        && let Ok(mut log) = File::options().create(true).append(true).open(&job.log)
    {
        // A log that can't be written must not cost the result.
        drop(writeln!(log, "planish: try {} of {}", job.attempt, job.limits.retries + 1));
    }
}
