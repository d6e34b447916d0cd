//! Files that are not visible under their final names yet.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tempfile::NamedTempFile;

use super::{Action, Result, StoreError, digest_into, failed, gate, hash, sync_folder, write_all};
use crate::Digest;

/// How the names of temporary files begin.
pub(crate) const TEMPORARY: &str = ".planish-";

/// A file that is not visible under its final name yet; removed when dropped.
pub(crate) struct Temp(NamedTempFile);

impl Temp {
    /// A new empty file in `folder`.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        gate(Action::Create, folder)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMPORARY).permissions(Permissions::from_mode(0o666));
        builder.tempfile_in(folder).map(Temp).map_err(failed(Action::Create, folder))
    }

    /// Appends `bytes`.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        write_all(self.0.as_file(), bytes, self.0.path())
    }

    /// Makes the empty file share the disk blocks of `source`; whether the file system can.
    pub(crate) fn share(&self, source: &File) -> bool {
        self.clone_blocks(source)
    }

    /// Fills the empty file with the bytes of `source`, sharing the disk blocks where the file system can; the digest of what it holds now.
    pub(crate) fn copy(&mut self, source: &mut File, path: &Path, size: u64) -> Result<Digest> {
        if self.clone_blocks(source) {
            let mut copy = self.0.reopen().map_err(failed(Action::Read, self.0.path()))?;
            return hash(&mut copy, self.0.path(), size);
        }
        self.copy_bytes(source, path, size)
    }

    /// Appends the bytes of `source`; their digest.
    pub(crate) fn copy_bytes(&mut self, source: &mut File, path: &Path, size: u64) -> Result<Digest> {
        digest_into(source, path, size, |chunk| self.write(chunk))
    }

    #[cfg(target_os = "linux")]
    fn clone_blocks(&self, source: &File) -> bool {
        rustix::fs::ioctl_ficlone(self.0.as_file(), source).is_ok()
    }

    #[cfg(not(target_os = "linux"))]
    fn clone_blocks(&self, _: &File) -> bool {
        false
    }

    /// Sets the permission bits.
    pub(crate) fn set_mode(&self, mode: u32) -> Result<()> {
        gate(Action::Write, self.0.path())?;
        self.0.as_file().set_permissions(Permissions::from_mode(mode)).map_err(failed(Action::Write, self.0.path()))
    }

    /// The owner's execute bit and whoever else may read.
    pub(crate) fn set_executable(&self) -> Result<()> {
        gate(Action::Examine, self.0.path())?;
        let mode = self.0.as_file().metadata().map_err(failed(Action::Examine, self.0.path()))?.mode();
        self.set_mode((mode | ((mode & 0o444) >> 2)) & 0o777)
    }

    /// Waits until the bytes are on the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        gate(Action::Sync, self.0.path())?;
        self.0.as_file().sync_all().map_err(failed(Action::Sync, self.0.path()))?;
        #[cfg(test)]
        crate::fault::synced(self.0.as_file());
        Ok(())
    }

    /// Makes it visible as `path`, in place of what is there; a link there is replaced, not followed.
    pub(crate) fn publish(self, path: &Path) -> Result<()> {
        gate(Action::Rename, self.0.path())?;
        #[cfg(test)]
        crate::fault::replaces(path);
        self.0.persist(path).map(drop).map_err(|e| StoreError::new(Action::Rename, path, e.error))
    }
}

/// Makes `path` another name of the file `source`, in place of what is there; `false` when that has as many names as it can.
pub(crate) fn link(source: &Path, path: &Path) -> Result<bool> {
    gate(Action::Create, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    // A name of its own first, so that what is there is replaced at once.
    let made = tempfile::Builder::new().prefix(TEMPORARY).make_in(folder, |temporary| std::fs::hard_link(source, temporary));
    let link = match made {
        Ok(link) => link.into_temp_path(),
        Err(e) if e.kind() == io::ErrorKind::TooManyLinks => return Ok(false),
        Err(e) if e.kind() == io::ErrorKind::CrossesDevices => {
            return Err(StoreError::refused(path, "it is on another file system than the store, where hard links can't lead"));
        }
        Err(e) => return Err(StoreError::new(Action::Create, path, e)),
    };
    let temporary = link.to_path_buf();
    link.persist(path).map_err(|e| StoreError::new(Action::Rename, path, e.error))?;
    // A rename leaves two names of one file as they are.
    match std::fs::remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::new(Action::Remove, &temporary, e)),
        _ => Ok(true),
    }
}

/// Writes `bytes` to `path`: a temporary file in `by`, on the same file system, then fsync, rename, fsync of the folder.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8], by: &Path) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temp = Temp::create(by)?;
    temp.write(bytes)?;
    temp.sync()?;
    temp.publish(path)?;
    sync_folder(folder)
}
