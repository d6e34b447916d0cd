//! Removing what was chosen, in an order that an interruption can't hurt.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::census::{Census, Holder};
use super::{Chosen, Garbage};
use crate::{Digest, Key, Store, StoreError, fs};

impl Store {
    pub(super) fn sweep(&self, census: &Census, chosen: &Chosen) -> Result<(), StoreError> {
        let mut folders = BTreeSet::new();
        let index = self.index_lock()?;
        for (number, _) in &chosen.removed {
            let Some(holder) = census.holders.get(*number) else { continue };
            self.remove_holder(holder)?;
            folders.extend(holder.path.parent().map(PathBuf::from));
        }
        drop(index);
        // Blobs go only when it is sure that no record of them comes back after a power cut.
        for folder in folders {
            fs::sync_folder(&folder)?;
        }
        for digest in &chosen.blobs {
            fs::remove(&self.layout.object(digest))?;
        }
        Ok(())
    }

    fn remove_holder(&self, holder: &Holder) -> Result<(), StoreError> {
        let Garbage::Checkpoints { key } = &holder.what else { return fs::remove(&holder.path) };
        // Held while they go: nobody begins to work with half of them.
        match self.try_lock(key)? {
            Some(_lock) => fs::remove(&holder.path),
            None => Ok(()),
        }
    }

    /// The keys that somebody makes the results of now.
    pub(super) fn locked_keys(&self, read_only: bool) -> Result<Vec<Digest>, StoreError> {
        let mut keys = Vec::new();
        for name in fs::list(&self.layout.locks())? {
            let Some(key) = name.to_str().and_then(|name| name.parse::<Key>().ok()) else { continue };
            // Whose owner died is free, and gone after this if that may be.
            let locked = if read_only { fs::is_locked(&self.layout.lock(&key.to_string()))? } else { self.try_lock(&key)?.is_none() };
            if locked {
                keys.push(*key.digest());
            }
        }
        Ok(keys)
    }
}
