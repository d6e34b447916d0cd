//! What is in a store, what holds it, and what needs that.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::{Garbage, Removed};
use crate::blobs::DAMAGED;
use crate::entries::read_entry;
use crate::fs::{self, FileKind, Stat};
use crate::index::{self, Decoded, ENTRY_VERSION, Entry};
use crate::{Digest, Key, Root, Store, StoreError};

/// Why something stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holding {
    /// Nothing needs it.
    Nothing,
    /// A root names it.
    Root,
    /// Only living processes need it.
    InUse,
}

/// Something that may be removed, and takes blobs with it.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) what: Garbage,
    /// Its own file or folder.
    pub(super) path: PathBuf,
    /// The bytes of that.
    pub(super) size: u64,
    /// When it was last used.
    pub(super) used: i64,
    pub(super) holding: Holding,
    /// The blobs that it needs.
    blobs: Vec<Digest>,
}

#[derive(Debug, Default)]
struct Blob {
    size: u64,
    modified: i64,
    /// How many need it.
    holders: usize,
}

/// What is in a store.
#[derive(Debug, Default)]
pub(super) struct Census {
    pub(super) holders: Vec<Holder>,
    pub(super) roots: Vec<Root>,
    blobs: HashMap<Digest, Blob>,
}

/// What is needed, as keys or as digests of objects.
struct Needs {
    rooted: HashSet<Digest>,
    leased: HashSet<Digest>,
    /// Keys whose results are there.
    made: HashSet<Key>,
}

impl Needs {
    fn of(&self, key: &Key) -> Holding {
        if self.rooted.contains(key.digest()) {
            Holding::Root
        } else if self.leased.contains(key.digest()) {
            Holding::InUse
        } else {
            Holding::Nothing
        }
    }
}

impl Census {
    /// Counts everything. Only one who excludes lookups may act on it; one who may not write leaves the locks of the dead alone.
    pub(super) fn take(store: &Store, read_only: bool) -> Result<Self, StoreError> {
        let roots = store.roots()?;
        if let Some(root) = roots.iter().find(|root| root.damaged) {
            let fix = if root.pinned { "pin its results again or remove the pin" } else { "run that pipeline again" };
            return Err(StoreError::Invalid(format!("the record of what `{}` keeps is damaged: {fix} before collecting", root.title)));
        }
        let rooted = roots.iter().flat_map(|root| root.keys.values()).map(|key| *key.digest()).collect();
        let leased: HashSet<Digest> = store.leases()?.into_iter().chain(store.locked_keys(read_only)?).collect();
        let mut census = Census { blobs: blobs(store)?, roots, holders: Vec::new() };
        let mut needs = Needs { rooted, leased, made: HashSet::new() };
        census.results(store, &mut needs)?;
        // A root names the keys of work that failed, too.
        for root in &mut census.roots {
            root.keys.retain(|_, key| needs.made.contains(key));
        }
        census.checkpoints(store, &needs)?;
        census.parts(store)?;
        census.set_aside(store)?;
        for id in &needs.leased {
            for digest in with_files(store, id)? {
                census.hold(&digest);
            }
        }
        Ok(census)
    }

    fn results(&mut self, store: &Store, needs: &mut Needs) -> Result<(), StoreError> {
        for key in store.keys()? {
            let path = store.layout.entry(&key);
            let (Some(stat), Some(bytes)) = (fs::stat(&path)?, read_entry(&path)?) else { continue };
            let (instance, blobs) = match index::decode(&key, &bytes) {
                Decoded::Entry(entry) => {
                    needs.made.insert(key);
                    (Some(entry.instance.clone()), of_entry(store, &entry)?)
                }
                Decoded::OtherVersion(found) if found > ENTRY_VERSION => {
                    let message = format!(
                        "the store has results of a later planish (format version {found}), and which files they need is not known"
                    );
                    return Err(StoreError::Invalid(format!("{message}: collect with that planish")));
                }
                Decoded::OtherVersion(_) | Decoded::Damaged(_) => (None, Vec::new()),
            };
            let holding = needs.of(&key);
            self.push(Holder { what: Garbage::Result { key, instance }, path, size: stat.size, used: stat.modified, holding, blobs });
        }
        Ok(())
    }

    fn checkpoints(&mut self, store: &Store, needs: &Needs) -> Result<(), StoreError> {
        let folder = store.layout.all_checkpoints();
        for name in fs::list(&folder)? {
            let Some(key) = name.to_str().and_then(|name| name.parse::<Key>().ok()) else { continue };
            let path = folder.join(&name);
            let (size, used) = measure(&path)?;
            // Beside a finished result they are what a kill left. Whoever works with them now has the lock, and is asked before they go.
            let holding = if needs.made.contains(&key) && !needs.leased.contains(key.digest()) { Holding::Nothing } else { needs.of(&key) };
            self.push(Holder { what: Garbage::Checkpoints { key }, path, size, used, holding, blobs: Vec::new() });
        }
        Ok(())
    }

    fn parts(&mut self, store: &Store) -> Result<(), StoreError> {
        for pack in store.packs()? {
            let path = store.layout.part(&pack);
            let Some(stat) = fs::stat(&path)? else { continue };
            let (what, used) = (Garbage::Parts { pack }, stat.modified);
            self.push(Holder { what, path, size: 0, used, holding: Holding::Nothing, blobs: vec![pack] });
        }
        Ok(())
    }

    fn set_aside(&mut self, store: &Store) -> Result<(), StoreError> {
        for folder in [store.layout.objects().join(DAMAGED), store.layout.index().join(DAMAGED)] {
            if fs::stat(&folder)?.is_none() {
                continue;
            }
            for name in fs::list(&folder)? {
                let path = folder.join(name);
                let (size, used) = measure(&path)?;
                let what = Garbage::SetAside { path: path.clone() };
                self.push(Holder { what, path, size, used, holding: Holding::Nothing, blobs: Vec::new() });
            }
        }
        Ok(())
    }

    fn push(&mut self, holder: Holder) {
        for digest in &holder.blobs {
            if let Some(blob) = self.blobs.get_mut(digest) {
                blob.holders += 1;
            }
        }
        self.holders.push(holder);
    }

    fn hold(&mut self, digest: &Digest) {
        if let Some(blob) = self.blobs.get_mut(digest) {
            blob.holders += 1;
        }
    }

    /// How many bytes there are.
    pub(super) fn size(&self) -> u64 {
        let blobs: u64 = self.blobs.values().map(|blob| blob.size).sum();
        blobs + self.holders.iter().map(|holder| holder.size).sum::<u64>()
    }

    /// The blobs that nothing holds, and what their removal would be.
    pub(super) fn orphans(&self) -> (Vec<Digest>, Option<Removed>) {
        let orphans = || self.blobs.iter().filter(|(_, blob)| blob.holders == 0);
        let digests: Vec<Digest> = orphans().map(|(digest, _)| *digest).collect();
        let used = orphans().map(|(_, blob)| blob.modified).max();
        let bytes = orphans().map(|(_, blob)| blob.size).sum();
        let removed = used.map(|used| Removed { what: Garbage::Orphans { count: digests.len() }, bytes, used });
        (digests, removed)
    }

    /// Takes a holder's hands off its blobs: those that nothing holds now, and how many bytes go with it.
    pub(super) fn release(&mut self, index: usize) -> (Vec<Digest>, u64) {
        let Some(holder) = self.holders.get_mut(index) else { return (Vec::new(), 0) };
        let (mut freed, mut bytes) = (Vec::new(), holder.size);
        for digest in std::mem::take(&mut holder.blobs) {
            let Some(blob) = self.blobs.get_mut(&digest) else { continue };
            blob.holders = blob.holders.saturating_sub(1);
            if blob.holders == 0 {
                bytes += blob.size;
                freed.push(digest);
            }
        }
        (freed, bytes)
    }
}

/// All blobs that are there, whatever they hold.
fn blobs(store: &Store) -> Result<HashMap<Digest, Blob>, StoreError> {
    let mut blobs = HashMap::new();
    for (digest, path) in store.objects()? {
        if let Some(Stat { size, modified, kind: FileKind::Regular, .. }) = fs::stat(&path)? {
            blobs.insert(digest, Blob { size, modified, holders: 0 });
        }
    }
    Ok(blobs)
}

/// The blobs that a result needs, each once.
fn of_entry(store: &Store, entry: &Entry) -> Result<Vec<Digest>, StoreError> {
    let mut digests = HashSet::new();
    for output in entry.outputs.values() {
        digests.extend(with_files(store, output)?);
    }
    Ok(digests.into_iter().collect())
}

/// An object and, if it is an intact manifest, its files.
fn with_files(store: &Store, digest: &Digest) -> Result<Vec<Digest>, StoreError> {
    let mut digests = vec![*digest];
    if let Some(tree) = store.manifest_if_one(digest)? {
        digests.extend(tree.files.values().map(|file| file.digest));
    }
    Ok(digests)
}

/// The bytes of a file or folder, and when it last changed.
fn measure(path: &Path) -> Result<(u64, i64), StoreError> {
    let (mut size, mut used) = (0_u64, i64::MIN);
    let mut pending = vec![path.to_path_buf()];
    while let Some(path) = pending.pop() {
        let Some(stat) = fs::stat(&path)? else { continue };
        used = used.max(stat.modified);
        if stat.kind == FileKind::Folder {
            pending.extend(fs::list(&path)?.into_iter().map(|name| path.join(name)));
        } else {
            size = size.saturating_add(stat.size);
        }
    }
    Ok((size, used))
}
