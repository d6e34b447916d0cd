//! Test-only: disk accesses that fail, tear, or are the last ones, at the n-th call on this thread.
//!
//! Every access in `fs.rs` passes a gate. A test runs an operation with a fault at call 0, 1, 2, … until the
//! operation needs fewer calls than that, and looks at the store after each.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails; later ones work.
    Fail(Errno),
    /// If it writes, half of the bytes are written. It fails; later ones work.
    Torn(Errno),
    /// Neither it nor any later one happens, but that half of the bytes are written: the process stopped.
    Stop,
    /// As `Stop`, and the machine loses what was not flushed.
    PowerCut(Loss),
    /// The process is killed, after half of the bytes if it writes.
    Kill,
}

/// What a machine that stops loses of what was not flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The bytes of files, but not their names.
    Data,
    /// New names, removals and moves.
    Names,
}

/// A change of names that is not on the disk yet, with what undoes it.
#[derive(Debug)]
enum Change {
    /// Something came to be at `to`, in place of these bytes and permissions.
    Replaced {
        to: PathBuf,
        before: Option<(Vec<u8>, u32)>,
    },
    Moved {
        from: PathBuf,
        to: PathBuf,
    },
}

#[derive(Debug)]
struct Injector {
    fault: Fault,
    /// How many calls still work.
    left: u64,
    fired: bool,
    dirty: HashSet<(u64, u64)>,
    changes: Vec<Change>,
}

thread_local! {
    static INJECTOR: RefCell<Option<Injector>> = const { RefCell::new(None) };
}

/// Runs `operation` with `fault` at its call number `call`; what it came to, and whether it came to the fault. `folder` is where
/// a power cut loses things.
pub(crate) fn inject<T>(fault: Fault, call: u64, folder: &Path, operation: impl FnOnce() -> T) -> (T, bool) {
    let injector = Injector { fault, left: call, fired: false, dirty: HashSet::new(), changes: Vec::new() };
    INJECTOR.set(Some(injector));
    let outcome = operation();
    let injector = INJECTOR.take().unwrap();
    let fired = injector.fired;
    if let Fault::PowerCut(loss) = fault {
        injector.lose(loss, folder);
    }
    (outcome, fired)
}

/// Whether a fault happens at this call; if so, what it is.
fn strike() -> Option<Fault> {
    INJECTOR.with_borrow_mut(|injector| {
        let injector = injector.as_mut()?;
        if injector.fired {
            return matches!(injector.fault, Fault::Stop | Fault::PowerCut(_)).then_some(injector.fault);
        }
        if injector.left > 0 {
            injector.left -= 1;
            return None;
        }
        injector.fired = true;
        Some(injector.fault)
    })
}

fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::Fail(errno) | Fault::Torn(errno) => errno.into(),
        Fault::Stop | Fault::PowerCut(_) => io::Error::other("this process has stopped"),
        Fault::Kill => {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
            // The signal may take a moment.
            std::thread::sleep(std::time::Duration::from_mins(1));
            unreachable!("killed")
        }
    }
}

/// The gate of any access.
pub(crate) fn at() -> io::Result<()> {
    strike().map_or(Ok(()), |fault| Err(error(fault)))
}

/// The gate of a write of `bytes` to `file`.
pub(crate) fn at_write(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    let fault = strike();
    if matches!(fault, Some(Fault::Torn(_) | Fault::Stop | Fault::PowerCut(_) | Fault::Kill)) {
        file.write_all(&bytes[..bytes.len() / 2])?;
    }
    with(|injector| {
        injector.dirty.insert(identity(file));
    });
    fault.map_or(Ok(()), |fault| Err(error(fault)))
}

/// The bytes of `file` are on the disk.
pub(crate) fn synced(file: &File) {
    with(|injector| {
        injector.dirty.remove(&identity(file));
    });
}

/// Everything is on the disk.
pub(crate) fn synced_all() {
    with(|injector| {
        injector.dirty.clear();
        injector.changes.clear();
    });
}

/// The names in `folder` are on the disk.
pub(crate) fn synced_folder(folder: &Path) {
    with(|injector| {
        let flushed = |path: &Path| path.parent() == Some(folder);
        for change in &mut injector.changes {
            // What is gone from its old folder for good may not have come to the new one yet.
            if let Change::Moved { from, to } = change
                && flushed(from)
            {
                *change = Change::Replaced { to: to.clone(), before: None };
            }
        }
        injector.changes.retain(|change| match change {
            Change::Replaced { to, .. } | Change::Moved { to, .. } => !flushed(to),
        });
    });
}

/// A file is about to come to be at `to`, or what is there to be removed.
pub(crate) fn replaces(to: &Path) {
    with(|injector| {
        let before = std::fs::symlink_metadata(to).ok().filter(std::fs::Metadata::is_file);
        let before = before.map(|metadata| (std::fs::read(to).unwrap(), metadata.permissions().mode()));
        injector.changes.push(Change::Replaced { to: to.to_path_buf(), before });
    });
}

/// `from` was moved to `to`.
pub(crate) fn moved(from: &Path, to: &Path) {
    with(|injector| injector.changes.push(Change::Moved { from: from.to_path_buf(), to: to.to_path_buf() }));
}

fn with(note: impl FnOnce(&mut Injector)) {
    INJECTOR.with_borrow_mut(|injector| {
        if let Some(injector) = injector.as_mut().filter(|injector| matches!(injector.fault, Fault::PowerCut(_))) {
            note(injector);
        }
    });
}

fn identity(file: &File) -> (u64, u64) {
    let metadata = file.metadata().unwrap();
    (metadata.dev(), metadata.ino())
}

impl Injector {
    fn lose(self, loss: Loss, folder: &Path) {
        if loss == Loss::Data {
            return forget_bytes(folder, &self.dirty);
        }
        for change in self.changes.into_iter().rev() {
            match change {
                Change::Replaced { to, before: None } => drop(std::fs::remove_file(to)),
                Change::Replaced { to, before: Some((bytes, mode)) } => {
                    drop(std::fs::remove_file(&to));
                    if std::fs::write(&to, bytes).is_ok() {
                        std::fs::set_permissions(&to, PermissionsExt::from_mode(mode)).unwrap();
                    }
                }
                Change::Moved { from, to } => drop(std::fs::rename(to, from)),
            }
        }
    }
}

/// Fills the second half of every file that was not flushed with zeros, as file systems do that write sizes first.
fn forget_bytes(folder: &Path, dirty: &HashSet<(u64, u64)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            forget_bytes(&path, dirty);
        } else if metadata.is_file() && dirty.contains(&(metadata.dev(), metadata.ino())) {
            let mut bytes = std::fs::read(&path).unwrap();
            let half = bytes.len() / 2;
            bytes[half..].fill(0);
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, metadata.permissions()).unwrap();
        }
    }
}
