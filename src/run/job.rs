//! What an engine tells a worker to do.

use std::collections::BTreeMap;
use std::path::PathBuf;

use planish_cache::{Digest, Key};
use planish_contract::Coordinates;
use serde::{Deserialize, Serialize};

use crate::command;
use crate::key::KeyParts;

use super::adoption::Adoption;

/// What one worker is to do: everything that it needs, frozen when it is started.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The build of the engine; a worker of another build refuses.
    pub build_id: String,
    /// The store's folder.
    pub store: PathBuf,
    /// The run that this job is part of.
    pub run: String,
    /// The instance, as people know it.
    pub instance: String,
    /// The stage kind.
    pub kind: String,
    /// The key under which the result is published.
    pub key: Key,
    /// What the key was made of: parameters and expected digests of files among them.
    pub parts: KeyParts,
    /// The stage's `execution`, canonical.
    pub execution: serde_json::Value,
    /// Input name → what is connected.
    pub inputs: BTreeMap<String, JobInput>,
    /// File name → what it stands for.
    pub files: BTreeMap<String, JobFiles>,
    /// The outputs that the stage makes.
    pub outputs: Vec<String>,
    /// How many threads the stage may keep busy.
    pub threads: usize,
    /// Which GPUs the stage may see (as in `CUDA_VISIBLE_DEVICES`), possibly none; `None` leaves all visible.
    pub gpus: Option<String>,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// What ends the stage before its time; for its provenance, the engine sees to it.
    pub limits: JobLimits,
    /// Do the work even if the result is there.
    pub force: bool,
    /// Whether the stage may use the memo of sub-results.
    pub memo: bool,
    /// The instance's log.
    pub log: PathBuf,
    /// The adopted results that it takes from, directly or through others; by instance.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rests_on: BTreeMap<String, Adoption>,
}

/// What ends a stage before its time, and how often it may be tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct JobLimits {
    /// Seconds that it may take.
    pub timeout: Option<f64>,
    /// Bytes of memory that it may use.
    pub memory: Option<u64>,
    /// How often it may be tried again.
    pub retries: u32,
}

/// What is connected to an input, by the digests of manifests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobInput {
    /// One artifact.
    One(Digest),
    /// A gathered list; an absent artifact has no digest.
    Gather(Vec<(Coordinates, Option<Digest>)>),
}

/// The files that a `files.NAME` stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFiles {
    /// Whether the pipeline named exactly one file (no pattern, no folder).
    pub single: bool,
    /// The path or glob as written.
    pub pattern: String,
    /// The folder that it is relative to.
    pub folder: PathBuf,
    /// Name inside the folder → where the file is; none where the key has only their list, for the worker looks for them again.
    pub paths: BTreeMap<String, PathBuf>,
}

impl Job {
    /// Whether the worker may take other jobs before and after this one: starting a process costs more than many a program does. What
    /// stages do stays in a process of its own, and so does what a worker's environment says (GPUs).
    #[must_use]
    pub fn may_share_worker(&self) -> bool {
        self.is_program() && self.gpus.is_none() && cfg!(target_os = "linux")
    }

    /// Whether a program does the work.
    #[must_use]
    pub fn is_program(&self) -> bool {
        self.kind == command::NAME
    }
}
