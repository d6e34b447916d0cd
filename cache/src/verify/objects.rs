//! Objects, and the packs of the memo of pure parts.

use std::path::PathBuf;

use super::{Check, Fault, Repair, VerifyProgress};
use crate::fs::{self, FileKind, Stat};
use crate::parts::pack::{self, Header};
use crate::{Digest, Store, StoreError};

impl Check<'_> {
    /// Hashes every object.
    pub(super) fn objects(&mut self, progress: &mut dyn FnMut(VerifyProgress)) -> Result<(), StoreError> {
        let mut objects = Vec::new();
        for (digest, path) in self.store.objects()? {
            // A collection beside this may have removed it.
            objects.extend(fs::stat(&path)?.map(|stat| (digest, path, stat)));
        }
        let mut state = VerifyProgress { done: 0, total: objects.iter().map(|(_, _, stat)| stat.size).sum() };
        for (digest, path, stat) in objects {
            progress(state);
            self.object(digest, path, &stat);
            state.done += stat.size;
        }
        progress(state);
        Ok(())
    }

    fn object(&mut self, digest: Digest, path: PathBuf, stat: &Stat) {
        // Once more, in case that was a hiccup.
        match self.store.rehash(&digest, stat).or_else(|_| self.store.rehash(&digest, stat)) {
            Ok(Some(true)) => {
                self.verified.objects += 1;
                self.verified.bytes += stat.size;
            }
            Ok(Some(false)) => self.damaged(digest, path, stat),
            Ok(None) => {}
            // Where the disk can't give the bytes back, nothing will.
            Err(error) if fs::is_bad_sector(&error) => self.damaged(digest, path, stat),
            Err(error) => {
                self.unreadable.insert(digest);
                self.found(Fault::UnreadableBlob(digest), path, |_| Ok(Repair::Failed(error.to_string())));
            }
        }
    }

    fn damaged(&mut self, digest: Digest, path: PathBuf, stat: &Stat) {
        self.damaged.insert(digest);
        let judged = *stat;
        self.found(Fault::DamagedBlob(digest), path, |store| repair(store, &digest, &judged));
    }

    /// Looks for every pack's object, and for packs that lost their mark.
    pub(super) fn packs(&mut self) -> Result<(), StoreError> {
        let marked = self.store.packs()?;
        for pack in &marked {
            // Those were dealt with, or nothing is known of them.
            if self.damaged.contains(pack) || self.unreadable.contains(pack) {
                continue;
            }
            match pack::read_header(&self.store.layout.object(pack))? {
                Header::Intact(records) => self.verified.parts += records.len(),
                Header::Absent | Header::Damaged => {
                    let path = self.store.layout.part(pack);
                    self.found(Fault::LostParts(*pack), path.clone(), |_| fs::remove(&path).map(|()| Repair::Removed));
                }
            }
        }
        for (digest, _) in self.store.objects()? {
            if marked.binary_search(&digest).is_ok() || self.damaged.contains(&digest) {
                continue;
            }
            if let Ok(Header::Intact(records)) = pack::read_header(&self.store.layout.object(&digest)) {
                self.verified.parts += records.len();
                let path = self.store.layout.part(&digest);
                self.found(Fault::UnmarkedParts(digest), path, |store| store.mark_pack(&digest).map(|()| Repair::Rebuilt));
            }
        }
        Ok(())
    }
}

/// Sets a damaged object aside; what is intact in a pack is saved first.
fn repair(store: &Store, digest: &Digest, judged: &Stat) -> Result<Repair, StoreError> {
    if judged.kind == FileKind::Regular
        && fs::stat(&store.layout.part(digest))?.is_some()
        && let Some(moved) = store.parts().salvage(digest)?
    {
        return Ok(Repair::SetAside(moved));
    }
    let moved = store.put_blob_aside(digest, Some(judged))?;
    fs::remove(&store.layout.part(digest))?;
    Ok(moved.map_or(Repair::Rebuilt, Repair::SetAside))
}
