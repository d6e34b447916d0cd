//! The memo of pure parts: sub-results of stages, each under a key that names everything it depends on.
//!
//! Sub-results are many and small, so those of one call share an object (a *pack*) and its flush; the file
//! `parts/<digest of the pack>` is empty and says that the object is one. Every value is verified when it is
//! read. A memo only saves time: whatever is damaged, gone or unreadable is a miss.

pub(crate) mod pack;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Mutex;

use crate::fs::{self, Stat};
use crate::store::lock;
use crate::{Digest, Notice, Store, StoreError};
use pack::{Header, Record};

/// How many bytes of values share a pack, unless one value alone has more.
const PACK_LIMIT: usize = 64 << 20;
/// How old the mark of the last use of a pack may be, in nanoseconds, before it is renewed.
const USE_INTERVAL: i64 = 3_600_000_000_000;

/// The memo of pure parts of a store. One value serves all threads of a process; what other processes put
/// is found as well.
#[derive(Debug)]
pub struct Parts<'s> {
    store: &'s Store,
    known: Mutex<Known>,
}

/// What this process knows of the packs.
#[derive(Debug, Default)]
struct Known {
    /// Key → the pack that has it, and where.
    places: HashMap<Digest, (Digest, Record)>,
    /// The packs that were read.
    packs: HashSet<Digest>,
    /// The packs whose last use is marked.
    used: HashSet<Digest>,
    /// The state of the folder when it was last listed.
    listed: Option<Stat>,
}

impl Store {
    /// The memo of pure parts.
    #[must_use]
    pub fn parts(&self) -> Parts<'_> {
        Parts { store: self, known: Mutex::default() }
    }
}

impl Parts<'_> {
    /// The sub-result of `key`, verified; `None` when there is none that is intact. Never an error: computing it again is always right.
    #[must_use]
    pub fn get(&self, key: &Digest) -> Option<Vec<u8>> {
        let mut known = lock(&self.known);
        if !known.places.contains_key(key) {
            // An unreadable folder is an empty memo.
            let _ = self.refresh(&mut known);
        }
        let (pack, record) = *known.places.get(key)?;
        let path = self.store.layout.object(&pack);
        if let Ok(Some(value)) = pack::read_value(&path, &record) {
            if known.used.insert(pack) {
                self.mark_use(&pack);
            }
            return Some(value);
        }
        known.forget(&pack);
        drop(known);
        // What can't be repaired now is found by `verify`; here it is a miss.
        let _ = self.salvage(&pack);
        None
    }

    /// Stores sub-results; of those with the same key the first stands, and one that is stored and intact already stays. They share as few
    /// objects, and flushes, as possible: collect many for one call.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`], [`StoreError::NotWritable`] and the like. A caller can go on without the memo.
    pub fn put_many(&self, parts: impl IntoIterator<Item = (Digest, Vec<u8>)>) -> Result<(), StoreError> {
        let (mut pending, mut keys, mut size) = (Vec::new(), HashSet::new(), 0);
        for (key, value) in parts {
            if keys.contains(&key) || self.get(&key).is_some() {
                continue;
            }
            if size + value.len() > PACK_LIMIT && !pending.is_empty() {
                self.put_pack(&std::mem::take(&mut pending))?;
                size = 0;
            }
            size += value.len();
            keys.insert(key);
            pending.push((key, value));
        }
        if pending.is_empty() { Ok(()) } else { self.put_pack(&pending) }
    }

    fn put_pack(&self, parts: &[(Digest, Vec<u8>)]) -> Result<(), StoreError> {
        let pack = self.store.ingest_bytes(&pack::encode(parts))?;
        self.store.mark_pack(&pack)?;
        if let Header::Intact(records) = pack::read_header(&self.store.layout.object(&pack))? {
            lock(&self.known).learn(pack, records);
        }
        Ok(())
    }

    /// Reads the packs that came since the last look.
    fn refresh(&self, known: &mut Known) -> Result<(), StoreError> {
        let folder = self.store.layout.parts();
        let Some(stat) = fs::stat(&folder)? else { return Ok(()) };
        if known.listed == Some(stat) {
            return Ok(());
        }
        for pack in self.store.packs()? {
            if known.packs.contains(&pack) {
                continue;
            }
            match pack::read_header(&self.store.layout.object(&pack)) {
                Ok(Header::Intact(records)) => known.learn(pack, records),
                // Values can't be told apart without it.
                Ok(Header::Damaged) => drop(self.store.drop_pack(&pack)?),
                Ok(Header::Absent) => {}
                // One that can't be read now must not hide the others.
                Err(_) => drop(known.packs.insert(pack)),
            }
        }
        known.listed = Some(stat);
        Ok(())
    }

    /// Puts the intact values of a damaged pack into a new one, and the damaged one aside: where it is now, if it was there.
    pub(crate) fn salvage(&self, pack: &Digest) -> Result<Option<PathBuf>, StoreError> {
        let path = self.store.layout.object(pack);
        let Header::Intact(records) = pack::read_header(&path)? else { return self.store.drop_pack(pack) };
        let mut intact = Vec::new();
        for record in &records {
            // Once more, in case that was a hiccup.
            match pack::read_value(&path, record).or_else(|_| pack::read_value(&path, record)) {
                Ok(Some(value)) => intact.push((record.key, value)),
                Ok(None) => {}
                Err(error) if fs::is_bad_sector(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if intact.len() == records.len() {
            return Ok(None);
        }
        if !intact.is_empty() {
            self.put_pack(&intact)?;
        }
        self.store.drop_pack(pack)
    }

    fn mark_use(&self, pack: &Digest) {
        let mark = self.store.layout.part(pack);
        let stale = |stat: &Stat| fs::now().saturating_sub(stat.modified) > USE_INTERVAL;
        if fs::stat(&mark).ok().flatten().as_ref().is_some_and(stale) {
            // In a store that may only be read, no mark is kept.
            let _ = fs::touch(&mark);
        }
    }
}

impl Known {
    fn learn(&mut self, pack: Digest, records: Vec<Record>) {
        self.packs.insert(pack);
        for record in records {
            self.places.entry(record.key).or_insert((pack, record));
        }
    }

    /// Forgets a pack; the folder is looked at anew for other packs with the same keys.
    fn forget(&mut self, pack: &Digest) {
        self.places.retain(|_, (owner, _)| owner != pack);
        self.packs.clear();
        self.listed = None;
    }
}

impl Store {
    /// The packs of the memo, sorted.
    pub(crate) fn packs(&self) -> Result<Vec<Digest>, StoreError> {
        let folder = self.layout.parts();
        if fs::stat(&folder)?.is_none() {
            return Ok(Vec::new());
        }
        Ok(fs::list(&folder)?.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
    }

    /// Says that the object is a pack.
    pub(crate) fn mark_pack(&self, pack: &Digest) -> Result<(), StoreError> {
        let folder = self.layout.parts();
        fs::create_folder(&folder)?;
        fs::create_empty(&self.layout.part(pack))?;
        fs::sync_folder(&folder)
    }

    /// Sets aside the object of a pack that is damaged, and forgets the pack; where the object is now.
    pub(crate) fn drop_pack(&self, pack: &Digest) -> Result<Option<PathBuf>, StoreError> {
        let moved = self.put_blob_aside(pack, None)?;
        if let Some(moved) = &moved {
            self.notice(Notice::DamagedBlob { digest: *pack, moved: moved.clone() });
        }
        fs::remove(&self.layout.part(pack))?;
        Ok(moved)
    }
}
