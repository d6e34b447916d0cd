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
        match self.store.rehash(&digest, stat) {
            Ok(Some(true)) => {
                self.verified.objects += 1;
                self.verified.bytes += stat.size;
            }
            Ok(Some(false)) => {
                self.damaged.insert(digest);
                let judged = *stat;
                self.found(Fault::DamagedBlob(digest), path, |store| repair(store, &digest, &judged));
            }
            Ok(None) => {}
            Err(error) => {
                self.damaged.insert(digest);
                self.found(Fault::DamagedBlob(digest), path, |_| Ok(Repair::Failed(error.to_string())));
            }
        }
    }

    /// Looks for every pack's object, and for packs that lost their mark.
    pub(super) fn packs(&mut self) -> Result<(), StoreError> {
        let marked = self.store.packs()?;
        for pack in &marked {
            match self.header(pack)? {
                Header::Intact(records) => self.verified.parts += records.len(),
                Header::Absent | Header::Damaged => {
                    let path = self.store.layout.part(pack);
                    let remove = |store: &Store| fs::remove(&store.layout.part(pack)).map(|()| Repair::Removed);
                    self.found(Fault::LostParts(*pack), path, remove);
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

    fn header(&self, pack: &Digest) -> Result<Header, StoreError> {
        if self.damaged.contains(pack) {
            return Ok(Header::Damaged);
        }
        pack::read_header(&self.store.layout.object(pack))
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
    Ok(store.put_blob_aside(digest, Some(judged))?.map_or(Repair::Rebuilt, Repair::SetAside))
}
