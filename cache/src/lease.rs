//! What a living process relies on, so that a collection beside it leaves that alone.
//!
//! A process that looks something up holds a shared lock from then on ([`Store::rely_on`]) until it has written
//! down what it relies on ([`Store::settle`]), in the file `lease` of its private folder, which is void when
//! the process is gone. A collection holds the same lock alone while it reads the leases and removes: so what
//! was found stays, and what was removed is not found. A process that never settles holds the shared lock
//! until it ends, which a collection waits for.

use std::collections::HashSet;
use std::fs::File;
use std::time::{Duration, Instant};

use crate::store::lock;
use crate::{Digest, Key, Store, StoreError, fs};

/// The name of the lease in the private folder of a process.
pub(crate) const LEASE: &str = "lease";
/// The lock that lookups share and a collection holds alone.
const LOCK: &str = "collect";
const DIGEST: usize = 32;
/// The largest lease that is read: four million results and objects.
const LIMIT: u64 = 128 << 20;
/// How long a collection waits for lookups to end, and how often it tries.
const PATIENCE: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_millis(10);

/// What this process relies on.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    /// Keys, and digests of objects.
    known: HashSet<Digest>,
    /// Those of them that are not written down.
    pending: Vec<Digest>,
    /// The shared lock, while anything is pending.
    guard: Option<File>,
    file: Option<File>,
}

impl Store {
    /// Keeps the result of a key, or an object and, if it is a manifest, its files, from being collected while this process lives.
    pub(crate) fn rely_on(&self, id: &Digest) -> Result<(), StoreError> {
        let mut lease = lock(&self.lease);
        if lease.known.contains(id) {
            return Ok(());
        }
        if lease.guard.is_none() {
            lease.guard = self.share()?;
        }
        lease.known.insert(*id);
        lease.pending.push(*id);
        Ok(())
    }

    /// Keeps the result of `key`, whether it is there or comes later, from being collected while this process lives.
    ///
    /// # Errors
    /// [`StoreError::Io`] and the like. [`Store::get`] does the same for the keys that it is asked for.
    pub fn rely_on_result(&self, key: &Key) -> Result<(), StoreError> {
        self.rely_on(key.digest())
    }

    /// Writes down what was looked up, so that a collection need not wait for this process to end. Call it before waiting or working for
    /// long. In a store that may only be read nothing happens: others who may write wait.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] and the like.
    pub fn settle(&self) -> Result<(), StoreError> {
        if lock(&self.lease).pending.is_empty() {
            return Ok(());
        }
        let folder = match self.temporaries() {
            Err(StoreError::NotWritable { .. }) => return Ok(()),
            outcome => outcome?,
        };
        let path = folder.join(LEASE);
        let mut lease = lock(&self.lease);
        let bytes: Vec<u8> = lease.pending.iter().flat_map(|id| *id.as_bytes()).collect();
        if lease.file.is_none() {
            lease.file = Some(fs::open_append(&path)?);
        }
        // Not flushed to the disk: a lease is void when the machine stops.
        if let Some(file) = &lease.file {
            fs::write_all(file, &bytes, &path)?;
        }
        lease.pending.clear();
        lease.guard = None;
        Ok(())
    }

    /// The lock that keeps collections out; `None` where it can't be had because nothing may be written there.
    fn share(&self) -> Result<Option<File>, StoreError> {
        let path = self.layout.lock(LOCK);
        let file = match fs::open_shared(&path) {
            Err(StoreError::NotWritable { .. }) => return Ok(None),
            outcome => outcome?,
        };
        fs::lock_shared(&file, &path)?;
        Ok(Some(file))
    }

    /// Keeps lookups out while a collection works, until dropped. `None` where the lock can't be had because nothing may be written there: only
    /// a collection that is `read_only` is content with that.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when other processes look things up all the time.
    pub(crate) fn collecting(&self, read_only: bool) -> Result<Option<File>, StoreError> {
        self.settle()?;
        let path = self.layout.lock(LOCK);
        let file = match if read_only { fs::open_shared(&path) } else { fs::open_lock(&path) } {
            Err(StoreError::NotWritable { .. }) if read_only => return Ok(None),
            outcome => outcome?,
        };
        let begun = Instant::now();
        while !fs::try_lock(&file, &path)? {
            if begun.elapsed() > PATIENCE {
                return Err(StoreError::Busy { path: self.root().to_path_buf() });
            }
            std::thread::sleep(INTERVAL);
        }
        Ok(Some(file))
    }

    /// Everything that living processes rely on: keys and digests of objects.
    pub(crate) fn leases(&self) -> Result<HashSet<Digest>, StoreError> {
        let tmp = self.layout.tmp();
        let mut ids = HashSet::new();
        for name in fs::list(&tmp)? {
            // Leases of the dead are swept with their folders; one that is still there only keeps more.
            let Some(bytes) = fs::read(&tmp.join(&name).join(LEASE), LIMIT)? else { continue };
            // A cut end was never relied on: its writer still holds the lock or died.
            ids.extend(bytes.as_chunks::<DIGEST>().0.iter().map(|id| Digest::from_bytes(*id)));
        }
        Ok(ids)
    }
}
