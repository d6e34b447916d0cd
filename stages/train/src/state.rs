//! Where a training stands after a whole number of epochs.

use planish_contract::Failure;
use planish_formats::{HistoryRecord, NamedTensor};
use planish_nn::{Architecture, Device, Parameters, Statistics};
use serde::{Deserialize, Serialize};

use crate::averaging::Average;
use crate::clock::Times;
use crate::sgd::at_rest;

/// All that the next epoch depends on, besides the parameters and the data.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// Numbers.
    pub(crate) progress: Progress,
    /// The weights; plain tensors.
    pub(crate) weights: Parameters,
    /// The descent's velocities, in the order of the weights.
    pub(crate) velocity: Parameters,
    /// The running statistics.
    pub(crate) running: Statistics,
    /// The average of the weights, once there is one.
    pub(crate) average: Option<Average>,
    /// The best weights so far.
    pub(crate) selected: Option<Average>,
}

/// The numbers of a [`State`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Progress {
    /// Epochs done.
    pub(crate) epoch: u32,
    /// Steps done.
    pub(crate) step: u64,
    /// One record an epoch.
    pub(crate) history: Vec<HistoryRecord>,
    /// When the best weights so far were reached.
    pub(crate) selected: Option<Choice>,
    /// Steps that the average has taken up.
    pub(crate) averaged: u64,
    /// When each epoch ended and how quickly it went: for the provenance, never for results.
    pub(crate) times: Times,
}

/// The epoch that is selected so far.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Choice {
    /// The epoch, from 1.
    pub(crate) epoch: u32,
    /// Its score under the selection's criterion.
    pub(crate) score: f64,
}

/// What a group of stored tensors is; a prefix of their names.
const WEIGHTS: &str = "weights/";
const VELOCITY: &str = "velocity/";
const SELECTED: &str = "selected/";
const AVERAGE: &str = "average/";

impl State {
    /// A training that has not begun: initial weights keyed by `seed`.
    #[must_use]
    pub(crate) fn initial(architecture: &Architecture, seed: u64, device: &Device) -> Self {
        Self::beginning(&Parameters::initialise(architecture, seed, device), &Statistics::initial(architecture, device))
    }

    /// A training that has not begun, from these weights and running statistics.
    #[must_use]
    pub(crate) fn beginning(weights: &Parameters, running: &Statistics) -> Self {
        let weights = weights.untracked();
        let velocity = at_rest(&weights);
        let running = running.detach();
        State { progress: Progress::default(), weights, velocity, running, average: None, selected: None }
    }

    /// The network that is validated and may be selected: the average, where there is one.
    pub(crate) fn judged(&self) -> (&Parameters, &Statistics) {
        self.average.as_ref().map_or((&self.weights, &self.running), |average| (&average.weights, &average.running))
    }

    /// Takes the current network as the selected one if `score` is better than any before.
    pub(crate) fn consider(&mut self, score: f64) {
        if self.progress.selected.is_none_or(|best| score > best.score) {
            self.progress.selected = Some(Choice { epoch: self.progress.epoch, score });
            let (weights, running) = self.judged();
            self.selected = Some(Average { weights: weights.clone(), running: running.clone() });
        }
    }

    /// The tensors of the state by name.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the device does not give them back.
    pub(crate) fn to_tensors(&self, architecture: &Architecture) -> Result<Vec<NamedTensor>, Failure> {
        let mut tensors: Vec<NamedTensor> = under(WEIGHTS, self.weights.to_tensors()?).collect();
        tensors.extend(under(WEIGHTS, self.running.to_tensors(architecture)?));
        tensors.extend(under(VELOCITY, self.velocity.to_tensors()?));
        for (prefix, network) in [(SELECTED, &self.selected), (AVERAGE, &self.average)] {
            let Some(network) = network else { continue };
            tensors.extend(under(prefix, network.weights.to_tensors()?));
            tensors.extend(under(prefix, network.running.to_tensors(architecture)?));
        }
        Ok(tensors)
    }

    /// The state with these numbers and tensors.
    ///
    /// # Errors
    /// [`Failure::Input`] when a tensor is missing, misshapen or not finite.
    pub(crate) fn from_tensors(
        progress: Progress,
        tensors: &[NamedTensor],
        architecture: &Architecture,
        device: &Device,
    ) -> Result<Self, Failure> {
        let parameters = |prefix| Parameters::from_tensors(architecture, &of(prefix, tensors), device).map(|p| p.untracked());
        let statistics = |prefix| Statistics::from_tensors(architecture, &of(prefix, tensors), device).map(|s| s.detach());
        let network = |there: bool, prefix| {
            let read = || Ok(Average { weights: parameters(prefix)?, running: statistics(prefix)? });
            there.then(read).transpose()
        };
        Ok(State {
            weights: parameters(WEIGHTS)?,
            velocity: parameters(VELOCITY)?,
            running: statistics(WEIGHTS)?,
            average: network(progress.averaged > 0, AVERAGE)?,
            selected: network(progress.selected.is_some(), SELECTED)?,
            progress,
        })
    }
}

fn under(prefix: &str, tensors: Vec<NamedTensor>) -> impl Iterator<Item = NamedTensor> {
    tensors.into_iter().map(move |tensor| NamedTensor { name: format!("{prefix}{}", tensor.name), ..tensor })
}

fn of(prefix: &str, tensors: &[NamedTensor]) -> Vec<NamedTensor> {
    let stripped = |tensor: &NamedTensor| {
        let name = tensor.name.strip_prefix(prefix)?.to_owned();
        Some(NamedTensor { name, shape: tensor.shape.clone(), values: tensor.values.clone() })
    };
    tensors.iter().filter_map(stripped).collect()
}
