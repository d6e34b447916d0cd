//! Where a training stands after a whole number of epochs.

use planish_contract::Failure;
use planish_formats::{HistoryRecord, NamedTensor};
use planish_nn::{Architecture, Device, Parameters, Statistics};
use serde::{Deserialize, Serialize};

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
    /// The best weights so far.
    pub(crate) selected: Option<Selected>,
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

/// The weights and statistics of the selected epoch.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    /// The weights.
    pub(crate) weights: Parameters,
    /// The running statistics.
    pub(crate) running: Statistics,
}

/// What a group of stored tensors is; a prefix of their names.
const WEIGHTS: &str = "weights/";
const VELOCITY: &str = "velocity/";
const SELECTED: &str = "selected/";

impl State {
    /// A training that has not begun: initial weights keyed by `seed`.
    #[must_use]
    pub(crate) fn initial(architecture: &Architecture, seed: u64, device: &Device) -> Self {
        let weights = Parameters::initialise(architecture, seed, device).untracked();
        let velocity = at_rest(&weights);
        let running = Statistics::initial(architecture, device).detach();
        State { progress: Progress::default(), weights, velocity, running, selected: None }
    }

    /// Takes the current weights as the selected ones if `score` is better than any before.
    pub(crate) fn consider(&mut self, score: f64) {
        if self.progress.selected.is_none_or(|best| score > best.score) {
            self.progress.selected = Some(Choice { epoch: self.progress.epoch, score });
            self.selected = Some(Selected { weights: self.weights.clone(), running: self.running.clone() });
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
        if let Some(selected) = &self.selected {
            tensors.extend(under(SELECTED, selected.weights.to_tensors()?));
            tensors.extend(under(SELECTED, selected.running.to_tensors(architecture)?));
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
        let selected = match progress.selected {
            Some(_) => Some(Selected { weights: parameters(SELECTED)?, running: statistics(SELECTED)? }),
            None => None,
        };
        Ok(State { progress, weights: parameters(WEIGHTS)?, velocity: parameters(VELOCITY)?, running: statistics(WEIGHTS)?, selected })
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
