//! The training loop.

use std::time::Instant;

use planish_contract::{Context, Failure, Progress};
use planish_formats::{HistoryRecord, Split};
use planish_nn::{Ball, Device, Network};

use crate::batches::{Batch, Batches};
use crate::clock::Clock;
use crate::objective::{Objective, Step, evaluate};
use crate::parameters::Parameters;
use crate::selection::Validator;
use crate::slots::Slots;
use crate::state::State;
use crate::totals::{Place, Totals};

/// A training: everything that stays the same from step to step.
pub(crate) struct Fit<'a> {
    /// What was asked for.
    pub(crate) parameters: &'a Parameters,
    /// The network.
    pub(crate) network: &'a Network,
    /// The training split; at least one image.
    pub(crate) train: &'a Split,
    /// The validation split; at least one image.
    pub(crate) validation: &'a Split,
    /// Where tensors live, with automatic differentiation.
    pub(crate) device: &'a Device,
    /// What surrounds the stage.
    pub(crate) context: &'a Context<'a>,
    /// After how many epochs the state is kept.
    pub(crate) checkpoint_interval: u32,
}

impl<'a> Fit<'a> {
    /// Trains from `state` to the last epoch, keeping states in `slots`.
    ///
    /// # Errors
    /// [`Failure::Stopped`] on request, [`Failure::Diverged`] when the loss is not finite, and what the passes and files fail with.
    pub(crate) fn run(&self, state: &mut State, slots: &mut Slots<'_>, clock: &mut Clock) -> Result<(), Failure> {
        while state.progress.epoch < self.parameters.epochs {
            let record = self.epoch(state, clock)?;
            state.progress.epoch = record.epoch;
            if let Some(measured) = &record.validation {
                state.consider(self.parameters.selection.score(self.parameters.objective.robust(), measured));
            }
            self.context.host.log(&describe(&record));
            state.progress.history.push(record);
            if state.progress.epoch.is_multiple_of(self.checkpoint_interval) || state.progress.epoch == self.parameters.epochs {
                slots.keep(state)?;
            }
        }
        Ok(())
    }

    fn batches(&self) -> Batches<'a> {
        Batches::new(self.train, self.parameters.augmentation, self.parameters.seed, self.parameters.batch_size)
    }

    fn epoch(&self, state: &mut State, clock: &mut Clock) -> Result<HistoryRecord, Failure> {
        let epoch = state.progress.epoch + 1;
        let mut totals = Totals::default();
        for batch in self.batches().epoch(epoch) {
            self.context.check_stopped()?;
            let since = Instant::now();
            self.step(state, &batch, epoch, &mut totals)?;
            clock.trained(since, batch.len());
            self.show(state, epoch, &totals, clock);
        }
        let last = state.progress.step.saturating_sub(1);
        let validation = self.validate(state, epoch, clock)?;
        Ok(HistoryRecord {
            schema: planish_formats::SCHEMA,
            epoch,
            step: state.progress.step,
            learning_rate: self.rate(last),
            eps: self.eps(last),
            terms: totals.means(),
            train_accuracy: totals.accuracy(),
            validation,
            gradients_per_image: self.gradients_per_image(epoch),
        })
    }

    fn step(&self, state: &mut State, batch: &Batch, epoch: u32, totals: &mut Totals) -> Result<(), Failure> {
        let place = Step {
            network: self.network,
            tracked: &state.weights.tracked(),
            frozen: &state.weights.constant_on_autodiff(),
            running: &state.running,
            batch,
            ball: Ball::new(self.parameters.threat.norm, self.eps(state.progress.step)),
            seed: self.parameters.seed,
            epoch,
            device: self.device,
        };
        let objective: &dyn Objective = &*self.parameters.objective;
        let perturbed = objective.search(&place)?;
        let (evaluation, gradients) = match &self.parameters.weight_perturbation {
            Some(perturbation) if perturbation.active(epoch) => perturbation.evaluate(objective, &place, &perturbed)?,
            _ => evaluate(objective, &place, &perturbed)?,
        };
        totals.add(&evaluation, batch, Place { epoch, step: state.progress.step + 1 })?;
        let rate = self.rate(state.progress.step);
        (state.weights, state.velocity) = self.parameters.optimizer.step(&state.weights, &state.velocity, gradients, rate);
        for batch_statistics in &evaluation.updates {
            state.running = state.running.blend(batch_statistics, self.parameters.statistics_momentum);
        }
        state.progress.step += 1;
        Ok(())
    }

    fn validate(&self, state: &State, epoch: u32, clock: &mut Clock) -> Result<Option<planish_formats::Validation>, Failure> {
        if !epoch.is_multiple_of(self.parameters.selection.every) && epoch != self.parameters.epochs {
            return Ok(None);
        }
        let since = Instant::now();
        let validator = Validator {
            selection: &self.parameters.selection,
            split: self.validation,
            network: self.network,
            ball: Ball::new(self.parameters.threat.norm, self.parameters.threat.eps.value()),
            seed: self.parameters.seed,
            batch_size: self.parameters.batch_size,
            device: self.device,
        };
        let measured = validator.measure(&state.weights, &state.running)?;
        clock.validated(since);
        if !measured.loss.is_finite() {
            return Err(Failure::Diverged(format!("the training diverged: after epoch {epoch} the validation loss is {}", measured.loss)));
        }
        Ok(Some(measured))
    }

    fn gradients_per_image(&self, epoch: u32) -> u64 {
        let perturbed = self.parameters.weight_perturbation.as_ref().is_some_and(|perturbation| perturbation.active(epoch));
        let (search, outer) = (self.parameters.objective.search_gradients(), self.parameters.objective.outer_gradients());
        search + if perturbed { 2 * outer } else { outer }
    }

    /// The learning rate of step `step` (from 0).
    fn rate(&self, step: u64) -> f64 {
        let per_epoch = self.batches().per_epoch();
        let total = per_epoch * u64::from(self.parameters.epochs);
        self.parameters.optimizer.learning_rate * self.parameters.schedule.factor(step, total, per_epoch)
    }

    /// The radius of step `step` (from 0).
    fn eps(&self, step: u64) -> f64 {
        self.parameters.threat.eps.value() * self.parameters.warmup.factor(step, self.batches().per_epoch())
    }

    fn show(&self, state: &State, epoch: u32, totals: &Totals, clock: &Clock) {
        let batches = self.batches();
        let total = batches.per_epoch() * u64::from(self.parameters.epochs);
        let images_left = (total.saturating_sub(state.progress.step)) * batches.images_per_epoch() / batches.per_epoch().max(1);
        let text = format!(
            "epoch {epoch}/{}, loss {:.4}, accuracy {:.1} %, {:.0} images/s, {:.0} s left",
            self.parameters.epochs,
            totals.loss(),
            100.0 * totals.accuracy(),
            clock.images_per_second(),
            clock.seconds_left(images_left)
        );
        self.context.host.progress(Progress { done: state.progress.step, total, text });
    }
}

/// One line for the log.
fn describe(record: &HistoryRecord) -> String {
    let terms: Vec<String> = record.terms.iter().map(|(name, mean)| format!("{name} {mean:.4}")).collect();
    let validation = record.validation.as_ref().map_or_else(String::new, |measured| {
        let robust = measured.robust_accuracy.map_or_else(String::new, |accuracy| format!(", robust {:.1} %", 100.0 * accuracy));
        format!("; validation: accuracy {:.1} %{robust}, loss {:.4}", 100.0 * measured.accuracy, measured.loss)
    });
    format!("epoch {}: accuracy {:.1} %, {}{validation}", record.epoch, 100.0 * record.train_accuracy, terms.join(", "))
}
