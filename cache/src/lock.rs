//! Locks that die with their owner.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::store::lock;
use crate::{StoreError, fs};

/// A held lock file. Dropping it, or the death of its process, frees the lock; dropping removes the file.
#[derive(Debug)]
pub(crate) struct Claim {
    path: PathBuf,
    /// The lock is on this open file: closing it frees the lock. `None` once it is a spare one.
    file: Option<File>,
}

impl Claim {
    /// Waits for the lock on `path`.
    pub(crate) fn wait(path: &Path) -> Result<Self, StoreError> {
        loop {
            let file = fs::open_lock(path)?;
            fs::lock(&file, path)?;
            if let Some(claim) = Self::check(file, path)? {
                return Ok(claim);
            }
        }
    }

    /// Takes the lock on `path` unless somebody has it.
    pub(crate) fn attempt(path: &Path) -> Result<Option<Self>, StoreError> {
        loop {
            let file = fs::open_lock(path)?;
            if !fs::try_lock(&file, path)? {
                return Ok(None);
            }
            if let Some(claim) = Self::check(file, path)? {
                return Ok(Some(claim));
            }
        }
    }

    /// Takes the lock on `path` with a spare file, if nothing is at `path`; `None` says only that it has to be tried otherwise.
    pub(crate) fn with(spare: Spare, path: &Path) -> Option<Self> {
        // Somebody who waited for its former lock may have it for a moment.
        if !fs::try_lock(&spare.file, &spare.path).ok()? || !fs::rename_new(&spare.path, path) {
            drop(fs::remove(&spare.path));
            return None;
        }
        Some(Claim { path: path.to_path_buf(), file: Some(spare.file) })
    }

    /// Frees the lock and keeps its file as `to`.
    fn set_aside(mut self, to: PathBuf) -> Option<Spare> {
        // Still locked here, so nobody else's file can be moved.
        fs::rename(&self.path, &to).ok()?;
        let file = self.file.take()?;
        file.unlock().ok()?;
        Some(Spare { path: to, file })
    }

    /// The claim, unless the file was removed by its last owner between opening and locking: then the lock is on nothing.
    fn check(file: File, path: &Path) -> Result<Option<Self>, StoreError> {
        let held = fs::stat_open(&file, path)?;
        let current = fs::stat(path)?;
        let same = current.is_some_and(|current| (current.device, current.inode) == (held.device, held.inode));
        Ok(same.then(|| Claim { path: path.to_path_buf(), file: Some(file) }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Still locked here, so nobody else's file can be removed. A file that stays is only untidy.
        if self.file.is_some() {
            let _ = fs::remove(&self.path);
        }
    }
}

/// A lock file that is under no lock's name at the moment. Making and removing a file for each of many short locks costs more than
/// renaming one.
#[derive(Debug)]
pub(crate) struct Spare {
    path: PathBuf,
    file: File,
}

/// Where a process keeps its spare lock file.
pub(crate) type SpareSlot = Arc<Mutex<Option<Spare>>>;

/// The lock of a key: its holder is the one who makes the key's result.
#[derive(Debug)]
pub struct KeyLock {
    claim: Option<Claim>,
    spare: SpareSlot,
    /// Where a spare lock file may be kept.
    folder: Option<PathBuf>,
}

impl KeyLock {
    /// Keeps a claim; when it is dropped its file goes to the private `folder`, if there is one, for the next claim.
    pub(crate) fn new(claim: Claim, spare: &SpareSlot, folder: Option<PathBuf>) -> Self {
        KeyLock { claim: Some(claim), spare: Arc::clone(spare), folder }
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        let (Some(claim), Some(folder)) = (self.claim.take(), &self.folder) else { return };
        let mut spare = lock(&self.spare);
        if spare.is_none() {
            *spare = claim.set_aside(folder.join("lock"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_claim_excludes_others_until_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let claim = Claim::wait(&path).unwrap();
        assert!(Claim::attempt(&path).unwrap().is_none());
        drop(claim);
        assert!(!path.exists());
        assert!(Claim::attempt(&path).unwrap().is_some());
    }

    #[test]
    fn only_one_of_many_is_inside_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let (inside, turns) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _claim = Claim::wait(&path).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        turns.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(turns.into_inner(), 200);
    }
}
