//! Training curves as a `TensorBoard` event file: made of a checkpoint's history and the times in its provenance.

mod record;

use std::path::Path;

use planish_contract::{Failure, Folder};
use planish_formats::{CheckpointFiles, HistoryRecord};
use serde_json::Value;

use record::{Event, Summary, SummaryValue, What};

/// What the provenance tells of a training's times.
#[derive(Clone, Copy, Debug)]
pub struct Timing<'a> {
    /// When the result was made, in seconds since 1970 (UTC).
    pub made: f64,
    /// The fact `epochs`: `ends` (seconds from the beginning, one an epoch) and `images_per_second`; missing in older results, whose curves then stand
    /// at one moment.
    pub epochs: Option<&'a Value>,
}

/// Writes the curves of `checkpoint` as an event file into the folder `directory`, which it makes; event files of planish that are there go.
///
/// Tags: `train/…` (terms of the loss, accuracy, learning rate, ε), `validation/…`, `probe/…`, `speed/images_per_second`, and events as text.
///
/// # Errors
/// [`Failure::Input`] when the history can't be read, [`Failure::Io`] when the file can't be written.
pub fn write_events(checkpoint: &Folder, timing: Timing<'_>, directory: &Path) -> Result<(), Failure> {
    let history = CheckpointFiles::open(checkpoint)?.history()?;
    let curves = Curves::new(&history, timing);
    let mut bytes = Vec::new();
    let head = Event { wall_time: curves.began, step: 0, what: Some(What::FileVersion("brain.Event:2".to_owned())) };
    for event in std::iter::once(head).chain(curves.events()) {
        record::append(&mut bytes, &event);
    }
    std::fs::create_dir_all(directory).map_err(|e| Failure::io(directory, e))?;
    remove_earlier(directory).map_err(|e| Failure::io(directory, e))?;
    let file = directory.join(format!("{PREFIX}{:.0}{SUFFIX}", curves.began.max(0.0)));
    std::fs::write(&file, bytes).map_err(|e| Failure::io(&file, e))
}

/// What event files are called: the reader looks for the first, the second tells whose they are.
const PREFIX: &str = "events.out.tfevents.";
const SUFFIX: &str = ".planish";

/// Two files in one folder would be read as one training.
fn remove_earlier(directory: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX)) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A history and its place in time.
struct Curves<'a> {
    history: &'a [HistoryRecord],
    began: f64,
    /// Seconds from the beginning to each epoch's end.
    ends: Vec<f64>,
    rates: Vec<f64>,
}

impl<'a> Curves<'a> {
    fn new(history: &'a [HistoryRecord], timing: Timing<'_>) -> Self {
        let numbers = |name: &str| -> Vec<f64> {
            let list = timing.epochs.and_then(|epochs| epochs.get(name)).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(Value::as_f64).collect()
        };
        let ends = numbers("ends");
        let began = timing.made - ends.last().copied().unwrap_or_default();
        Curves { history, began, ends, rates: numbers("images_per_second") }
    }

    /// When step `step` of the epoch at `index` was over: even between the ends of epochs.
    fn moment(&self, index: usize, step: u64) -> f64 {
        let bounds = |index: usize| {
            let step = self.history.get(index).map_or(0, |record| record.step);
            (step as f64, self.ends.get(index).copied().unwrap_or_default())
        };
        let (before, from) = index.checked_sub(1).map_or((0.0, 0.0), bounds);
        let (after, to) = bounds(index);
        let part = if after > before { ((step as f64 - before) / (after - before)).clamp(0.0, 1.0) } else { 1.0 };
        self.began + from + part * (to - from)
    }

    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for (index, record) in self.history.iter().enumerate() {
            let at = |step: u64, values: Vec<SummaryValue>| Event {
                wall_time: self.moment(index, step),
                step: step.cast_signed(),
                what: Some(What::Summary(Summary { values })),
            };
            for probed in &record.probes {
                let values = [
                    ("accuracy", probed.accuracy),
                    ("loss", probed.loss),
                    ("robust_accuracy", probed.robust_accuracy),
                    ("robust_loss", probed.robust_loss),
                    ("gamma_mean", probed.gamma.mean),
                    ("gamma_median", probed.gamma.median),
                    ("gamma_largest", probed.gamma.largest),
                ];
                events.push(at(probed.step, scalars("probe", &values)));
            }
            for event in &record.events {
                let kind = serde_json::to_value(event.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
                events.push(at(event.step, vec![SummaryValue::text(&format!("events/{kind}"), &event.detail)]));
            }
            events.push(at(record.step, self.of_epoch(index, record)));
        }
        events
    }

    fn of_epoch(&self, index: usize, record: &HistoryRecord) -> Vec<SummaryValue> {
        let terms: Vec<(&str, f64)> = record.terms.iter().map(|(name, mean)| (name.as_str(), *mean)).collect();
        let mut values = scalars("train", &terms);
        let place = [("accuracy", record.train_accuracy), ("learning_rate", record.learning_rate), ("eps", record.eps)];
        values.extend(scalars("train", &place));
        if let Some(measured) = &record.validation {
            values.extend(scalars("validation", &[("accuracy", measured.accuracy), ("loss", measured.loss)]));
            values.extend(measured.robust_accuracy.map(|accuracy| SummaryValue::scalar("validation/robust_accuracy", accuracy)));
        }
        values.extend(self.rates.get(index).map(|rate| SummaryValue::scalar("speed/images_per_second", *rate)));
        values
    }
}

fn scalars(group: &str, values: &[(&str, f64)]) -> Vec<SummaryValue> {
    values.iter().map(|(name, value)| SummaryValue::scalar(&format!("{group}/{name}"), *value)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost::Message;

    use super::*;

    /// Two epochs of two steps, the second with a probe in its middle; read back, each number stands at its step and moment.
    #[test]
    fn curves_stand_at_their_steps_and_moments() {
        let gamma = planish_formats::measurement::Summary::of(&[0.5]).unwrap();
        let probed = planish_formats::Probed { step: 3, accuracy: 0.5, loss: 1.0, robust_accuracy: 0.25, robust_loss: 2.0, gamma };
        let mut history = [HistoryRecord::new(1), HistoryRecord::new(2)];
        for (record, step) in history.iter_mut().zip([2, 4]) {
            record.step = step;
            record.terms = BTreeMap::from([("loss".to_owned(), 1.0 / step as f64)]);
        }
        history[1].probes.push(probed);
        let folder = tempfile::tempdir().unwrap();
        CheckpointFiles::write(folder.path(), &serde_json::json!({}), &[], &history).unwrap();
        let epochs = serde_json::json!({ "ends": [10.0, 30.0], "images_per_second": [5.0, 6.0] });
        let out = folder.path().join("out");
        std::fs::create_dir_all(&out).unwrap();
        std::fs::write(out.join("events.out.tfevents.7.planish"), "an earlier one").unwrap();
        write_events(&Folder::open(folder.path()).unwrap(), Timing { made: 1030.0, epochs: Some(&epochs) }, &out).unwrap();
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1);
        let bytes = std::fs::read(out.join("events.out.tfevents.1000.planish")).unwrap();
        let events: Vec<Event> = record::records(&bytes).iter().map(|record| Event::decode(*record).unwrap()).collect();
        assert_eq!(events[0].what, Some(What::FileVersion("brain.Event:2".to_owned())));
        let places: Vec<(i64, f64)> = events.iter().map(|event| (event.step, event.wall_time)).collect();
        assert_eq!(places, [(0, 1000.0), (2, 1010.0), (3, 1020.0), (4, 1030.0)]);
        let Some(What::Summary(last)) = &events[3].what else { panic!("no summary") };
        let loss = last.values.iter().find(|value| value.tag == "train/loss").unwrap();
        assert_eq!(loss.simple_value, Some(0.25));
    }
}
