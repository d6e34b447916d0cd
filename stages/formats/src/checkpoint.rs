//! A trained network: its weights, what it is, and how it was trained.
//!
//! The folder holds [`WEIGHTS`], [`NETWORK`] (a JSON document with a `schema`, made by the crate of the
//! networks) and [`HISTORY`] (one [`HistoryRecord`] a line).

use std::collections::BTreeMap;
use std::path::Path;

use planish_contract::{Failure, Folder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{NamedTensor, SCHEMA, check_schema, read_json, read_json_lines, read_tensors, write_json, write_json_lines, write_tensors};

/// The file of the weights and running statistics.
pub const WEIGHTS: &str = "weights.safetensors";
/// The file that says what the network is.
pub const NETWORK: &str = "network.json";
/// The file of the training curves.
pub const HISTORY: &str = "history.jsonl";

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
}

/// The files of a checkpoint, each read on demand.
#[derive(Clone, Debug)]
pub struct CheckpointFiles {
    folder: Folder,
}

impl CheckpointFiles {
    /// A checkpoint in `folder`; all three files have to be there.
    ///
    /// # Errors
    /// [`Failure::Input`] when one is missing.
    pub fn open(folder: &Folder) -> Result<Self, Failure> {
        for name in [WEIGHTS, NETWORK, HISTORY] {
            folder.file(name)?;
        }
        Ok(CheckpointFiles { folder: folder.clone() })
    }

    /// The weights and running statistics, sorted by name.
    ///
    /// # Errors
    /// As [`read_tensors`].
    pub fn weights(&self) -> Result<Vec<NamedTensor>, Failure> {
        read_tensors(self.folder.file(WEIGHTS)?)
    }

    /// What the network is. The caller checks the schema version of its own type.
    ///
    /// # Errors
    /// As [`read_json`].
    pub fn network<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        read_json(self.folder.file(NETWORK)?)
    }

    /// The training curves, in the order of epochs.
    ///
    /// # Errors
    /// As [`read_json_lines`]; also when a line has another schema version.
    pub fn history(&self) -> Result<Vec<HistoryRecord>, Failure> {
        let path = self.folder.file(HISTORY)?;
        let records: Vec<HistoryRecord> = read_json_lines(path)?;
        records.iter().try_for_each(|record| check_schema(path, record.schema))?;
        Ok(records)
    }

    /// Writes a checkpoint into the folder `dir`.
    ///
    /// # Errors
    /// As [`write_tensors`], [`write_json`] and [`write_json_lines`].
    pub fn write<T: Serialize>(dir: &Path, network: &T, weights: &[NamedTensor], history: &[HistoryRecord]) -> Result<(), Failure> {
        write_tensors(&dir.join(WEIGHTS), weights, &BTreeMap::new())?;
        write_json(&dir.join(NETWORK), network)?;
        write_json_lines(&dir.join(HISTORY), history)
    }
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Values;

    #[test]
    fn a_checkpoint_reads_back_and_misses_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let weights = [NamedTensor { name: "w".into(), shape: vec![1], values: Values::F32(vec![0.5]) }];
        let mut record = HistoryRecord::new(1);
        record.terms.insert("loss".into(), 0.1);
        record.validation = Some(Validation { accuracy: 0.5, loss: 1.0, robust_accuracy: None });
        CheckpointFiles::write(folder.path(), &vec!["small-cnn"], &weights, std::slice::from_ref(&record)).unwrap();
        let files = CheckpointFiles::open(&Folder::open(folder.path()).unwrap()).unwrap();
        assert_eq!(files.weights().unwrap(), weights);
        assert_eq!(files.network::<Vec<String>>().unwrap(), ["small-cnn"]);
        assert_eq!(files.history().unwrap(), [record.clone()]);
        record.schema = 9;
        write_json_lines(&folder.path().join(HISTORY), &[record]).unwrap();
        assert!(files.history().unwrap_err().to_string().contains("schema version 9"));
        std::fs::remove_file(folder.path().join(NETWORK)).unwrap();
        let message = CheckpointFiles::open(&Folder::open(folder.path()).unwrap()).unwrap_err().to_string();
        assert!(message.contains("`network.json`"), "{message}");
    }
}
