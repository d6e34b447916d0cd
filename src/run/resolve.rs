//! The key of an instance, once everything that it takes is known.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use planish_cache::{Digest, Key, Store, StoreError};
use planish_contract::{Context, Failure};
use serde_json::{Map, Value};

use crate::fingerprint::{COMPILED, Fingerprints};
use crate::key::{FORMAT_VERSION, InputPart, KeyParts, key};
use crate::plan::{Instance, Plan, PlannedFile, PlannedInput, PlannedSource};

use super::event::Failed;
use super::job::{JobFiles, JobInput};
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
}

impl From<ResolveError> for Failed {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Store(error) => error.into(),
            ResolveError::Members(failure) => failure.into(),
            ResolveError::File { .. } => Failed::stage(error.to_string()).hint("was it moved while the run went on? check the path"),
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
    files: BTreeMap<PathBuf, Option<Digest>>,
}

impl<'a> Resolver<'a> {
    /// Keys for the instances of `plan` with results in `store`.
    #[must_use]
    pub fn new(plan: &'a Plan, store: &'a Store) -> Self {
        Resolver { plan, store, fingerprints: COMPILED, members: BTreeMap::new(), files: BTreeMap::new() }
    }

    /// Keys as an executable with this code would make them.
    #[cfg(test)]
    pub(crate) fn with_fingerprints(mut self, fingerprints: Fingerprints<'a>) -> Self {
        self.fingerprints = fingerprints;
        self
    }

    /// The files from outside and their content as it entered keys; `None` for one that changed in between.
    #[must_use]
    pub fn files_read(&self) -> &BTreeMap<PathBuf, Option<Digest>> {
        &self.files
    }

    /// The key of `instance`. Every instance that it takes from is made, or absent and optional.
    ///
    /// # Errors
    /// A file or an artifact that can't be read, or a store that fails.
    pub fn resolve<'u>(&mut self, instance: &Instance, upstream: impl Fn(usize) -> Upstream<'u>) -> Result<Resolved, ResolveError> {
        let mut inputs = BTreeMap::new();
        for input in &instance.inputs {
            let parts = input.sources.iter().map(|source| self.input_part(input, source, &upstream));
            inputs.insert(input.name.clone(), parts.collect::<Result<Vec<_>, _>>()?);
        }
        let parts = self.parts(instance, inputs)?;
        Ok(Resolved { key: key(&parts), parts })
    }

    /// What goes into the key of `instance` beside its inputs and the members that they name.
    ///
    /// # Errors
    /// A file that can't be read, or a store that fails.
    pub(super) fn without_inputs(&mut self, instance: &Instance) -> Result<KeyParts, ResolveError> {
        self.parts(instance, BTreeMap::new())
    }

    fn parts(&mut self, instance: &Instance, inputs: BTreeMap<String, Vec<InputPart>>) -> Result<KeyParts, ResolveError> {
        Ok(KeyParts {
            version: FORMAT_VERSION,
            kind: instance.kind.clone(),
            code: self.code(instance, &inputs)?,
            parameters: instance.parameters.clone(),
            files: self.files(instance)?,
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

    fn files(&mut self, instance: &Instance) -> Result<BTreeMap<String, BTreeMap<String, Digest>>, ResolveError> {
        let mut files = BTreeMap::new();
        for file in &instance.files {
            let mut folder = BTreeMap::new();
            for (inner, path) in &file.paths {
                folder.insert(inner.clone(), self.hash(&file.name, path)?);
            }
            files.insert(file.name.clone(), folder);
        }
        Ok(files)
    }

    fn hash(&mut self, name: &str, path: &Path) -> Result<Digest, ResolveError> {
        let digest = self.store.hash_file(path).map_err(|source| ResolveError::File {
            name: name.to_owned(),
            path: path.to_path_buf(),
            source: Box::new(source),
        })?;
        match self.files.get_mut(path) {
            Some(known) if *known != Some(digest) => *known = None,
            Some(_) => {}
            None => drop(self.files.insert(path.to_path_buf(), Some(digest))),
        }
        Ok(digest)
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

/// What a worker is told of its inputs.
#[must_use]
pub(super) fn job_inputs(instance: &Instance, parts: &KeyParts) -> BTreeMap<String, JobInput> {
    let mut inputs = BTreeMap::new();
    for input in &instance.inputs {
        let connected = parts.inputs.get(&input.name).map(Vec::as_slice).unwrap_or_default();
        if input.gather {
            let list = connected.iter().map(|part| (part.coordinates.clone().unwrap_or_default(), part.digest)).collect();
            inputs.insert(input.name.clone(), JobInput::Gather(list));
        } else if let Some(digest) = connected.first().and_then(|part| part.digest) {
            inputs.insert(input.name.clone(), JobInput::One(digest));
        }
    }
    inputs
}

/// What a worker is told of the files from outside.
#[must_use]
pub(super) fn job_files(instance: &Instance) -> BTreeMap<String, JobFiles> {
    let files = instance.files.iter().map(|file| {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let paths = file.paths.iter().map(|(inner, path)| (inner.clone(), absolute(path))).collect();
        let (pattern, folder) = (file.pattern.clone(), absolute(&file.folder));
        (file.name.clone(), JobFiles { single: is_single(file), pattern, folder, paths })
    });
    files.collect()
}

/// Whether the pipeline wrote the path of one file: no pattern, and no folder that happens to hold one.
fn is_single(file: &PlannedFile) -> bool {
    let [(inner, path)] = file.paths.as_slice() else { return false };
    let written: PathBuf = Path::new(&file.pattern).components().filter(|part| *part != Component::CurDir).collect();
    path.ends_with(&written) && !path.ends_with(written.join(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_told_from_a_folder_with_one_file() {
        let file = |pattern: &str, inner: &str, path: &str| PlannedFile {
            name: "x".to_owned(),
            pattern: pattern.to_owned(),
            folder: PathBuf::from("here"),
            paths: vec![(inner.to_owned(), PathBuf::from(path))],
        };
        assert!(is_single(&file("a.txt", "a.txt", "here/a.txt")));
        assert!(is_single(&file("./tools/a.txt", "a.txt", "here/./tools/a.txt")));
        assert!(is_single(&file("/abs/a.txt", "a.txt", "/abs/a.txt")));
        assert!(!is_single(&file("data", "a.txt", "here/data/a.txt")));
        assert!(!is_single(&file("data", "data", "here/data/data")));
        assert!(!is_single(&file("*.txt", "a.txt", "here/a.txt")));
    }
}
