//! Where, when and by what a result was made: kept beside it, never part of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fingerprint::BUILD_ID;

use super::adoption::Adoption;
use super::job::{Job, JobLimits};
use super::machine;

/// Where, when and by what a result was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Provenance {
    /// The version of planish.
    pub planish: String,
    /// The build of the executable.
    pub build: String,
    /// The run.
    pub run: String,
    /// When the stage began, RFC 3339.
    pub started: String,
    /// When it ended, RFC 3339.
    pub ended: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The machine's name.
    pub host: String,
    /// The processor's vector level, such as `x86-64-v3`.
    pub cpu: String,
    /// How many threads the stage could keep busy.
    pub threads: usize,
    /// Which GPUs it was given, if any.
    pub gpus: Option<String>,
    /// Which try made it, from 1.
    pub attempt: u32,
    /// What would have ended it before its time.
    pub limits: JobLimits,
    /// Its log, relative to the store.
    pub log: PathBuf,
    /// What the stage itself recorded: device, runtime, throughput.
    pub facts: BTreeMap<String, Value>,
    /// That earlier code made the result and it was kept; once for each time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub adopted: Vec<Adoption>,
    /// The adopted results that it was made from, directly or through others; by instance.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rests_on: BTreeMap<String, Adoption>,
}

impl Provenance {
    /// The provenance of a stage that began at `started` and ends now.
    #[must_use]
    pub fn of(job: &Job, started: SystemTime, seconds: f64, facts: BTreeMap<String, Value>) -> Self {
        Provenance {
            planish: env!("CARGO_PKG_VERSION").to_owned(),
            build: BUILD_ID.to_owned(),
            run: job.run.clone(),
            started: machine::rfc3339(started),
            ended: machine::rfc3339(SystemTime::now()),
            seconds,
            host: machine::host(),
            cpu: machine::cpu_features(),
            threads: job.threads,
            gpus: job.gpus.clone().filter(|gpus| !gpus.is_empty()),
            attempt: job.attempt,
            limits: job.limits,
            log: job.log.strip_prefix(&job.store).unwrap_or(&job.log).to_path_buf(),
            facts,
            adopted: Vec::new(),
            rests_on: job.rests_on.clone(),
        }
    }

    /// Reads the provenance of an entry; what an earlier planish did not record is empty.
    #[must_use]
    pub fn read(value: &Value) -> Self {
        Provenance::deserialize(value).unwrap_or_default()
    }
}
