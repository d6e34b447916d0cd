//! Blobs: bytes under their digest, read-only, verified on every read.

use std::path::{Path, PathBuf};

use crate::fs::{self, FileKind, Links, Stat, Temp};
use crate::{Digest, Notice, Store, StoreError};

/// Where damaged blobs and entries are kept, inside their folders.
pub(crate) const DAMAGED: &str = "damaged";
const LOCK: &str = "objects";
const READ_ONLY: u32 = 0o444;

/// What the file of a blob turned out to be.
enum Verdict {
    Absent,
    Intact,
    /// The disk does not give its bytes back now.
    Unreadable(StoreError),
    /// In this state it did not have the bytes that its name promises.
    Damaged(Stat),
}

/// A file taken into the store.
pub(crate) struct Ingested {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) executable: bool,
}

impl Store {
    /// Copies the regular file at `path` into the store (sharing disk blocks where the file system can).
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a link or a special file, [`StoreError::Changed`] when it changes meanwhile,
    /// [`StoreError::DiskFull`] and the like.
    pub fn ingest_file(&self, path: &Path) -> Result<Digest, StoreError> {
        self.ingest(path).map(|file| file.digest)
    }

    /// Puts `bytes` into the store.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] and the like.
    pub fn ingest_bytes(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        self.rely_on(&digest)?;
        if self.find_blob(&digest)?.is_none() {
            let mut temp = Temp::create(&self.temporaries()?)?;
            temp.write(bytes)?;
            self.place(temp, &digest)?;
        }
        self.settle()?;
        Ok(digest)
    }

    pub(crate) fn ingest(&self, path: &Path) -> Result<Ingested, StoreError> {
        let (mut file, before) = fs::open(path, Links::Refuse)?;
        let mut temp = Temp::create(&self.temporaries()?)?;
        // The digest is that of our private copy, so it is right whatever happens to the original.
        let digest = temp.copy(&mut file, path, before.size)?;
        let after = fs::stat_open(&file, path)?;
        if before != after {
            return Err(StoreError::Changed { path: path.to_path_buf() });
        }
        self.rely_on(&digest)?;
        if self.find_blob(&digest)?.is_none() {
            self.place(temp, &digest)?;
        }
        self.settle()?;
        Ok(Ingested { digest, size: before.size, executable: before.executable })
    }

    /// Like [`Store::ingest`], but takes the file itself where it can.
    pub(crate) fn take(&self, path: &Path) -> Result<Ingested, StoreError> {
        let (mut file, before) = fs::open(path, Links::Refuse)?;
        // Under another name it could still be written to.
        if fs::has_other_names(&file, path)? {
            return self.ingest(path);
        }
        let digest = fs::hash(&mut file, path, before.size)?;
        if fs::stat_open(&file, path)? != before {
            return Err(StoreError::Changed { path: path.to_path_buf() });
        }
        self.rely_on(&digest)?;
        if self.find_blob(&digest)?.is_none() && self.take_in(&file, path, &digest).is_err() {
            // It may be somebody else's, or on another file system; a copy is ours in any case.
            return self.ingest(path);
        }
        self.settle()?;
        Ok(Ingested { digest, size: before.size, executable: before.executable })
    }

    /// Makes a file visible as the blob `digest`, and as nothing else.
    fn take_in(&self, file: &std::fs::File, path: &Path, digest: &Digest) -> Result<(), StoreError> {
        let target = self.layout.object(digest);
        fs::set_mode(file, READ_ONLY, path)?;
        if self.syncs() {
            fs::sync(file, path)?;
        }
        let shard = make_shard(&target, self.syncs())?;
        let guard = self.exclusive(LOCK)?;
        fs::rename(path, &target)?;
        drop(guard);
        if self.syncs() { fs::sync_folder(&shard) } else { Ok(()) }
    }

    /// Makes a finished temporary file visible as the blob `digest`.
    fn place(&self, temp: Temp, digest: &Digest) -> Result<(), StoreError> {
        let path = self.layout.object(digest);
        temp.set_mode(READ_ONLY)?;
        if self.syncs() {
            temp.sync()?;
        }
        let shard = make_shard(&path, self.syncs())?;
        let guard = self.exclusive(LOCK)?;
        temp.publish(&path)?;
        drop(guard);
        if self.syncs() { fs::sync_folder(&shard) } else { Ok(()) }
    }

    /// Where the blob `digest` is, after verifying it; `None` when it is absent or was damaged and set aside.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the file system fails.
    pub fn blob(&self, digest: &Digest) -> Result<Option<PathBuf>, StoreError> {
        self.rely_on(digest)?;
        self.find_blob(digest)
    }

    /// Like [`Store::blob`], for one that a result or manifest holds which this process relies on already.
    pub(crate) fn find_blob(&self, digest: &Digest) -> Result<Option<PathBuf>, StoreError> {
        let path = self.layout.object(digest);
        loop {
            match self.judge(&path, digest)? {
                Verdict::Absent => return Ok(None),
                Verdict::Intact => return Ok(Some(path)),
                // It stays until it is made again: it may have been a hiccup.
                Verdict::Unreadable(error) => {
                    self.notice(Notice::UnreadableBlob { digest: *digest, reason: error.to_string() });
                    return Ok(None);
                }
                Verdict::Damaged(stat) => {
                    if self.set_blob_aside(&path, digest, &stat)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Whether something of the right name is there, unverified.
    pub(crate) fn seems_present(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(fs::stat(&self.layout.object(digest))?.is_some_and(|stat| stat.kind == FileKind::Regular))
    }

    fn judge(&self, path: &Path, digest: &Digest) -> Result<Verdict, StoreError> {
        let Some(stat) = fs::stat(path)? else { return Ok(Verdict::Absent) };
        if stat.kind != FileKind::Regular {
            return Ok(Verdict::Damaged(stat));
        }
        if self.memo().find(&stat) == Some(*digest) {
            return Ok(Verdict::Intact);
        }
        let started = fs::now();
        let found = match fs::hash_blob(path) {
            Ok(Some(found)) if found == *digest => found,
            Ok(None) => return Ok(Verdict::Absent),
            Err(e) if fs::is_bad_sector(&e) => return Ok(Verdict::Unreadable(e)),
            Err(e) => return Err(e),
            Ok(Some(_)) => return Ok(Verdict::Damaged(stat)),
        };
        if fs::stat(path)? == Some(stat) {
            self.memo().note(&stat, found, started);
        }
        Ok(Verdict::Intact)
    }

    /// Moves a damaged blob out of the way; `false` when somebody replaced it since it was judged.
    fn set_blob_aside(&self, path: &Path, digest: &Digest, judged: &Stat) -> Result<bool, StoreError> {
        let moved = match self.put_blob_aside(digest, Some(judged)) {
            Ok(None) => return Ok(false),
            Ok(Some(moved)) => moved,
            // In a store that we may not write to it stays, and is a miss all the same.
            Err(StoreError::NotWritable { .. }) => path.to_path_buf(),
            Err(e) => return Err(e),
        };
        self.notice(Notice::DamagedBlob { digest: *digest, moved });
        Ok(true)
    }
}

impl Store {
    /// The objects that are there and where, in order; they are not looked at.
    pub(crate) fn objects(&self) -> Result<Vec<(Digest, PathBuf)>, StoreError> {
        Ok(sharded(&self.layout.objects())?.into_iter().filter_map(|(name, path)| Some((name.parse().ok()?, path))).collect())
    }

    /// Moves what stands for the blob `digest` out of the way, whatever it is, or only if it is in the state in which it was `judged`; where it
    /// is now, or `None` when there was nothing to move.
    pub(crate) fn put_blob_aside(&self, digest: &Digest, judged: Option<&Stat>) -> Result<Option<PathBuf>, StoreError> {
        let path = self.layout.object(digest);
        let _guard = self.exclusive(LOCK)?;
        match fs::stat(&path)? {
            None => Ok(None),
            Some(stat) if judged.is_some_and(|judged| *judged != stat) => Ok(None),
            Some(_) => set_aside(&path, &self.layout.objects(), &digest.to_string()).map(Some),
        }
    }

    /// Whether the blob `digest` is there and intact; nothing is changed.
    pub(crate) fn is_intact(&self, digest: &Digest) -> Result<bool, StoreError> {
        match self.judge(&self.layout.object(digest), digest)? {
            Verdict::Unreadable(error) => Err(error),
            verdict => Ok(matches!(verdict, Verdict::Intact)),
        }
    }

    /// Whether what stands for the blob `digest` in state `stat` has the right bytes, whatever the stat memo says; `None` when it is gone.
    pub(crate) fn rehash(&self, digest: &Digest, stat: &Stat) -> Result<Option<bool>, StoreError> {
        self.memo().forget(stat);
        match self.judge(&self.layout.object(digest), digest)? {
            Verdict::Absent => Ok(None),
            Verdict::Intact => Ok(Some(true)),
            Verdict::Unreadable(error) => Err(error),
            Verdict::Damaged(_) => Ok(Some(false)),
        }
    }
}

/// The folder of `path`, made if need be, and with `sync` on the disk.
pub(crate) fn make_shard(path: &Path, sync: bool) -> Result<PathBuf, StoreError> {
    let shard = path.parent().unwrap_or(path).to_path_buf();
    if fs::create_folder(&shard)?
        && sync
        && let Some(parent) = shard.parent()
    {
        fs::sync_folder(parent)?;
    }
    Ok(shard)
}

/// The names in `parent/ab/cdef…` put together (`abcdef…`) and where they are, in order.
pub(crate) fn sharded(parent: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let mut found = Vec::new();
    for shard in fs::list(parent)? {
        let Some(shard) = shard.to_str().filter(|shard| *shard != DAMAGED) else { continue };
        let folder = parent.join(shard);
        if fs::stat(&folder)?.is_none_or(|stat| stat.kind != FileKind::Folder) {
            continue;
        }
        for name in fs::list(&folder)? {
            found.extend(name.to_str().map(|rest| (format!("{shard}{rest}"), folder.join(rest))));
        }
    }
    Ok(found)
}

/// Moves `path` to `folder/damaged/NAME-TIME`, and says where it is now.
pub(crate) fn set_aside(path: &Path, folder: &Path, name: &str) -> Result<PathBuf, StoreError> {
    let damaged = folder.join(DAMAGED);
    fs::create_folder(&damaged)?;
    let moved = damaged.join(format!("{name}-{}", fs::now()));
    fs::rename(path, &moved)?;
    Ok(moved)
}
