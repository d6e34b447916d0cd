//! Where a stage reads and writes while it runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Coordinates, Failure, Folder, Memo, PartKey, Work};

/// One artifact of a gathered input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Gathered {
    /// Where the instance that made it stands: axis → label and value.
    pub coordinates: Coordinates,
    /// Its files; `None` when the gather is optional and the instance has no result.
    pub folder: Option<Folder>,
}

/// What the pipeline connected to an input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Input {
    /// One artifact.
    One(Folder),
    /// A gathered list, sorted by coordinates.
    Gather(Vec<Gathered>),
}

/// How far a stage is; for people, never part of a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Units of work done.
    pub done: u64,
    /// Units of work in all; 0 when unknown.
    pub total: u64,
    /// A short text: the epoch, the loss, images per second.
    pub text: String,
}

/// What surrounds a running stage.
pub trait Host: Send + Sync {
    /// Shows progress.
    fn progress(&self, progress: Progress);
    /// Whether the stage should keep what it needs to go on later and return [`Failure::Stopped`].
    fn stopped(&self) -> bool;
    /// Records a fact that must not enter artifact bytes (a time, a device, a throughput).
    fn provenance(&self, name: &str, value: serde_json::Value);
    /// Writes a line to the instance's log.
    fn log(&self, line: &str);
    /// The sub-result under `key`, if it is at hand and intact. Stages ask through [`Context::memo`].
    fn recall(&self, key: &PartKey<'_>) -> Option<Vec<u8>> {
        let _ = key;
        None
    }
    /// Keeps a sub-result for later, where there is a place for it. Stages put it through [`Context::memo`].
    fn keep(&self, key: &PartKey<'_>, value: Vec<u8>) {
        let _ = (key, value);
    }
}

/// A host that shows and records nothing; for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct SilentHost;

impl Host for SilentHost {
    fn progress(&self, _: Progress) {}
    fn stopped(&self) -> bool {
        false
    }
    fn provenance(&self, _: &str, _: serde_json::Value) {}
    fn log(&self, _: &str) {}
}

/// Where a stage reads and writes while it runs.
pub struct Context<'a> {
    /// Input name → what is connected.
    pub inputs: BTreeMap<String, Input>,
    /// File name (as in `files.NAME`) → the files it stands for.
    pub files: BTreeMap<String, Folder>,
    /// The folder that holds one empty sub-folder for each declared output.
    pub outputs: PathBuf,
    /// A folder that survives a killed run: checkpoints under the instance's own key. Removed when the result is published.
    pub checkpoints: PathBuf,
    /// How many threads the stage may keep busy.
    pub threads: usize,
    /// What surrounds the stage.
    pub host: &'a dyn Host,
}

impl Context<'_> {
    /// The artifact connected to input `name`.
    ///
    /// # Errors
    /// [`Failure::Input`] when nothing, or a list, is connected.
    pub fn input(&self, name: &str) -> Result<&Folder, Failure> {
        self.optional_input(name)?.ok_or_else(|| Failure::input(format!("nothing is connected to input `{name}`")))
    }

    /// The artifact connected to input `name`, if any.
    ///
    /// # Errors
    /// [`Failure::Input`] when a list is connected.
    pub fn optional_input(&self, name: &str) -> Result<Option<&Folder>, Failure> {
        match self.inputs.get(name) {
            None => Ok(None),
            Some(Input::One(folder)) => Ok(Some(folder)),
            Some(Input::Gather(_)) => Err(Failure::input(format!("input `{name}` takes one artifact, not a list"))),
        }
    }

    /// The gathered list connected to input `name`; empty when nothing is.
    ///
    /// # Errors
    /// [`Failure::Input`] when a single artifact is connected.
    pub fn gathered(&self, name: &str) -> Result<&[Gathered], Failure> {
        match self.inputs.get(name) {
            None => Ok(&[]),
            Some(Input::Gather(list)) => Ok(list),
            Some(Input::One(_)) => Err(Failure::input(format!("input `{name}` takes a list, not one artifact"))),
        }
    }

    /// The folder of output `name`; it exists and is empty when the stage starts.
    #[must_use]
    pub fn output(&self, name: &str) -> PathBuf {
        self.outputs.join(name)
    }

    /// Names a family member (a module path such as `planish_nn::networks::wide_resnet`) whose code
    /// every stage that reads output `output` depends on. It becomes part of the artifact.
    ///
    /// # Errors
    /// [`Failure::Io`] when the note can't be written.
    pub fn declare_member(&self, output: &str, member: &str) -> Result<(), Failure> {
        let path = self.output(output).join(Self::MEMBERS_FILE);
        let mut members = Self::read_members(&path)?;
        if !members.iter().any(|m| m == member) {
            members.push(member.to_owned());
            members.sort();
        }
        let text = serde_json::to_string(&members).map_err(|e| Failure::internal(e.to_string()))?;
        std::fs::write(&path, text + "\n").map_err(|e| Failure::io(&path, e))
    }

    /// The file of an output folder that lists the family members declared for it (a JSON list of module paths).
    pub const MEMBERS_FILE: &'static str = "members.json";

    /// The members listed in the file `path`; none when there is no such file.
    ///
    /// # Errors
    /// [`Failure::Io`] when it can't be read, [`Failure::Input`] when it is not such a list, or larger than one is.
    pub fn read_members(path: &Path) -> Result<Vec<String>, Failure> {
        const LIMIT: u64 = 1 << 20;
        if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > LIMIT) {
            let message = format!("{}: a list of members may have {LIMIT} bytes at most", Self::MEMBERS_FILE);
            return Err(Failure::input_hint(message, "give the file of that output another name"));
        }
        match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| Failure::input(format!("{}: {e}", path.display()))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(Failure::io(path, e)),
        }
    }

    /// The memo of sub-results for `purpose`, made by the family members (module paths) `members`: see [`Memo`].
    #[must_use]
    pub fn memo<'a>(&'a self, purpose: &'a str, members: &'a [&'a str]) -> Memo<'a> {
        Memo::new(self.host, purpose, members)
    }

    /// Records how much the stage computed in this process, so that plans can tell how long the like takes. Nothing is recorded of what is not
    /// known, or was no work.
    pub fn record_work(&self, work: Option<&Work>) {
        let fact = work.filter(|work| work.amount > 0.0).and_then(|work| serde_json::to_value(work).ok());
        if let Some(fact) = fact {
            self.host.provenance(Work::FACT, fact);
        }
    }

    /// Returns [`Failure::Stopped`] when the run was asked to stop.
    ///
    /// # Errors
    /// [`Failure::Stopped`].
    pub fn check_stopped(&self) -> Result<(), Failure> {
        if self.host.stopped() { Err(Failure::Stopped) } else { Ok(()) }
    }
}
