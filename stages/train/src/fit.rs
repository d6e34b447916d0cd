//! The training loop.

use std::time::Instant;

use planish_contract::{Context, Failure, Progress};
use planish_formats::{Event, EventKind, HistoryRecord, Probed, Split, Validation};
use planish_nn::{Ball, Network, NetworkConfig};

use crate::ahead::ahead;
use crate::batches::{Batch, Batches};
use crate::clock::Clock;
use crate::devices::Devices;
use crate::diverged::Wreck;
use crate::held_out::HeldOut;
use crate::parameters::Parameters;
use crate::slots::Slots;
use crate::state::State;
use crate::totals::Totals;
use crate::words::{describe, progress_text, validated};

/// A training: everything that stays the same from step to step.
pub(crate) struct Fit<'a> {
    /// What was asked for.
    pub(crate) parameters: &'a Parameters,
    /// The network, in the precision that it is trained in.
    pub(crate) network: &'a Network,
    /// The same in single precision: what is measured.
    pub(crate) measured: &'a Network,
    /// What it is.
    pub(crate) config: &'a NetworkConfig,
    /// The training split; at least one image.
    pub(crate) train: &'a Split,
    /// The validation split; at least one image.
    pub(crate) validation: &'a Split,
    /// Where tensors live.
    pub(crate) devices: &'a Devices,
    /// What surrounds the stage.
    pub(crate) context: &'a Context<'a>,
    /// After how many epochs the state is kept.
    pub(crate) checkpoint_interval: u32,
}

/// An epoch under way.
struct Epoch {
    /// What is known of it so far.
    record: HistoryRecord,
    totals: Totals,
}

impl Epoch {
    fn new(number: u32) -> Self {
        Epoch { record: HistoryRecord::new(number), totals: Totals::default() }
    }
}

impl<'a> Fit<'a> {
    /// Trains from `state` to the last epoch, keeping states in `slots`.
    ///
    /// # Errors
    /// [`Failure::Stopped`] on request, [`Failure::Diverged`] when the loss is not finite, and what the passes and files fail with.
    pub(crate) fn run(&self, state: &mut State, slots: &mut Slots<'_>, clock: &mut Clock) -> Result<(), Failure> {
        if self.parameters.epochs == 0 {
            return self.judge(state, clock);
        }
        while state.progress.epoch < self.parameters.epochs {
            let record = self.epoch(state, clock)?;
            state.progress.epoch = record.epoch;
            if let Some(measured) = &record.validation {
                state.consider(self.parameters.selection.score(self.parameters.objective.robust(), measured));
            }
            self.context.host.log(&describe(&record));
            state.progress.history.push(record);
            clock.ended(&mut state.progress.times);
            if state.progress.epoch.is_multiple_of(self.checkpoint_interval) || state.progress.epoch == self.parameters.epochs {
                slots.keep(state)?;
            }
        }
        Ok(())
    }

    /// Validates and selects the network as it is.
    fn judge(&self, state: &mut State, clock: &mut Clock) -> Result<(), Failure> {
        if let Some(measured) = self.validate(state, &Epoch::new(0), clock)? {
            state.consider(self.parameters.selection.score(self.parameters.objective.robust(), &measured));
            self.context.host.log(&format!("the weights as they are; validation: {}", validated(&measured)));
        }
        Ok(())
    }

    fn batches(&self) -> Batches<'a> {
        Batches::new(self.train, self.parameters.augmentation, self.parameters.seed, self.parameters.batch_size)
    }

    /// Steps of the whole training.
    fn total(&self) -> u64 {
        self.batches().per_epoch() * u64::from(self.parameters.epochs)
    }

    fn epoch(&self, state: &mut State, clock: &mut Clock) -> Result<HistoryRecord, Failure> {
        let number = state.progress.epoch + 1;
        let mut epoch = Epoch::new(number);
        if state.progress.step == 0 {
            self.probe(state, &mut epoch, clock)?;
        }
        std::thread::scope(|scope| {
            let mut batches = ahead(scope, self.batches().epoch(number));
            loop {
                let since = Instant::now();
                let Some(batch) = batches.next() else { return Ok(()) };
                clock.waited(since);
                self.context.check_stopped()?;
                let since = Instant::now();
                self.step(state, &batch, number, &mut epoch.totals).map_err(|failure| self.keep(failure, state, &epoch, Some(&batch)))?;
                clock.trained(since, batch.len());
                self.probe(state, &mut epoch, clock)?;
                self.show(state, &epoch, clock);
            }
        })?;
        let validation = self.validate(state, &epoch, clock)?;
        Ok(HistoryRecord { validation, ..self.record(state, &epoch) })
    }

    /// The epoch so far, not validated.
    fn record(&self, state: &State, epoch: &Epoch) -> HistoryRecord {
        let last = state.progress.step.saturating_sub(1);
        let (search, outer) = self.parameters.gradients_per_image(epoch.record.epoch);
        HistoryRecord {
            step: state.progress.step,
            learning_rate: self.rate(last),
            eps: self.eps(last),
            terms: epoch.totals.means(),
            train_accuracy: epoch.totals.accuracy(),
            gradients_per_image: search + outer,
            ..epoch.record.clone()
        }
    }

    /// A divergence with what stays of it; other failures as they are.
    fn keep(&self, failure: Failure, state: &State, epoch: &Epoch, batch: Option<&Batch>) -> Failure {
        let Failure::Diverged(message) = failure else { return failure };
        let record = self.record(state, epoch);
        Wreck { folder: &self.context.checkpoints, config: self.config, state, record }.keep(&message, batch)
    }

    fn probe(&self, state: &State, epoch: &mut Epoch, clock: &mut Clock) -> Result<(), Failure> {
        let step = state.progress.step;
        let Some(probe) = self.parameters.probe.as_ref().filter(|probe| probe.due(step, self.total())) else { return Ok(()) };
        let since = Instant::now();
        let now = probe.measure(&self.held_out(), step, (&state.weights, &state.running))?;
        clock.validated(since);
        if ![now.loss, now.robust_loss, now.gamma.mean].iter().all(|number| number.is_finite()) {
            let message = format!("the training diverged: what the probe measures after step {step} is not finite");
            return Err(self.keep(Failure::Diverged(message), state, epoch, None));
        }
        let before: Vec<Probed> =
            state.progress.history.iter().flat_map(|record| &record.probes).chain(&epoch.record.probes).cloned().collect();
        if let Some(detail) = probe.first_sign(&before, &now, self.config.classes.len()) {
            self.context.host.log(&format!("catastrophic overfitting at step {step}: {detail}"));
            epoch.record.events.push(Event { step, kind: EventKind::CatastrophicOverfitting, detail });
        }
        epoch.record.probes.push(now);
        Ok(())
    }

    fn validate(&self, state: &State, epoch: &Epoch, clock: &mut Clock) -> Result<Option<Validation>, Failure> {
        let number = epoch.record.epoch;
        if !number.is_multiple_of(self.parameters.selection.every) && number != self.parameters.epochs {
            return Ok(None);
        }
        let since = Instant::now();
        let measured = self.parameters.selection.measure(&self.held_out(), state.judged())?;
        clock.validated(since);
        if !measured.loss.is_finite() {
            let message = format!("the training diverged: after epoch {number} the validation loss is {}", measured.loss);
            return Err(self.keep(Failure::Diverged(message), state, epoch, None));
        }
        Ok(Some(measured))
    }

    /// What networks are measured on along the training.
    fn held_out(&self) -> HeldOut<'a> {
        HeldOut {
            split: self.validation,
            network: self.measured,
            ball: Ball::new(self.parameters.threat.norm, self.parameters.threat.eps.value()),
            seed: self.parameters.seed,
            batch_size: self.parameters.batch_size,
            device: self.devices.primary(),
        }
    }

    /// The learning rate of step `step` (from 0).
    pub(crate) fn rate(&self, step: u64) -> f64 {
        self.parameters.optimizer.learning_rate * self.parameters.schedule.factor(step, self.total(), self.batches().per_epoch())
    }

    /// The radius of step `step` (from 0).
    pub(crate) fn eps(&self, step: u64) -> f64 {
        self.parameters.threat.eps.value() * self.parameters.warmup.factor(step, self.batches().per_epoch())
    }

    fn show(&self, state: &State, epoch: &Epoch, clock: &Clock) {
        let (batches, total) = (self.batches(), self.total());
        let images_left = (total.saturating_sub(state.progress.step)) * batches.images_per_epoch() / batches.per_epoch().max(1);
        let place = format!("epoch {}/{}", epoch.record.epoch, self.parameters.epochs);
        let text = progress_text(&place, &epoch.totals, (clock.images_per_second(), clock.seconds_left(images_left)));
        self.context.host.progress(Progress { done: state.progress.step, total, text });
    }
}
