//! Artifacts: what kind a folder is, and where its files are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Failure;

/// What an artifact holds, by name. The engine only compares two of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Kind(std::borrow::Cow<'static, str>);

impl Kind {
    /// Any kind: an input that declares it takes every artifact.
    pub const ANY: Kind = Kind::new("any");

    /// A kind with a fixed name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Kind(std::borrow::Cow::Borrowed(name))
    }

    /// A kind whose name is known at run time only.
    #[must_use]
    pub fn named(name: String) -> Self {
        Kind(std::borrow::Cow::Owned(name))
    }

    /// Whether an input of this kind may be given an artifact of kind `other`.
    #[must_use]
    pub fn accepts(&self, other: &Kind) -> bool {
        *self == Kind::ANY || *other == Kind::ANY || self == other
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many artifacts an input takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Exactly one.
    One,
    /// One, or the pipeline leaves the input out.
    Optional,
    /// Every instance that the pipeline gathers, each with its coordinates; may be left out.
    Gather,
    /// One or a gathered list, as the pipeline says (command stages).
    Any,
}

/// An input that a stage declares.
#[derive(Clone, Debug)]
pub struct InputSpec {
    /// Its name, as in `inputs.NAME`. `*` stands for any name (command stages).
    pub name: &'static str,
    /// The kind of artifact it takes.
    pub kind: Kind,
    /// How many.
    pub arity: Arity,
}

/// An output that a stage declares: a folder of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputSpec {
    /// Its name, as in `STAGE:NAME`.
    pub name: String,
    /// The kind of artifact that it holds.
    pub kind: Kind,
}

/// What a configured stage takes and makes.
#[derive(Clone, Debug, Default)]
pub struct Interface {
    /// The inputs; the engine refuses names that are not here.
    pub inputs: Vec<InputSpec>,
    /// The outputs, the default one first.
    pub outputs: Vec<OutputSpec>,
}

impl Interface {
    /// An interface from fixed lists of (name, kind, arity) and (name, kind).
    #[must_use]
    pub fn of(inputs: &[(&'static str, Kind, Arity)], outputs: &[(&str, Kind)]) -> Self {
        Interface {
            inputs: inputs.iter().map(|(name, kind, arity)| InputSpec { name, kind: kind.clone(), arity: *arity }).collect(),
            outputs: outputs.iter().map(|(name, kind)| OutputSpec { name: (*name).to_owned(), kind: kind.clone() }).collect(),
        }
    }
}

/// The files of one artifact: relative name (with `/`) → where its bytes are.
///
/// An input's files are blobs of the store: read them, never write to them. Nothing is copied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    files: BTreeMap<String, PathBuf>,
}

impl Folder {
    /// A folder from its list of files.
    #[must_use]
    pub fn new(files: BTreeMap<String, PathBuf>) -> Self {
        Folder { files }
    }

    /// The regular files directly in `directory` and below it.
    ///
    /// # Errors
    /// [`Failure::Io`] when the directory can't be read.
    pub fn open(directory: &Path) -> Result<Self, Failure> {
        let mut files = BTreeMap::new();
        let mut pending = vec![(directory.to_path_buf(), String::new())];
        while let Some((path, prefix)) = pending.pop() {
            let entries = std::fs::read_dir(&path).map_err(|e| Failure::io(&path, e))?;
            for entry in entries {
                let entry = entry.map_err(|e| Failure::io(&path, e))?;
                let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
                let kind = entry.file_type().map_err(|e| Failure::io(&entry.path(), e))?;
                if kind.is_dir() {
                    pending.push((entry.path(), format!("{name}/")));
                } else if kind.is_file() {
                    files.insert(name, entry.path());
                }
            }
        }
        Ok(Folder { files })
    }

    /// Where the file `name` is.
    ///
    /// # Errors
    /// [`Failure::Input`] when the artifact has no such file.
    pub fn file(&self, name: &str) -> Result<&Path, Failure> {
        self.files.get(name).map(PathBuf::as_path).ok_or_else(|| {
            let present: Vec<&str> = self.files.keys().map(String::as_str).collect();
            Failure::input(format!("the artifact has no file `{name}` (it has: {})", present.join(", ")))
        })
    }

    /// Whether the artifact has a file `name`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// All files, sorted by name.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.files.iter().map(|(name, path)| (name.as_str(), path.as_path()))
    }
}

/// Where an instance stands on one axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coordinate {
    /// The variant's name, or the canonical form of its value.
    pub label: String,
    /// What the variant sets.
    pub value: serde_json::Value,
}

/// Where an instance stands on every axis it carries: axis → coordinate.
pub type Coordinates = BTreeMap<String, Coordinate>;
