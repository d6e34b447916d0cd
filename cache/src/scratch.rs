//! Private temporary folders, and the removal of those whose owner died.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::lock::Claim;
use crate::{StoreError, fs};

const LOCK: &str = ".lock";

/// A temporary folder of this process alone, on the store's file system; removed when dropped, and swept
/// by the next one who opens the store if this process dies.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    _claim: Claim,
}

impl Scratch {
    /// Makes one in the folder `parent`.
    pub(crate) fn create(parent: &Path) -> Result<Self, StoreError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}-{count}-{:x}", std::process::id(), fs::now());
            // The lock comes first, so a folder without one has no owner.
            let Some(claim) = Claim::attempt(&parent.join(format!("{name}{LOCK}")))? else { continue };
            let path = parent.join(name);
            if fs::create_folder(&path)? {
                return Ok(Scratch { path, _claim: claim });
            }
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can't be removed now is swept later.
        let _ = fs::remove(&self.path);
    }
}

/// Removes what dead processes left in the folder `parent`, except `keep`.
pub(crate) fn sweep(parent: &Path, keep: &str) -> Result<(), StoreError> {
    for name in fs::list(parent)? {
        let Some(name) = name.to_str().filter(|name| *name != keep) else { continue };
        let owned = name.strip_suffix(LOCK).unwrap_or(name);
        let lock = parent.join(format!("{owned}{LOCK}"));
        if let Some(claim) = Claim::attempt(&lock)? {
            fs::remove(&parent.join(owned))?;
            drop(claim);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_folder_lives_as_long_as_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(parent.path()).unwrap();
        let other = Scratch::create(parent.path()).unwrap();
        assert_ne!(scratch.path(), other.path());
        std::fs::write(scratch.path().join("file"), "x").unwrap();
        sweep(parent.path(), "locks").unwrap();
        assert!(scratch.path().join("file").exists());
        let path = scratch.path().to_path_buf();
        drop(scratch);
        assert!(!path.exists());
        assert!(other.path().exists());
        drop(other);
        assert!(fs::list(parent.path()).unwrap().is_empty());
    }

    #[test]
    fn leftovers_are_swept_and_links_in_them_are_not_followed() {
        let parent = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("kept"), "x").unwrap();
        let left = parent.path().join("123-0-ff");
        std::fs::create_dir_all(left.join("deep")).unwrap();
        std::os::unix::fs::symlink(outside.path(), left.join("deep/link")).unwrap();
        std::fs::write(parent.path().join("123-0-ff.lock"), "").unwrap();
        std::fs::create_dir(parent.path().join("no-lock")).unwrap();
        std::fs::create_dir(parent.path().join("locks")).unwrap();
        sweep(parent.path(), "locks").unwrap();
        assert_eq!(fs::list(parent.path()).unwrap(), ["locks"]);
        assert!(outside.path().join("kept").exists());
    }
}
