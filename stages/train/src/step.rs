//! One step of a training: search, gradients, descent.

use planish_contract::Failure;
use planish_nn::Ball;

use crate::batches::Batch;
use crate::fit::Fit;
use crate::gradients::{Parts, clip};
use crate::objective::{Objective, Step, WeightGradients};
use crate::state::State;
use crate::totals::{Place, Totals};
use crate::weight_perturbation::evaluate;

impl Fit<'_> {
    /// Trains `state` on `batch` and counts what it came to in `totals`.
    ///
    /// # Errors
    /// [`Failure::Diverged`] when a number is not finite, with `state` as it was; and what the passes fail with.
    pub(crate) fn step(&self, state: &mut State, batch: &Batch, epoch: u32, totals: &mut Totals) -> Result<(), Failure> {
        let batches = batch.parts(self.parameters.accumulate);
        let replicas = self.devices.replicas(batches.len(), &state.weights, &state.running);
        let ball = Ball::new(self.parameters.threat.norm, self.eps(state.progress.step));
        let objective: &dyn Objective = &*self.parameters.objective;
        let parts = Parts::search(objective, &batches, replicas.len(), |device, batch| Step {
            network: self.network,
            tracked: &replicas[device].tracked,
            frozen: &replicas[device].frozen,
            running: &replicas[device].running,
            batch,
            ball,
            seed: self.parameters.seed,
            epoch,
            device: &replicas[device].device,
        })?;
        let (evaluations, gradients) = evaluate(objective, &parts, self.parameters.weight_perturbation_in(epoch))?;
        let place = Place { epoch, step: state.progress.step + 1 };
        for (evaluation, batch) in evaluations.iter().zip(batches.iter()) {
            totals.add(evaluation, batch, place)?;
        }
        let gradients = self.clipped(gradients, batch, place, totals)?;
        let rate = self.rate(state.progress.step);
        let running = parts
            .updates(&evaluations)
            .iter()
            .fold(state.running.clone(), |running, batch_statistics| running.blend(batch_statistics, self.parameters.statistics_momentum));
        (state.weights, state.velocity) = self.parameters.optimizer.step(&state.weights, &state.velocity, gradients, rate);
        state.running = running;
        state.progress.step += 1;
        self.average(state, epoch);
        Ok(())
    }

    fn clipped(&self, gradients: WeightGradients, batch: &Batch, place: Place, totals: &mut Totals) -> Result<WeightGradients, Failure> {
        let Some(largest) = self.parameters.clip_norm else { return Ok(gradients) };
        let (gradients, norm) = clip(gradients, largest)?;
        totals.add_norm(norm, batch, place)?;
        Ok(gradients)
    }

    fn average(&self, state: &mut State, epoch: u32) {
        let Some(averaging) = self.parameters.averaging.filter(|averaging| averaging.active(epoch)) else { return };
        let average = averaging.take_up(state.average.as_ref(), state.progress.averaged, &state.weights, &state.running);
        state.average = Some(average);
        state.progress.averaged += 1;
    }
}
