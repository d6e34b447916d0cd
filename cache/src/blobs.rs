//! Blobs: bytes under their digest, read-only, verified on every read.

use std::path::{Path, PathBuf};

use crate::fs::{self, FileKind, Links, Stat, Temp};
use crate::store::lock;
use crate::{Digest, Notice, Store, StoreError};

/// Where damaged blobs and entries are kept, inside their folders.
pub(crate) const DAMAGED: &str = "damaged";
const LOCK: &str = "objects";
const READ_ONLY: u32 = 0o444;

/// What the file of a blob turned out to be.
enum Verdict {
    Absent,
    Intact,
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
        if self.blob(&digest)?.is_none() {
            let mut temp = Temp::create(&self.temporaries()?)?;
            temp.write(bytes)?;
            self.place(temp, &digest)?;
        }
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
        if self.blob(&digest)?.is_none() {
            self.place(temp, &digest)?;
        }
        Ok(Ingested { digest, size: before.size, executable: before.executable })
    }

    /// Makes a finished temporary file visible as the blob `digest`.
    fn place(&self, temp: Temp, digest: &Digest) -> Result<(), StoreError> {
        let path = self.layout.object(digest);
        temp.set_mode(READ_ONLY)?;
        temp.sync()?;
        let shard = make_shard(&path)?;
        let guard = self.exclusive(LOCK)?;
        temp.publish(&path)?;
        drop(guard);
        fs::sync_folder(&shard)
    }

    /// Where the blob `digest` is, after verifying it; `None` when it is absent or was damaged and set aside.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the file system fails.
    pub fn blob(&self, digest: &Digest) -> Result<Option<PathBuf>, StoreError> {
        let path = self.layout.object(digest);
        loop {
            match self.judge(&path, digest)? {
                Verdict::Absent => return Ok(None),
                Verdict::Intact => return Ok(Some(path)),
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
        if lock(&self.memo).find(&stat) == Some(*digest) {
            return Ok(Verdict::Intact);
        }
        let started = fs::now();
        let found = match fs::hash_blob(path, stat.size) {
            Ok(Some(found)) if found == *digest => found,
            Ok(None) => return Ok(Verdict::Absent),
            Err(e) if !fs::is_bad_sector(&e) => return Err(e),
            Ok(Some(_)) | Err(_) => return Ok(Verdict::Damaged(stat)),
        };
        if fs::stat(path)? == Some(stat) {
            lock(&self.memo).note(&stat, found, started);
        }
        Ok(Verdict::Intact)
    }

    /// Moves a damaged blob out of the way; `false` when somebody replaced it since it was judged.
    fn set_blob_aside(&self, path: &Path, digest: &Digest, judged: &Stat) -> Result<bool, StoreError> {
        let move_away = || {
            let _guard = self.exclusive(LOCK)?;
            if fs::stat(path)?.as_ref() != Some(judged) {
                return Ok(None);
            }
            set_aside(path, &self.layout.objects(), &digest.to_string()).map(Some)
        };
        let moved = match move_away() {
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
    /// Moves whatever stands for the blob `digest` out of the way, and says where it is now; `None` when nothing is there.
    pub(crate) fn put_blob_aside(&self, digest: &Digest) -> Result<Option<PathBuf>, StoreError> {
        let path = self.layout.object(digest);
        let _guard = self.exclusive(LOCK)?;
        if fs::stat(&path)?.is_none() {
            return Ok(None);
        }
        set_aside(&path, &self.layout.objects(), &digest.to_string()).map(Some)
    }
}

/// The folder of `path`, made if need be and on the disk.
pub(crate) fn make_shard(path: &Path) -> Result<PathBuf, StoreError> {
    let shard = path.parent().unwrap_or(path).to_path_buf();
    if fs::create_folder(&shard)?
        && let Some(parent) = shard.parent()
    {
        fs::sync_folder(parent)?;
    }
    Ok(shard)
}

/// Moves `path` to `folder/damaged/NAME-TIME`, and says where it is now.
pub(crate) fn set_aside(path: &Path, folder: &Path, name: &str) -> Result<PathBuf, StoreError> {
    let damaged = folder.join(DAMAGED);
    fs::create_folder(&damaged)?;
    let moved = damaged.join(format!("{name}-{}", fs::now()));
    fs::rename(path, &moved)?;
    Ok(moved)
}
