//! What stays of a training whose numbers went wrong.

use std::path::Path;

use planish_contract::Failure;
use planish_formats::{Event, EventKind, HISTORY, HistoryRecord, write_json, write_json_lines};
use planish_nn::{NetworkConfig, save_checkpoint};
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
    /// The state before the step, or the one that was found wrong.
    pub(crate) state: &'a State,
    /// The curves of the epoch so far.
    pub(crate) record: HistoryRecord,
}

impl Wreck<'_> {
    /// Keeps the step's images, if a step on `batch` went wrong, and a checkpoint of the weights and curves with the divergence marked; the
    /// failure that it gives back says where. What can't be kept is said as well; the divergence stays the failure.
    pub(crate) fn keep(mut self, message: &str, batch: Option<&Batch>) -> Failure {
        let (epoch, step) = (self.record.epoch, self.state.progress.step + 1);
        self.record.events.push(Event { step: self.state.progress.step, kind: EventKind::Divergence, detail: message.to_owned() });
        let wrong = batch.map(|batch| Wrong { epoch, step, ids: &batch.ids, labels: &batch.labels, message });
        let folder = self.folder.join(FOLDER);
        let kept = match &wrong {
            Some(_) => "the weights before that step, the curves and the ids of its images",
            None => "the weights and the curves",
        };
        Failure::Diverged(match self.write(&folder, wrong.as_ref()) {
            Ok(()) => format!("{message}; {kept} are kept in {}", folder.display()),
            Err(failure) => format!("{message}; not all of its state could be kept in {}: {failure}", folder.display()),
        })
    }

    fn write(&self, folder: &Path, wrong: Option<&Wrong<'_>>) -> Result<(), Failure> {
        std::fs::create_dir_all(folder).map_err(|e| Failure::io(folder, e))?;
        // Of an earlier divergence.
        match std::fs::remove_file(folder.join(STEP)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Failure::io(folder, e)),
            _ => {}
        }
        if let Some(wrong) = wrong {
            write_json(&folder.join(STEP), wrong)?;
        }
        let history: Vec<HistoryRecord> = self.state.progress.history.iter().chain([&self.record]).cloned().collect();
        let saved = save_checkpoint(folder, self.config, &self.state.weights, &self.state.running, &history);
        if saved.is_err() {
            // Weights that are not finite are no checkpoint; the curves tell how that came.
            write_json_lines(&folder.join(HISTORY), &history)?;
        }
        saved
    }
}
