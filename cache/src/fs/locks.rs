//! Locks on open files, which die with their owner.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use super::{Action, Result, StoreError, failed, gate};

/// Opens the lock file `path`, making it if need be.
pub(crate) fn open_lock(path: &Path) -> Result<File> {
    gate(Action::Lock, path)?;
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    opened.map_err(failed(Action::Lock, path))
}

/// Opens the lock file `path` for a shared lock, which needs no right to write if it is there.
pub(crate) fn open_shared(path: &Path) -> Result<File> {
    gate(Action::Lock, path)?;
    match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => open_lock(path),
        outcome => outcome.map_err(failed(Action::Lock, path)),
    }
}

/// Whether somebody has the lock `path`; nothing is made or removed.
pub(crate) fn is_locked(path: &Path) -> Result<bool> {
    gate(Action::Lock, path)?;
    match File::open(path) {
        Ok(file) => Ok(!try_lock(&file, path)?),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(StoreError::new(Action::Lock, path, e)),
    }
}

/// Waits for a shared lock on `file`; see [`lock`].
pub(crate) fn lock_shared(file: &File, path: &Path) -> Result<()> {
    gate(Action::Lock, path)?;
    loop {
        match file.lock_shared() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome.map_err(failed(Action::Lock, path)),
        }
    }
}

/// Waits for the exclusive lock on `file`; it is free again when `file` is dropped or its owner dies.
pub(crate) fn lock(file: &File, path: &Path) -> Result<()> {
    gate(Action::Lock, path)?;
    loop {
        match file.lock() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome.map_err(failed(Action::Lock, path)),
        }
    }
}

/// Takes the exclusive lock on `file` if nobody has it; whether it was taken.
pub(crate) fn try_lock(file: &File, path: &Path) -> Result<bool> {
    gate(Action::Lock, path)?;
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(e)) => Err(StoreError::new(Action::Lock, path, e)),
    }
}
