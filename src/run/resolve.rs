//! The key of an instance, once everything that it takes is known.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use planish_cache::{Digest, Key, Store, StoreError};
use planish_contract::{Context, Failure};
use serde_json::{Map, Value};

use crate::fingerprint::{COMPILED, Fingerprints};
use crate::key::{FORMAT_VERSION, Files, InputPart, KeyParts, LISTED_ABOVE, key};
use crate::plan::{Instance, Plan, PlannedFile, PlannedInput, PlannedSource};

use super::contents::{self, Unread};
use super::event::Failed;
use super::machine;
use super::readiness::Upstream;

/// What the result of an instance depends on, and its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The key.
    pub key: Key,
    /// What it was made of.
    pub parts: KeyParts,
}

/// Why the key of an instance can't be known.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file from outside can't be read.
    #[error("`files.{name}`: {}: {source}", path.display())]
    File {
        /// The name in `files`.
        name: String,
        /// The file.
        path: PathBuf,
        /// What the store said when it read it.
        source: Box<StoreError>,
    },
    /// The note in an artifact that names family members can't be read.
    #[error(transparent)]
    Members(#[from] Failure),
    /// An instance has no result, or not the output that is connected.
    #[error("internal error: the plan connects `{0}`, which is not there")]
    Missing(String),
    /// It was asked to stop while it read files.
    #[error("interrupted while files were read")]
    Stopped,
}

impl From<ResolveError> for Failed {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Store(error) => error.into(),
            ResolveError::Members(failure) => failure.into(),
            ResolveError::File { .. } => Failed::stage(error.to_string()).hint("was it moved while the run went on? check the path"),
            ResolveError::Stopped => Failure::Stopped.into(),
            ResolveError::Missing(_) => Failed::internal(error.to_string()),
        }
    }
}

/// Makes keys; remembers what it read from artifacts.
pub struct Resolver<'a> {
    plan: &'a Plan,
    store: &'a Store,
    fingerprints: Fingerprints<'a>,
    members: BTreeMap<Digest, Vec<String>>,
    files: BTreeMap<String, Option<Digest>>,
    /// Pattern → the list of its many files: all instances of a run get the same, and it is made only once.
    lists: BTreeMap<String, Files>,
    most: usize,
    stopped: Arc<AtomicBool>,
}

impl<'a> Resolver<'a> {
    /// Keys for the instances of `plan` with results in `store`.
    #[must_use]
    pub fn new(plan: &'a Plan, store: &'a Store) -> Self {
        Resolver {
            plan,
            store,
            fingerprints: COMPILED,
            members: BTreeMap::new(),
            files: BTreeMap::new(),
            lists: BTreeMap::new(),
            most: LISTED_ABOVE,
            stopped: Arc::default(),
        }
    }

    /// Reading files ends once `stopped` is set.
    #[must_use]
    pub(super) fn stopped_by(mut self, stopped: Arc<AtomicBool>) -> Self {
        self.stopped = stopped;
        self
    }

    /// Keys that hold more files than `most` as a list.
    #[cfg(test)]
    pub(crate) fn listing_above(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// Keys as an executable with this code would make them.
    #[cfg(test)]
    pub(crate) fn with_fingerprints(mut self, fingerprints: Fingerprints<'a>) -> Self {
        self.fingerprints = fingerprints;
        self
    }

    /// Pattern → the digest of the list of its files, as they entered keys; `None` where they changed in between.
    #[must_use]
    pub fn files_read(&self) -> &BTreeMap<String, Option<Digest>> {
        &self.files
    }

    /// The key of `instance`. Every instance that it takes from is made, or absent and optional.
    ///
    /// # Errors
    /// A file or an artifact that can't be read, or a store that fails.
    pub fn resolve<'u>(&mut self, instance: &Instance, upstream: impl Fn(usize) -> Upstream<'u>) -> Result<Resolved, ResolveError> {
        self.resolve_telling(instance, upstream, &mut |_, _| {})
    }

    /// Like [`Resolver::resolve`]; where there are many files to read, `tell` is told how many were read, and of how many.
    ///
    /// # Errors
    /// As [`Resolver::resolve`], and [`ResolveError::Stopped`].
    pub(super) fn resolve_telling<'u>(
        &mut self,
        instance: &Instance,
        upstream: impl Fn(usize) -> Upstream<'u>,
        tell: &mut dyn FnMut(usize, usize),
    ) -> Result<Resolved, ResolveError> {
        let mut inputs = BTreeMap::new();
        for input in &instance.inputs {
            let parts = input.sources.iter().map(|source| self.input_part(input, source, &upstream));
            inputs.insert(input.name.clone(), parts.collect::<Result<Vec<_>, _>>()?);
        }
        let parts = self.parts(instance, inputs, tell)?;
        Ok(Resolved { key: key(&parts), parts })
    }

    /// What goes into the key of `instance` beside its inputs and the members that they name.
    ///
    /// # Errors
    /// A file that can't be read, or a store that fails.
    pub(super) fn without_inputs(&mut self, instance: &Instance) -> Result<KeyParts, ResolveError> {
        self.parts(instance, BTreeMap::new(), &mut |_, _| {})
    }

    fn parts(
        &mut self,
        instance: &Instance,
        inputs: BTreeMap<String, Vec<InputPart>>,
        tell: &mut dyn FnMut(usize, usize),
    ) -> Result<KeyParts, ResolveError> {
        Ok(KeyParts {
            version: FORMAT_VERSION,
            kind: instance.kind.clone(),
            code: self.code(instance, &inputs)?,
            parameters: instance.parameters.clone(),
            files: instance
                .files
                .iter()
                .map(|file| Ok((file.name.clone(), self.read(file, tell)?)))
                .collect::<Result<_, ResolveError>>()?,
            inputs,
            also: also(instance),
        })
    }

    fn input_part<'u>(
        &self,
        input: &PlannedInput,
        source: &PlannedSource,
        upstream: &impl Fn(usize) -> Upstream<'u>,
    ) -> Result<InputPart, ResolveError> {
        let coordinates = input.gather.then(|| source.coordinates.clone());
        let digest = match upstream(source.instance) {
            Upstream::Made(outputs) => Some(outputs.get(&source.output).copied().ok_or_else(|| self.missing(source))?),
            Upstream::Absent if input.optional => None,
            Upstream::Absent | Upstream::Unknown => return Err(self.missing(source)),
        };
        Ok(InputPart { coordinates, digest })
    }

    fn missing(&self, source: &PlannedSource) -> ResolveError {
        let instance = self.plan.instances.get(source.instance).map_or("?", |instance| instance.id.as_str());
        ResolveError::Missing(format!("{instance}:{}", source.output))
    }

    /// The code that the instance runs: its package, and the members that its parameters or its inputs name.
    fn code(&mut self, instance: &Instance, inputs: &BTreeMap<String, Vec<InputPart>>) -> Result<BTreeMap<String, String>, ResolveError> {
        let mut members: Vec<String> = instance.members.iter().map(|member| (*member).to_owned()).collect();
        for digest in inputs.values().flatten().filter_map(|part| part.digest) {
            members.extend_from_slice(self.members(digest)?);
        }
        Ok(self.fingerprints.of(instance.package, members.iter().map(String::as_str)))
    }

    /// The family members that an artifact names.
    fn members(&mut self, artifact: Digest) -> Result<&[String], ResolveError> {
        if !self.members.contains_key(&artifact) {
            let members = match self.store.file_of(&artifact, Context::MEMBERS_FILE)? {
                Some(path) => Context::read_members(&path)?,
                None => Vec::new(),
            };
            self.members.insert(artifact, members);
        }
        Ok(self.members.get(&artifact).map_or(&[], Vec::as_slice))
    }

    /// The content of files from outside.
    fn read(&mut self, file: &PlannedFile, tell: &mut dyn FnMut(usize, usize)) -> Result<Files, ResolveError> {
        if let Some(known) = self.lists.get(&file.pattern) {
            return Ok(known.clone());
        }
        let (many, total) = (file.paths.len() > self.most, file.paths.len());
        let mut watch = |done| {
            if many {
                tell(done, total);
            }
            !self.stopped.load(Ordering::SeqCst)
        };
        let digests = contents::hash(self.store, &file.paths, &mut watch).map_err(|unread| match unread {
            Unread::Stopped => ResolveError::Stopped,
            Unread::File(path, source) => ResolveError::File { name: file.name.clone(), path, source: Box::new(source) },
        })?;
        let files = Files::of(contents::with(&file.paths, &digests), self.most);
        let digest = Some(files.digest());
        let entered = self.files.entry(file.pattern.clone()).or_insert(digest);
        if *entered != digest {
            *entered = None;
        }
        if many {
            // Workers look at the same files, and should not have to read them again. It only saves time.
            drop(self.store.save_memo());
            self.lists.insert(file.pattern.clone(), files.clone());
        }
        Ok(files)
    }
}

/// What joins the key beside the parameters: the named values of `execution`, and what `runtime` stands for.
fn also(instance: &Instance) -> Value {
    if instance.key_also.is_empty() {
        return Value::Null;
    }
    let value = |name: &String| match (instance.execution.get(name), name.as_str()) {
        (Some(value), _) => value.clone(),
        (None, "runtime") => Value::from(machine::cpu_features()),
        (None, _) => Value::Null,
    };
    Value::Object(instance.key_also.iter().map(|name| (name.clone(), value(name))).collect::<Map<_, _>>())
}
