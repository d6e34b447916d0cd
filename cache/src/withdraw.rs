//! Taking a result back.

use crate::{Key, Store, StoreError, fs};

impl Store {
    /// Makes `key` a key without a result, whatever its entry says; the blobs stay until they are collected. Whether there was an entry.
    ///
    /// # Errors
    /// [`StoreError::NotWritable`] and the like.
    pub fn withdraw(&self, key: &Key) -> Result<bool, StoreError> {
        let _guard = self.index_lock()?;
        let path = self.layout.entry(key);
        if fs::stat(&path)?.is_none() {
            return Ok(false);
        }
        fs::remove(&path)?;
        if let Some(shard) = path.parent() {
            fs::sync_folder(shard)?;
        }
        Ok(true)
    }
}
