//! The files that a name of `files` stands for, as they enter a key: each with its content, or many as one list.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use planish_cache::{Action, Digest, Store, StoreError};
use serde::{Deserialize, Serialize};

/// Of more files than this a key holds the digest of their list. A million names and digests would otherwise stand in every entry of the
/// index, every job, and every instance of a matrix; this many take about a megabyte.
pub const LISTED_ABOVE: usize = 10_000;
/// The largest list that is read: two million files of names of 200 bytes.
const LIMIT: u64 = 512 << 20;
/// Where lists are, in the folder of runs.
const FOLDER: &str = "listings";

/// The files that a name of `files` stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Files {
    /// Name inside the folder → content.
    Each(BTreeMap<String, Digest>),
    /// Many files.
    Listed(Listing),
}

/// A list of many files. It is kept beside the results, so that `why` can name the files that changed, and only for that.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// How many files.
    count: u64,
    /// The digest of the list.
    #[serde(rename = "list")]
    digest: Digest,
    /// The list itself, where it is known: for each file, sorted by name, its digest, the length of its name (4 bytes, little endian)
    /// and its name.
    #[serde(skip)]
    bytes: Option<Arc<Vec<u8>>>,
}

impl PartialEq for Listing {
    fn eq(&self, other: &Self) -> bool {
        (self.count, self.digest) == (other.count, other.digest)
    }
}

impl Listing {
    /// The list of `files`, sorted by name.
    pub fn of<'a>(files: impl Iterator<Item = (&'a str, Digest)>) -> Self {
        let (mut bytes, mut count) = (Vec::new(), 0);
        for (name, digest) in files {
            bytes.extend(digest.as_bytes());
            // No system has names of four gigabytes.
            bytes.extend(u32::try_from(name.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend(name.as_bytes());
            count += 1;
        }
        Listing { count, digest: Digest::of(&bytes), bytes: Some(Arc::new(bytes)) }
    }

    /// How many files.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The digest of the list.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The files, if the list is known.
    fn files(&self) -> Option<impl Iterator<Item = (&str, Digest)>> {
        let mut rest = self.bytes.as_ref()?.as_slice();
        Some(std::iter::from_fn(move || {
            let (digest, after) = rest.split_first_chunk::<32>()?;
            let (length, after) = after.split_first_chunk::<4>()?;
            let (name, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            rest = after;
            Some((std::str::from_utf8(name).ok()?, Digest::from_bytes(*digest)))
        }))
    }

    /// Reads the list from `store`; it stays unknown when it is not there or not whole.
    fn recall(&mut self, store: &Store) {
        if self.bytes.is_none() {
            let bytes = store.read_bounded(&path(store, &self.digest), LIMIT).ok().flatten();
            self.bytes = bytes.filter(|bytes| Digest::of(bytes) == self.digest).map(Arc::new);
        }
    }

    /// Puts the list into `store`, if it is known and not there.
    fn keep(&self, store: &Store) -> Result<(), StoreError> {
        let Some(bytes) = &self.bytes else { return Ok(()) };
        let path = path(store, &self.digest);
        if path.is_file() {
            return Ok(());
        }
        let folder = folder(store);
        std::fs::create_dir_all(&folder).map_err(|source| StoreError::new(Action::Create, &folder, source))?;
        // Whoever reads it compares its digest, so it need not be on the disk yet.
        store.write_volatile(&path, bytes)
    }
}

impl Files {
    /// Files, sorted by name; more than `most` as a list.
    pub fn of<'a>(files: impl ExactSizeIterator<Item = (&'a str, Digest)>, most: usize) -> Self {
        if files.len() > most {
            return Files::Listed(Listing::of(files));
        }
        Files::Each(files.map(|(name, digest)| (name.to_owned(), digest)).collect())
    }

    /// The digest of the list of the files, whether they are kept as one or not.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match self {
            Files::Each(each) => Listing::of(each.iter().map(|(name, digest)| (name.as_str(), *digest))).digest,
            Files::Listed(listing) => listing.digest,
        }
    }

    /// How many files.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Files::Each(each) => each.len() as u64,
            Files::Listed(listing) => listing.count,
        }
    }

    /// The files, sorted by name, if they are known.
    pub(super) fn each(&self) -> Option<Box<dyn Iterator<Item = (&str, Digest)> + '_>> {
        match self {
            Files::Each(each) => Some(Box::new(each.iter().map(|(name, digest)| (name.as_str(), *digest)))),
            Files::Listed(listing) => Some(Box::new(listing.files()?)),
        }
    }

    /// Reads a list from `store` that is not known.
    pub(super) fn recall(&mut self, store: &Store) {
        if let Files::Listed(listing) = self {
            listing.recall(store);
        }
    }

    /// Puts a list into `store`, so that a later key can be compared with this one file by file.
    pub(super) fn keep(&self, store: &Store) -> Result<(), StoreError> {
        match self {
            Files::Each(_) => Ok(()),
            Files::Listed(listing) => listing.keep(store),
        }
    }
}

/// The folder of all lists.
pub(crate) fn folder(store: &Store) -> PathBuf {
    store.runs_dir().join(FOLDER)
}

fn path(store: &Store, listing: &Digest) -> PathBuf {
    folder(store).join(listing.to_string())
}
