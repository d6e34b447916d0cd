//! The curves of a training: one [`HistoryRecord`] an epoch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::SCHEMA;
use crate::measurement::Summary;

/// What validation measured after an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// The share of validation images classified correctly, in `[0,1]`.
    pub accuracy: f64,
    /// Their mean cross-entropy, in nats.
    pub loss: f64,
    /// The share still classified correctly under the validation attack, in `[0,1]`, where there was one.
    pub robust_accuracy: Option<f64>,
}

/// One epoch of training. Times are provenance, so they are not here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryRecord {
    /// The version of this schema: [`SCHEMA`].
    pub schema: u32,
    /// The epoch, from 1.
    pub epoch: u32,
    /// Optimiser steps taken up to the end of the epoch.
    pub step: u64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// The radius of the training perturbation in the last step, in the unit of the images.
    pub eps: f64,
    /// The mean over the epoch of the loss and of each of its terms, by name.
    pub terms: BTreeMap<String, f64>,
    /// The share of training images classified correctly while they were trained on, in `[0,1]`.
    pub train_accuracy: f64,
    /// What validation measured, in epochs that have one.
    pub validation: Option<Validation>,
    /// Forward-and-backward passes per training image in this epoch.
    pub gradients_per_image: u64,
    /// What the probe measured during the epoch, in the order of steps; not written unless there is something.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<Probed>,
    /// What went wrong during the epoch; not written unless there is something.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
}

/// What a training's probe measured, on the same images each time, at the full radius and under the running statistics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probed {
    /// Optimiser steps taken before; 0 is the network as it starts.
    pub step: u64,
    /// The share of images classified correctly, in `[0,1]`.
    pub accuracy: f64,
    /// Their mean cross-entropy, in nats.
    pub loss: f64,
    /// The share still classified correctly at the end of a search of several steps, in `[0,1]`.
    pub robust_accuracy: f64,
    /// The mean cross-entropy there, in nats.
    pub robust_loss: f64,
    /// The local linearity measure γ(ε, x) over the images, in nats: the largest linearity error that a search found, a lower bound.
    pub gamma: Summary,
}

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// The loss was not finite; the training stopped.
    Divergence,
    /// Accuracy under several steps fell, or γ rose, from one probe to the next (Wong et al. 2020, arXiv 2001.03994).
    CatastrophicOverfitting,
}

/// Something that went wrong in a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Optimiser steps taken before it was noticed.
    pub step: u64,
    /// What it is.
    pub kind: EventKind,
    /// In words, with the numbers.
    pub detail: String,
}

impl HistoryRecord {
    /// A record of `epoch` with nothing measured yet.
    #[must_use]
    pub fn new(epoch: u32) -> Self {
        HistoryRecord {
            schema: SCHEMA,
            epoch,
            step: 0,
            learning_rate: 0.0,
            eps: 0.0,
            terms: BTreeMap::new(),
            train_accuracy: 0.0,
            validation: None,
            gradients_per_image: 0,
            probes: Vec::new(),
            events: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_without_probes_are_written_as_before_and_read_back() {
        let mut record = HistoryRecord::new(1);
        let text = serde_json::to_string(&record).unwrap();
        assert!(!text.contains("probes") && !text.contains("events"), "{text}");
        assert_eq!(serde_json::from_str::<HistoryRecord>(&text).unwrap(), record);
        let gamma = Summary::of(&[0.5, 1.5]).unwrap();
        record.probes = vec![Probed { step: 3, accuracy: 0.5, loss: 1.0, robust_accuracy: 0.25, robust_loss: 2.0, gamma }];
        record.events = vec![Event { step: 3, kind: EventKind::CatastrophicOverfitting, detail: "fell".into() }];
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.contains("catastrophic-overfitting"), "{text}");
        assert_eq!(serde_json::from_str::<HistoryRecord>(&text).unwrap(), record);
    }
}
