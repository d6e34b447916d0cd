//! Verification of everything in a store, and repair: what is damaged is set aside and so becomes a miss,
//! records whose blobs are gone are too, and what can be derived is made again.

mod objects;
mod records;

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;

use crate::{Digest, Key, Store, StoreError};

/// How to verify.
#[derive(Clone, Copy, Debug, Default)]
pub struct VerifyOptions {
    /// Only say what is wrong, and change nothing.
    pub dry_run: bool,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// An object does not have the bytes that its name promises.
    DamagedBlob(Digest),
    /// An object can't be read, for want of rights or because the file system fails: whether it is damaged is not known.
    UnreadableBlob(Digest),
    /// The record of a result can't be read.
    DamagedEntry(Key, String),
    /// The record of a result needs an object that is damaged or gone; the instance that made it.
    IncompleteResult(Key, String),
    /// A pack of the memo lacks its object, or the object is no pack.
    LostParts(Digest),
    /// A pack of the memo was not marked as one.
    UnmarkedParts(Digest),
    /// The stat memo can't be read: every file will be hashed once more.
    DamagedMemo,
    /// The index snapshot can't be read: every record of a result will be read once more.
    DamagedSnapshot,
    /// The record of what a plan or a pin keeps can't be read.
    DamagedRoot(String),
}

/// What became of a fault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repair {
    /// It was moved to this place, and will be made again when it is needed.
    SetAside(PathBuf),
    /// It was removed; nothing was lost that was not lost before.
    Removed,
    /// It was made again from what is there.
    Rebuilt,
    /// Nothing was changed, as asked.
    DryRun,
    /// It could not be repaired.
    Failed(String),
}

/// A fault and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// Where.
    pub path: PathBuf,
    /// What was done about it.
    pub repair: Repair,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many objects were read.
    pub objects: usize,
    /// How many bytes those have.
    pub bytes: u64,
    /// How many results there are whose files are all intact.
    pub results: usize,
    /// How many sub-results the memo of pure parts has.
    pub parts: usize,
    /// How many records of results are of another planish; they were left alone.
    pub other_versions: usize,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

impl Verified {
    /// Whether everything is as it should be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether all that was wrong was repaired.
    #[must_use]
    pub fn is_repaired(&self) -> bool {
        !self.findings.iter().any(|finding| matches!(finding.repair, Repair::DryRun | Repair::Failed(_)))
    }
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Bytes read.
    pub done: u64,
    /// Bytes to read.
    pub total: u64,
}

impl Store {
    /// Reads everything in the store, whatever the stat memo says, and repairs what is not as it should be. `progress` is called
    /// often. Runs beside it are not disturbed.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the store can't be listed. What can't be repaired is a finding.
    pub fn verify(&self, options: VerifyOptions, progress: &mut dyn FnMut(VerifyProgress)) -> Result<Verified, StoreError> {
        let mut check = Check { store: self, options, verified: Verified::default(), damaged: HashSet::new(), unreadable: HashSet::new() };
        check.objects(progress)?;
        check.entries()?;
        check.packs()?;
        check.derived()?;
        check.roots()?;
        check.verified.findings.sort();
        // The findings say it all.
        drop(self.take_notices());
        Ok(check.verified)
    }
}

/// A verification under way.
struct Check<'s> {
    store: &'s Store,
    options: VerifyOptions,
    verified: Verified,
    /// Objects that were found damaged; in a dry run they still are where they were.
    damaged: HashSet<Digest>,
    /// Objects that could not be read, of which nothing is known.
    unreadable: HashSet<Digest>,
}

impl Check<'_> {
    /// Notes a fault and repairs it with `repair`, unless nothing may be changed.
    fn found(&mut self, fault: Fault, path: PathBuf, repair: impl FnOnce(&Store) -> Result<Repair, StoreError>) {
        let repair = if self.options.dry_run {
            Repair::DryRun
        } else {
            repair(self.store).unwrap_or_else(|error| Repair::Failed(error.to_string()))
        };
        self.verified.findings.push(Finding { fault, path, repair });
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::DamagedBlob(digest) => write!(f, "blob {} is damaged", digest.short()),
            Fault::UnreadableBlob(digest) => write!(f, "blob {} can't be read", digest.short()),
            Fault::DamagedEntry(key, reason) => write!(f, "the record of result {} is damaged: {reason}", key.short()),
            Fault::IncompleteResult(key, instance) => write!(f, "the result of `{instance}` ({}) lost files", key.short()),
            Fault::LostParts(pack) => write!(f, "sub-results in {} are damaged or gone", pack.short()),
            Fault::UnmarkedParts(pack) => write!(f, "sub-results in {} could not be found", pack.short()),
            Fault::DamagedMemo => f.write_str("the record of which files were hashed is damaged"),
            Fault::DamagedSnapshot => f.write_str("the snapshot of the index is damaged"),
            Fault::DamagedRoot(title) => write!(f, "the record of what `{title}` keeps is damaged"),
        }
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Repair::SetAside(path) => write!(f, "set aside as {}", path.display()),
            Repair::Removed => f.write_str("removed"),
            Repair::Rebuilt => f.write_str("rebuilt"),
            Repair::DryRun => f.write_str("left as it is"),
            Repair::Failed(reason) => write!(f, "not repaired: {reason}"),
        }
    }
}
