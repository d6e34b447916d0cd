//! A trained network: its weights, what it is, and how it was trained.
//!
//! The folder holds [`WEIGHTS`], [`NETWORK`] (a JSON document with a `schema`, made by the crate of the
//! networks) and [`HISTORY`] (one [`HistoryRecord`] a line).

use std::collections::BTreeMap;
use std::path::Path;

use planish_contract::{Failure, Folder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{
    HistoryRecord, NamedTensor, check_schema, read_json, read_json_lines, read_tensors, write_json, write_json_lines, write_tensors,
};

/// The file of the weights and running statistics.
pub const WEIGHTS: &str = "weights.safetensors";
/// The file that says what the network is.
pub const NETWORK: &str = "network.json";
/// The file of the training curves.
pub const HISTORY: &str = "history.jsonl";

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Validation, Values};

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
