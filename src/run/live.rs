//! How far running instances are: `runs/<run>/progress.json`, for who looks at a run from outside. Gone when the run ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use planish_cache::Store;
use planish_contract::Progress;

use super::{history, record};

/// The name of the file in the folder of its run.
const PROGRESS: &str = "progress.json";
/// How often the file is written at most.
const INTERVAL: Duration = Duration::from_millis(500);

/// What running instances told last.
#[derive(Debug)]
pub(super) struct Live {
    path: PathBuf,
    told: BTreeMap<String, Progress>,
    written: Option<Instant>,
}

impl Live {
    /// For the run whose records are in `folder`.
    #[must_use]
    pub(super) fn of(folder: &Path) -> Self {
        Live { path: folder.join(PROGRESS), told: BTreeMap::new(), written: None }
    }

    /// An instance is so far.
    pub(super) fn note(&mut self, store: &Store, instance: &str, progress: &Progress) {
        self.told.insert(instance.to_owned(), progress.clone());
        if self.written.is_none_or(|at| at.elapsed() >= INTERVAL) {
            let text = serde_json::to_vec(&self.told).unwrap_or_default();
            // A picture for onlookers: a run goes on without it, and a machine that stops needs none.
            drop(store.write_volatile(&self.path, &text));
            self.written = Some(Instant::now());
        }
    }

    /// An instance runs no more.
    pub(super) fn forget(&mut self, instance: &str) {
        self.told.remove(instance);
    }

    /// The run ends.
    pub(super) fn end(&mut self) {
        if self.written.take().is_some() {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// The files that change as runs in the store at `root` go on; whoever shows a run looks at them for news.
#[must_use]
pub fn telltales(root: &Path) -> Vec<PathBuf> {
    let folder = root.join("runs");
    let latest = record::runs(&folder).into_iter().next().map(|run| folder.join(run));
    let files = latest.iter().flat_map(|run| [record::RECORD, PROGRESS].map(|file| run.join(file)));
    files.chain([folder.join(history::FOLDER)]).collect()
}

/// What the running instances of a run told last; nothing when that can't be read.
#[must_use]
pub fn read_progress(store: &Store, run: &str) -> BTreeMap<String, Progress> {
    let text = record::read(store, &store.runs_dir().join(run).join(PROGRESS));
    text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_of_the_latest_run_is_looked_for_whatever_lies_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("runs");
        for name in ["20260101-000000-000-1", "20260102-000000-000-1", "history", "settled"] {
            std::fs::create_dir_all(runs.join(name)).unwrap();
        }
        let latest = runs.join("20260102-000000-000-1");
        assert_eq!(telltales(folder.path()), [latest.join("run.json"), latest.join("progress.json"), runs.join("history")]);
    }

    #[test]
    fn an_onlooker_reads_what_was_told_until_the_run_ends() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let run = store.runs_dir().join("20260101-000000-000-1");
        std::fs::create_dir_all(&run).unwrap();
        let read = || read_progress(&store, "20260101-000000-000-1");
        let mut live = Live::of(&run);
        assert!(read().is_empty());

        let progress = Progress { done: 1, total: 3, text: "epoch 1".to_owned() };
        live.note(&store, "train", &progress);
        assert_eq!(read(), BTreeMap::from([("train".to_owned(), progress)]));
        std::fs::write(run.join("progress.json"), b"{\"train\":").unwrap();
        assert!(read().is_empty(), "a damaged file says nothing");
        live.end();
        assert!(!run.join("progress.json").exists());
    }
}
