//! What stays of a training whose numbers went wrong.

use std::path::{Path, PathBuf};

use planish_contract::Failure;
use planish_formats::{CheckpointFiles, Event, EventKind, HistoryRecord, write_json};
use planish_nn::NetworkConfig;
use serde::Serialize;

use crate::batches::Batch;
use crate::state::State;

/// The folder, under that of the training's own checkpoints.
const FOLDER: &str = "diverged";
/// The file that names the step.
const STEP: &str = "step.json";

/// `step.json`: the step whose loss was not finite.
#[derive(Serialize)]
struct Wrong<'a> {
    epoch: u32,
    /// From 1.
    step: u64,
    /// The batch's images, as indices in the official split.
    ids: &'a [u32],
    labels: &'a [u32],
    message: &'a str,
}

/// Where a training stood when its numbers went wrong.
pub(crate) struct Wreck<'a> {
    /// The folder of the training's checkpoints.
    pub(crate) folder: &'a Path,
    /// What the network is.
    pub(crate) config: &'a NetworkConfig,
    /// The state before the step.
    pub(crate) state: &'a State,
    /// The curves of the epoch so far.
    pub(crate) record: HistoryRecord,
}

impl Wreck<'_> {
    /// Keeps a checkpoint of the weights before the step, the curves with the divergence marked, and the step's images; the failure that it
    /// gives back says where. What can't be kept is said as well; the divergence stays the failure.
    pub(crate) fn keep(mut self, message: &str, batch: &Batch) -> Failure {
        let (epoch, step) = (self.record.epoch, self.state.progress.step + 1);
        self.record.events.push(Event { step: self.state.progress.step, kind: EventKind::Divergence, detail: message.to_owned() });
        let wrong = Wrong { epoch, step, ids: &batch.ids, labels: &batch.labels, message };
        match self.write(&wrong) {
            Ok(folder) => Failure::Diverged(format!(
                "{message}; the weights before that step, the curves and the ids of its images are kept in {}",
                folder.display()
            )),
            Err(failure) => Failure::Diverged(format!("{message}; its state could not be kept: {failure}")),
        }
    }

    fn write(&self, wrong: &Wrong<'_>) -> Result<PathBuf, Failure> {
        let folder = self.folder.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(|e| Failure::io(&folder, e))?;
        let mut tensors = self.state.weights.to_tensors()?;
        tensors.extend(self.state.running.to_tensors(&self.config.architecture()?)?);
        let history: Vec<HistoryRecord> = self.state.progress.history.iter().chain([&self.record]).cloned().collect();
        CheckpointFiles::write(&folder, self.config, &tensors, &history)?;
        write_json(&folder.join(STEP), wrong)?;
        Ok(folder)
    }
}
