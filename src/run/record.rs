//! The record of a run: `runs/<run>/run.json`, rewritten whenever something happens. A run that finds
//! everything in the store leaves none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use planish_cache::{Action, Key, Store, StoreError};
use planish_contract::Progress;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::file_name::file_name;

use super::live::Live;
use super::machine;
use super::reason::Reason;

/// The format of the file.
pub(super) const SCHEMA: u32 = 1;
/// The largest record, history or list that is read; those of 10,000 instances take some 5 MB.
const LIMIT: u64 = 64 << 20;
/// The name of the record in the folder of its run.
pub(super) const RECORD: &str = "run.json";

/// What a run did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// The format of the file.
    pub schema: u32,
    /// The run's name.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The engine's process.
    pub process: u32,
    /// When it began, RFC 3339.
    pub started: String,
    /// When it ended; absent while it goes on, or when it was killed.
    pub ended: Option<String>,
    /// Its exit code.
    pub exit: Option<u8>,
    /// Instance → what happened to it.
    pub instances: BTreeMap<String, InstanceRecord>,
}

/// What happened to one instance in a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceRecord {
    /// Where it stands.
    pub state: State,
    /// Its key, once known.
    pub key: Option<Key>,
    /// Why it ran.
    pub reason: Option<Reason>,
    /// How long it took, in seconds.
    pub seconds: Option<f64>,
    /// Its log, relative to the store.
    pub log: Option<PathBuf>,
    /// What went wrong.
    pub message: Option<String>,
}

/// Where an instance stands in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It has not been its turn.
    Pending,
    /// Its worker runs.
    Running,
    /// Its result was in the store.
    Hit,
    /// It ran and has a result.
    Done,
    /// It ran and has no result.
    Failed,
    /// It needs an instance that has no result.
    Blocked,
    /// It was stopped while it ran.
    Stopped,
}

impl InstanceRecord {
    /// The record of an instance about which only its state is known.
    #[must_use]
    pub fn of(state: State) -> Self {
        InstanceRecord { state, key: None, reason: None, seconds: None, log: None, message: None }
    }
}

/// The folder of a run and its record.
#[derive(Debug)]
pub(super) struct Recorder<'a> {
    store: &'a Store,
    folder: PathBuf,
    /// Whether there is anything on the disk.
    begun: bool,
    /// Whether there is something to write.
    news: bool,
    /// What is written.
    pub record: RunRecord,
    live: Live,
}

impl<'a> Recorder<'a> {
    /// The record of a run that begins now.
    #[must_use]
    pub(super) fn begin(store: &'a Store, pipeline: &str, instances: impl Iterator<Item = &'a str>) -> Self {
        let now = SystemTime::now();
        let run = machine::run_id(now);
        let instances = instances.map(|id| (id.to_owned(), InstanceRecord::of(State::Pending))).collect();
        let record = RunRecord {
            schema: SCHEMA,
            pipeline: pipeline.to_owned(),
            process: std::process::id(),
            started: machine::rfc3339(now),
            ended: None,
            exit: None,
            instances,
            run,
        };
        let folder = store.runs_dir().join(&record.run);
        Recorder { store, live: Live::of(&folder), folder, begun: false, news: false, record }
    }

    /// Writes the record, and makes the run's folder if this is the first time.
    ///
    /// # Errors
    /// A store that can't be written.
    pub(super) fn write(&mut self) -> Result<(), StoreError> {
        let text = serde_json::to_vec(&self.record).unwrap_or_default();
        if self.begun {
            self.store.write_atomic(&self.folder.join(RECORD), &text)?;
        } else {
            self.make(&text)?;
            self.begun = true;
        }
        self.news = false;
        Ok(())
    }

    /// Makes the run's folder with the record in it: without one, a collection beside this run would take it for an old one.
    fn make(&self, text: &[u8]) -> Result<(), StoreError> {
        let scratch = self.store.scratch()?;
        let folder = scratch.path().join("run");
        make_folder(&folder)?;
        self.store.write_atomic(&folder.join(RECORD), text)?;
        std::fs::rename(&folder, &self.folder).map_err(|error| StoreError::new(Action::Rename, &self.folder, error))
    }

    /// A running instance is so far.
    pub(super) fn progress(&mut self, instance: &str, progress: &Progress) {
        self.live.note(self.store, instance, progress);
    }

    /// Changes what is known of an instance; `news` says whether that has to be written.
    pub(super) fn note(&mut self, instance: &str, news: bool, change: impl FnOnce(&mut InstanceRecord)) {
        if let Some(record) = self.record.instances.get_mut(instance) {
            change(record);
        }
        self.live.forget(instance);
        self.news |= news;
    }

    /// Whether there is something to write.
    #[must_use]
    pub(super) fn has_news(&self) -> bool {
        self.news
    }

    /// Whether anything was written.
    #[must_use]
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Writes the record of a run that ends now, if there was anything to record.
    ///
    /// # Errors
    /// A store that can't be written.
    pub(super) fn end(&mut self, exit: u8) -> Result<(), StoreError> {
        self.live.end();
        if !self.begun && !self.news {
            return Ok(());
        }
        self.record.ended = Some(machine::rfc3339(SystemTime::now()));
        self.record.exit = Some(exit);
        self.write()
    }

    /// The log of an instance in this run.
    #[must_use]
    pub(super) fn log(&self, instance: &str) -> PathBuf {
        self.folder.join(format!("{}.log", file_name(instance)))
    }

    /// `path` as it is written in records: relative to the store.
    #[must_use]
    pub(super) fn relative(&self, path: &Path) -> PathBuf {
        path.strip_prefix(self.store.root()).unwrap_or(path).to_path_buf()
    }
}

/// Reads the record of a run; `None` when there is none that can be read.
#[must_use]
pub fn read_record(store: &Store, run: &str) -> Option<RunRecord> {
    let text = read(store, &store.runs_dir().join(run).join(RECORD))?;
    serde_json::from_slice::<RunRecord>(&text).ok().filter(|record| record.schema == SCHEMA)
}

/// The runs that have folders in the folder of all runs, the latest first.
pub(super) fn runs(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut runs: Vec<String> = names.filter(|name| name.contains('-') && name.chars().all(|c| c.is_ascii_digit() || c == '-')).collect();
    runs.sort_unstable_by(|a, b| b.cmp(a));
    runs
}

/// The records of the runs of `pipeline`, the latest first.
fn records_of(store: &Store, pipeline: &str) -> impl Iterator<Item = RunRecord> {
    runs(&store.runs_dir()).into_iter().filter_map(|run| read_record(store, &run)).filter(move |record| record.pipeline == pipeline)
}

/// The latest run of `pipeline` that worked on `instance`, and the log that it wrote.
#[must_use]
pub fn find_log(store: &Store, pipeline: &str, instance: &str) -> Option<(RunRecord, PathBuf)> {
    records_of(store, pipeline).find_map(|record| {
        let log = store.root().join(record.instances.get(instance)?.log.as_ref()?);
        log.is_file().then_some((record, log))
    })
}

/// The latest run of `pipeline`.
#[must_use]
pub fn latest_run(store: &Store, pipeline: &str) -> Option<RunRecord> {
    records_of(store, pipeline).next()
}

impl RunRecord {
    /// Whether the instance is being worked on now.
    #[must_use]
    pub fn is_running(&self, instance: &str) -> bool {
        let running = self.instances.get(instance).is_some_and(|record| record.state == State::Running);
        running && self.goes_on()
    }

    /// Whether the run goes on.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        let engine = i32::try_from(self.process).ok().and_then(Pid::from_raw);
        // A process of somebody else can't be asked, but it is there.
        let alive = engine.is_some_and(|pid| matches!(test_kill_process(pid), Ok(()) | Err(Errno::PERM)));
        alive && self.ended.is_none()
    }
}

/// What a record, history or list of the engine's own holds; `None` for one that is not there, can't be read, or is larger than any that was
/// written.
pub(super) fn read(store: &Store, path: &Path) -> Option<Vec<u8>> {
    store.read_bounded(path, LIMIT).ok().flatten()
}

/// Makes a folder of the engine's own inside the store.
pub(super) fn make_folder(path: &Path) -> Result<(), StoreError> {
    std::fs::create_dir_all(path).map_err(|source| StoreError::new(Action::Create, path, source))
}
