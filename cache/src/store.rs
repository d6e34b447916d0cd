//! The store itself: opening it, its locks, folders and memo. Blobs, folders and entries have files of their own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rayon::prelude::*;

use crate::layout::{LOCKS, Layout};
use crate::lease::Lease;
use crate::lock::{Claim, SpareSlot};
use crate::memo::Memo;
use crate::snapshot::Snapshot;
use crate::{Digest, Key, KeyLock, Notice, Scratch, StoreError, fs, scratch};

/// How often a file that changes while it is read is read anew.
const ATTEMPTS: u32 = 3;

/// A content-addressed store in a folder. One value serves all threads of a process; several processes may
/// have the same folder open.
#[derive(Debug)]
pub struct Store {
    pub(crate) layout: Layout,
    /// Read when first asked: that of a million files takes a moment.
    memo: OnceLock<Mutex<Memo>>,
    /// Read when first asked: most processes look few results up.
    snapshot: OnceLock<Mutex<Snapshot>>,
    notices: Mutex<Vec<Notice>>,
    /// Where this process keeps its temporary files; made when first needed.
    private: Mutex<Option<Scratch>>,
    pub(crate) lease: Mutex<Lease>,
    spare: SpareSlot,
    /// Whether results may reach the disk later; see [`Store::defer_syncs`].
    deferred: AtomicBool,
}

impl Store {
    /// Opens the store in the folder `root` (usually `.planish`), making it if the folder is absent or empty, and
    /// removes what dead processes left in it.
    ///
    /// # Errors
    /// [`StoreError::NotAStore`], [`StoreError::VersionTooNew`], or what the file system says. A complete store
    /// opens without the right to write.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let layout = Layout::open(root)?;
        // Leftovers that can't be removed now do no harm.
        let _ = scratch::sweep(&layout.tmp(), LOCKS);
        Ok(Store {
            layout,
            memo: OnceLock::new(),
            snapshot: OnceLock::new(),
            notices: Mutex::default(),
            private: Mutex::default(),
            lease: Mutex::default(),
            spare: SpareSlot::default(),
            deferred: AtomicBool::new(false),
        })
    }

    /// The store's folder, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// The digest of any file's bytes; a link is followed. An unchanged file that was hashed before costs one stat.
    ///
    /// # Errors
    /// [`StoreError::Refused`] unless it is a regular file, [`StoreError::Changed`] when it keeps changing, [`StoreError::Io`].
    pub fn hash_file(&self, path: &Path) -> Result<Digest, StoreError> {
        if let Some(stat) = fs::stat_target(path)?
            && let Some(digest) = self.memo().find(&stat)
        {
            return Ok(digest);
        }
        for _ in 0..ATTEMPTS {
            let started = fs::now();
            let (mut file, before) = fs::open(path, fs::Links::Follow)?;
            let digest = fs::hash(&mut file, path, before.size)?;
            let after = fs::stat_open(&file, path)?;
            if before == after {
                self.memo().note(&after, digest, started);
                return Ok(digest);
            }
        }
        Err(StoreError::Changed { path: path.to_path_buf() })
    }

    /// The digests of many files, in their order, hashed on all threads. Each costs what [`Store::hash_file`] says.
    #[must_use]
    pub fn hash_files<P: AsRef<Path> + Sync>(&self, paths: &[P]) -> Vec<Result<Digest, StoreError>> {
        if let [path] = paths {
            // Handing one file to other threads takes longer than knowing its digest.
            return vec![self.hash_file(path.as_ref())];
        }
        paths.par_iter().map(|path| self.hash_file(path.as_ref())).collect()
    }

    /// Waits for the lock of `key`. Whoever makes the key's result holds it; it is free again when dropped and
    /// when its process dies.
    ///
    /// # Errors
    /// [`StoreError::NotWritable`] and the like.
    pub fn lock(&self, key: &Key) -> Result<KeyLock, StoreError> {
        Claim::wait(&self.layout.lock(&key.to_string())).map(|claim| self.key_lock(claim))
    }

    /// The lock of `key`, or `None` when somebody has it.
    ///
    /// # Errors
    /// [`StoreError::NotWritable`] and the like.
    pub fn try_lock(&self, key: &Key) -> Result<Option<KeyLock>, StoreError> {
        let path = self.layout.lock(&key.to_string());
        let spare = lock(&self.spare).take();
        if let Some(claim) = spare.and_then(|spare| Claim::with(spare, &path)) {
            return Ok(Some(self.key_lock(claim)));
        }
        Ok(Claim::attempt(&path)?.map(|claim| self.key_lock(claim)))
    }

    fn key_lock(&self, claim: Claim) -> KeyLock {
        KeyLock::new(claim, &self.spare, self.temporaries().ok())
    }

    /// The folder for the checkpoints of `key`, made if need be. Use it only while holding the key's lock.
    ///
    /// # Errors
    /// [`StoreError::NotWritable`] and the like.
    pub fn checkpoints(&self, key: &Key) -> Result<PathBuf, StoreError> {
        let path = self.layout.checkpoints(key);
        fs::create_folder(&path)?;
        Ok(path)
    }

    /// Removes the checkpoints of `key`; none is fine.
    ///
    /// # Errors
    /// [`StoreError::NotWritable`] and the like.
    pub fn remove_checkpoints(&self, key: &Key) -> Result<(), StoreError> {
        fs::remove(&self.layout.checkpoints(key))
    }

    /// A new private temporary folder on the store's file system.
    ///
    /// # Errors
    /// [`StoreError::NotWritable`] and the like.
    pub fn scratch(&self) -> Result<Scratch, StoreError> {
        Scratch::create(&self.layout.tmp())
    }

    /// The folder for the logs of runs.
    #[must_use]
    pub fn runs_dir(&self) -> PathBuf {
        self.layout.runs()
    }

    /// The bytes of any small file: nothing larger than `limit` is read into memory, and no link, pipe or device is followed or waited
    /// for. `None` when nothing is there.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a larger file, [`StoreError::Refused`] for what is no regular file, [`StoreError::Io`].
    pub fn read_bounded(&self, path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        fs::read(path, limit)
    }

    /// Writes `bytes` to any `path`: temporary file, fsync, rename. A link at `path` is replaced, not followed.
    ///
    /// # Errors
    /// [`StoreError::NotWritable`], [`StoreError::DiskFull`] and the like; what was at `path` is still there then.
    pub fn write_atomic(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // What a kill leaves in the store's own folder is swept; it will do wherever it is on the same file system.
        let same_disk = |other: &Path| {
            Ok::<bool, StoreError>(fs::stat_target(other)?.map(|stat| stat.device) == fs::stat_target(folder)?.map(|stat| stat.device))
        };
        match self.temporaries() {
            Ok(private) if same_disk(&private)? => fs::write_atomic(path, bytes, &private),
            Ok(_) | Err(StoreError::NotWritable { .. }) => fs::write_atomic(path, bytes, folder),
            Err(error) => Err(error),
        }
    }

    /// Like [`Store::write_atomic`], but the bytes need not be on the disk when it returns: for what can be made again, and says itself
    /// whether it is whole.
    ///
    /// # Errors
    /// [`StoreError::NotWritable`], [`StoreError::DiskFull`] and the like.
    pub fn write_volatile(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let mut temp = fs::Temp::create(&self.temporaries()?)?;
        temp.write(bytes)?;
        temp.publish(path)
    }

    /// From now on results that this process makes are not flushed to the disk one by one: somebody calls [`Store::sync_all`] before they
    /// are reported as kept. A machine that stops before that may lose them, and never serves anything wrong: every read is verified.
    /// Does nothing where the system can't flush a whole file system.
    pub fn defer_syncs(&self) {
        self.deferred.store(cfg!(target_os = "linux"), Ordering::Relaxed);
    }

    /// Waits until everything in the store is on the disk, whichever process wrote it.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the disk fails.
    pub fn sync_all(&self) -> Result<(), StoreError> {
        fs::sync_all(self.root())
    }

    /// Whether each result is flushed to the disk when it is made.
    pub(crate) fn syncs(&self) -> bool {
        !self.deferred.load(Ordering::Relaxed)
    }

    /// What was noticed and treated as a miss since the last call.
    #[must_use]
    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut *lock(&self.notices))
    }

    pub(crate) fn notice(&self, notice: Notice) {
        let mut notices = lock(&self.notices);
        if !notices.contains(&notice) {
            notices.push(notice);
        }
    }

    /// Writes the stat memo and the index snapshot if they have news. Dropping the store does it as well; a process that ends by
    /// `std::process::exit` calls this first, or verifies anew next time.
    ///
    /// # Errors
    /// [`StoreError::NotWritable`] and the like.
    pub fn save_memo(&self) -> Result<(), StoreError> {
        if let Some(memo) = self.memo.get() {
            let mut memo = lock(memo);
            if memo.has_news() {
                memo.save(&self.layout.memo(), &self.temporaries()?)?;
            }
        }
        let Some(snapshot) = self.snapshot.get() else { return Ok(()) };
        let mut snapshot = lock(snapshot);
        if snapshot.has_news() { snapshot.save(&self.layout.snapshot(), &self.temporaries()?) } else { Ok(()) }
    }

    /// The stat memo.
    pub(crate) fn memo(&self) -> MutexGuard<'_, Memo> {
        lock(self.memo.get_or_init(|| Mutex::new(Memo::load(&self.layout.memo()))))
    }

    /// The index snapshot.
    pub(crate) fn snapshot(&self) -> MutexGuard<'_, Snapshot> {
        lock(self.snapshot.get_or_init(|| Mutex::new(Snapshot::load(&self.layout.snapshot()))))
    }

    /// The folder for this process's temporary files.
    pub(crate) fn temporaries(&self) -> Result<PathBuf, StoreError> {
        let mut private = lock(&self.private);
        if let Some(scratch) = private.as_ref() {
            return Ok(scratch.path().to_path_buf());
        }
        let scratch = self.scratch()?;
        let path = scratch.path().to_path_buf();
        *private = Some(scratch);
        Ok(path)
    }

    /// Excludes other processes and threads from changing one part of the store, until dropped.
    pub(crate) fn exclusive(&self, part: &str) -> Result<std::fs::File, StoreError> {
        let path = self.layout.lock(part);
        let file = fs::open_lock(&path)?;
        fs::lock(&file, &path)?;
        Ok(file)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The memo only saves time.
        let _ = self.save_memo();
    }
}

/// The value inside `mutex`. No code here leaves it half-changed, so a panic elsewhere does not spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
