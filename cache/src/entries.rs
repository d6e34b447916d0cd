//! The index: which key has which result.

use std::path::{Path, PathBuf};

use crate::blobs::{make_shard, set_aside, sharded};
use crate::fs::{self, Temp};
use crate::index::{self, Decoded, ENTRY_VERSION, Entry, Superseded};
use crate::{FileName, Key, Notice, Store, StoreError};

/// The largest entry that is read.
const ENTRY_LIMIT: u64 = 64 << 20;
const LOCK: &str = "index";

/// What became of an entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Published {
    /// It is the key's entry now.
    New,
    /// An earlier entry with intact outputs stands: use that one.
    Existing(Box<Entry>),
    /// It is the key's entry now and records that it supersedes this one, whose outputs were damaged and different.
    Superseded(Box<Entry>),
}

impl Store {
    /// The entry of `key`, if there is one and all its outputs are present and intact.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the file system fails. Damage is a miss.
    pub fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.rely_on_result(key)?;
        match self.peek(key)? {
            Some(entry) if self.outputs_intact(&entry)? => Ok(Some(entry)),
            _ => Ok(None),
        }
    }

    /// The entry of `key`, if there is one; its outputs are not looked at. An entry that can't be read is set aside; one of another
    /// format version is left alone; both are misses.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the file system fails.
    pub fn peek(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        let path = self.layout.entry(key);
        let Some(bytes) = read_entry(&path)? else { return Ok(None) };
        match index::decode(key, &bytes) {
            Decoded::Entry(entry) => Ok(Some(*entry)),
            Decoded::OtherVersion(found) => {
                self.notice(Notice::OtherVersion { key: *key, found, supported: ENTRY_VERSION });
                Ok(None)
            }
            Decoded::Damaged(reason) => {
                self.set_entry_aside(&path, key, &bytes, reason)?;
                Ok(None)
            }
        }
    }

    /// Makes `entry` the result of its key, unless one with intact outputs stands already: the first published entry stands. Where
    /// the standing entry lost its outputs and the repetition gave others, the new one records that it supersedes it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when an output of `entry` is not in the store, [`StoreError::Invalid`] when the entry has another version
    /// or an output name that is no [`FileName`], [`StoreError::DiskFull`] and the like.
    pub fn publish(&self, entry: &Entry) -> Result<Published, StoreError> {
        self.rely_on_result(&entry.key)?;
        for digest in entry.outputs.values() {
            self.rely_on(digest)?;
        }
        self.check(entry)?;
        let _guard = self.exclusive(LOCK)?;
        let mut entry = entry.clone();
        entry.superseded = None;
        let Some(standing) = self.peek_locked(&entry.key)? else {
            self.write_entry(&entry)?;
            return Ok(Published::New);
        };
        if self.outputs_intact(&standing)? {
            return Ok(Published::Existing(Box::new(standing)));
        }
        entry.superseded = Some(Superseded { outputs: standing.outputs.clone(), provenance: standing.provenance.clone() });
        self.write_entry(&entry)?;
        Ok(Published::Superseded(Box::new(standing)))
    }

    /// All entries that can be read, in the order of their keys; outputs are not looked at.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the index can't be listed.
    pub fn entries(&self) -> Result<Entries<'_>, StoreError> {
        Ok(Entries { store: self, keys: self.keys()?.into_iter() })
    }

    /// The keys that have an entry, in their order; the entries are not looked at.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the index can't be listed.
    pub fn keys(&self) -> Result<Vec<Key>, StoreError> {
        let names = sharded(&self.layout.index())?;
        Ok(names.iter().filter_map(|(name, _)| name.strip_suffix(".json")?.parse().ok()).collect())
    }

    /// Excludes others from changing the index, until dropped.
    pub(crate) fn index_lock(&self) -> Result<std::fs::File, StoreError> {
        self.exclusive(LOCK)
    }

    fn check(&self, entry: &Entry) -> Result<(), StoreError> {
        if entry.version != ENTRY_VERSION {
            return Err(StoreError::Invalid(format!("the entry has version {}, not {ENTRY_VERSION}", entry.version)));
        }
        for (name, digest) in &entry.outputs {
            if let Err(e) = FileName::parse(name.as_str()) {
                return Err(StoreError::Invalid(format!("{:?} can't be the name of an output: {}", e.name, e.reason)));
            }
            let missing = |path: PathBuf| StoreError::corrupt(&path, format!("output `{name}` needs this blob, which is not in the store"));
            let tree = self.manifest(digest)?.ok_or_else(|| missing(self.layout.object(digest)))?;
            for file in tree.files.values() {
                if !self.seems_present(&file.digest)? {
                    return Err(missing(self.layout.object(&file.digest)));
                }
            }
        }
        Ok(())
    }

    fn outputs_intact(&self, entry: &Entry) -> Result<bool, StoreError> {
        for digest in entry.outputs.values() {
            if self.find_tree(digest)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The standing entry, by somebody who holds the index lock and is about to write; a damaged one is moved aside.
    fn peek_locked(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        let path = self.layout.entry(key);
        let Some(bytes) = read_entry(&path)? else { return Ok(None) };
        match index::decode(key, &bytes) {
            Decoded::Entry(entry) => Ok(Some(*entry)),
            Decoded::OtherVersion(_) => Ok(None),
            Decoded::Damaged(reason) => {
                let moved = set_aside(&path, &self.layout.index(), &key.to_string())?;
                self.notice(Notice::DamagedEntry { key: *key, reason, moved });
                Ok(None)
            }
        }
    }

    fn write_entry(&self, entry: &Entry) -> Result<(), StoreError> {
        let path = self.layout.entry(&entry.key);
        let mut temp = Temp::create(&self.temporaries()?)?;
        temp.write(&index::encode(entry)?)?;
        if self.syncs() {
            temp.sync()?;
        }
        let shard = make_shard(&path, self.syncs())?;
        temp.publish(&path)?;
        if self.syncs() { fs::sync_folder(&shard) } else { Ok(()) }
    }

    fn set_entry_aside(&self, path: &Path, key: &Key, judged: &[u8], reason: String) -> Result<(), StoreError> {
        match self.move_entry_aside(key, judged) {
            Ok(Some(moved)) => self.notice(Notice::DamagedEntry { key: *key, reason, moved }),
            Ok(None) => {}
            Err(StoreError::NotWritable { .. }) => self.notice(Notice::DamagedEntry { key: *key, reason, moved: path.to_path_buf() }),
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

impl Store {
    /// Moves the entry of `key` out of the way if it still has the bytes that were `judged`; where it is now.
    pub(crate) fn move_entry_aside(&self, key: &Key, judged: &[u8]) -> Result<Option<PathBuf>, StoreError> {
        let path = self.layout.entry(key);
        let _guard = self.exclusive(LOCK)?;
        // Somebody may have published a good one meanwhile.
        if read_entry(&path)?.as_deref() != Some(judged) {
            return Ok(None);
        }
        set_aside(&path, &self.layout.index(), &key.to_string()).map(Some)
    }
}

/// The bytes of an entry's file; whatever stands there and is not a file of reasonable size reads as damaged.
pub(crate) fn read_entry(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path, ENTRY_LIMIT) {
        Err(StoreError::Refused { .. } | StoreError::Corrupt { .. }) => Ok(Some(Vec::new())),
        outcome => outcome,
    }
}

/// The entries of a store; see [`Store::entries`].
#[derive(Debug)]
pub struct Entries<'a> {
    store: &'a Store,
    keys: std::vec::IntoIter<Key>,
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.keys.by_ref().find_map(|key| self.store.peek(&key).transpose())
    }
}
