//! Records of results, roots, and files that can be derived.

use super::{Check, Fault, Repair};
use crate::entries::read_entry;
use crate::index::{self, Decoded, Entry};
use crate::memo::Memo;
use crate::snapshot::Snapshot;
use crate::{Digest, Key, Store, StoreError, fs};

impl Check<'_> {
    /// Reads every record and looks for what it needs.
    pub(super) fn entries(&mut self) -> Result<(), StoreError> {
        for key in self.store.keys()? {
            let path = self.store.layout.entry(&key);
            let bytes = match read_entry(&path) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => continue,
                Err(error) => {
                    let fault = Fault::DamagedEntry(key, "it can't be read".to_owned());
                    self.found(fault, path, |_| Ok(Repair::Failed(error.to_string())));
                    continue;
                }
            };
            let fault = match index::decode(&key, &bytes) {
                Decoded::OtherVersion(_) => {
                    self.verified.other_versions += 1;
                    continue;
                }
                Decoded::Entry(entry) if self.is_complete(&entry)? => {
                    self.verified.results += 1;
                    continue;
                }
                Decoded::Entry(entry) => Fault::IncompleteResult(key, entry.instance),
                Decoded::Damaged(reason) => Fault::DamagedEntry(key, reason),
            };
            // Somebody may have made it again since.
            if read_entry(&path)?.as_ref() == Some(&bytes) {
                self.found(fault, path, |store| set_aside(store, &key, &bytes));
            }
        }
        Ok(())
    }

    /// Whether all that a result needs is there; every object was hashed before.
    fn is_complete(&self, entry: &Entry) -> Result<bool, StoreError> {
        for output in entry.outputs.values() {
            if self.unreadable.contains(output) {
                continue;
            }
            let tree = if self.damaged.contains(output) { None } else { self.store.manifest_if_one(output)? };
            let Some(tree) = tree else { return Ok(false) };
            for file in tree.files.values() {
                if !self.is_there(&file.digest)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn is_there(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(!self.damaged.contains(digest) && self.store.seems_present(digest)?)
    }

    /// The files that only save time.
    pub(super) fn derived(&mut self) -> Result<(), StoreError> {
        let (memo, snapshot) = (self.store.layout.memo(), self.store.layout.snapshot());
        let intact = [Memo::is_intact(&memo), Snapshot::is_intact(&snapshot)];
        for ((fault, path), intact) in [(Fault::DamagedMemo, memo), (Fault::DamagedSnapshot, snapshot)].into_iter().zip(intact) {
            if !intact && fs::stat(&path)?.is_some() {
                // What is known by now is written; runs find out the rest again.
                self.found(fault, path.clone(), |store| {
                    fs::remove(&path)?;
                    store.save_memo()?;
                    Ok(Repair::Rebuilt)
                });
            }
        }
        Ok(())
    }

    /// What plans and pins keep can't be told from anything else.
    pub(super) fn roots(&mut self) -> Result<(), StoreError> {
        for root in self.store.roots()?.into_iter().filter(|root| root.damaged) {
            let fix = if root.pinned { "pin its results again, or remove the pin" } else { "run that pipeline again" };
            self.found(Fault::DamagedRoot(root.title), self.store.layout.roots(), |_| Ok(Repair::Failed(fix.to_owned())));
        }
        Ok(())
    }
}

fn set_aside(store: &Store, key: &Key, judged: &[u8]) -> Result<Repair, StoreError> {
    Ok(store.move_entry_aside(key, judged)?.map_or(Repair::Rebuilt, Repair::SetAside))
}
