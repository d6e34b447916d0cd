//! What went wrong with the store, where, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What was being done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Reading its bytes.
    Read,
    /// Reading its metadata.
    Examine,
    /// Listing a folder.
    List,
    /// Creating a file or a folder.
    Create,
    /// Writing bytes or metadata.
    Write,
    /// Waiting until bytes are on the disk.
    Sync,
    /// Moving it to its final name.
    Rename,
    /// Removing it.
    Remove,
    /// Taking a lock on it.
    Lock,
}

impl Action {
    /// Whether it needs the right to write.
    fn writes(self) -> bool {
        !matches!(self, Action::Read | Action::Examine | Action::List)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Read => "read",
            Action::Examine => "examine",
            Action::List => "list",
            Action::Create => "create",
            Action::Write => "write",
            Action::Sync => "flush",
            Action::Rename => "move",
            Action::Remove => "remove",
            Action::Lock => "lock",
        })
    }
}

/// Why the store could not do what was asked. Damage is not among it where a miss will do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No right to write there, or a read-only file system.
    #[error("can't {action} {}: {source}", path.display())]
    NotWritable {
        /// What was being done.
        action: Action,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk or the quota is full.
    #[error("no space left to {action} {}: {source}", path.display())]
    DiskFull {
        /// What was being done.
        action: Action,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the store is damaged or missing where a miss would not do.
    #[error("{}: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder is something else.
    #[error("{} is not a planish store: {reason}", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
        /// How that shows.
        reason: String,
    },
    /// The store was made by a later planish.
    #[error("{} is a store of version {found}; this planish knows versions up to {supported}", path.display())]
    VersionTooNew {
        /// The store.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The latest version that this planish knows.
        supported: u32,
    },
    /// A file that an artifact must not hold, or a link where none may be followed.
    #[error("{}: {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why it is refused.
        reason: String,
    },
    /// A file was changed while it was being read.
    #[error("{} was changed while it was being read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Other processes are using it all the time.
    #[error("{} is in use by other planish processes that started before", path.display())]
    Busy {
        /// The store.
        path: PathBuf,
    },
    /// The caller asked for something that can't be stored.
    #[error("{0}")]
    Invalid(String),
    /// Any other failure of the file system.
    #[error("can't {action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: Action,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    /// The error for what the system said about `path`.
    #[must_use]
    pub fn new(action: Action, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull { action, path, source },
            io::ErrorKind::ReadOnlyFilesystem => StoreError::NotWritable { action, path, source },
            io::ErrorKind::PermissionDenied if action.writes() => StoreError::NotWritable { action, path, source },
            _ => StoreError::Io { action, path, source },
        }
    }

    pub(crate) fn refused(path: &Path, reason: impl Into<String>) -> Self {
        StoreError::Refused { path: path.to_path_buf(), reason: reason.into() }
    }

    pub(crate) fn corrupt(path: &Path, reason: impl Into<String>) -> Self {
        StoreError::Corrupt { path: path.to_path_buf(), reason: reason.into() }
    }

    /// What to do about it, where something can be said.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            StoreError::NotWritable { .. } => {
                Some("give yourself the right to write there, or keep the pipeline in a folder that is yours")
            }
            StoreError::DiskFull { .. } => Some("free some space and run again: nothing half-written was kept, finished results are safe"),
            StoreError::Corrupt { .. } => Some("run again: what is damaged is set aside and made anew"),
            StoreError::NotAStore { .. } => Some("move that folder away, or keep the pipeline in another folder"),
            StoreError::VersionTooNew { .. } => Some("use the planish that made it, or move the store away and start anew"),
            StoreError::Refused { .. } => Some("artifacts hold regular files and folders only; replace links by what they point to"),
            StoreError::Changed { .. } => Some("run again when nothing writes to it"),
            StoreError::Busy { .. } => Some("wait for them to end, and try again"),
            StoreError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Some("give yourself the right to read it"),
            StoreError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Some("check the path"),
            StoreError::Io { .. } | StoreError::Invalid(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classify(kind: io::ErrorKind, action: Action) -> StoreError {
        StoreError::new(action, Path::new("somewhere/file"), kind.into())
    }

    #[test]
    fn system_errors_are_told_apart() {
        assert!(matches!(classify(io::ErrorKind::StorageFull, Action::Write), StoreError::DiskFull { .. }));
        assert!(matches!(classify(io::ErrorKind::QuotaExceeded, Action::Sync), StoreError::DiskFull { .. }));
        assert!(matches!(classify(io::ErrorKind::ReadOnlyFilesystem, Action::Create), StoreError::NotWritable { .. }));
        assert!(matches!(classify(io::ErrorKind::PermissionDenied, Action::Rename), StoreError::NotWritable { .. }));
        assert!(matches!(classify(io::ErrorKind::PermissionDenied, Action::Read), StoreError::Io { .. }));
        assert!(matches!(classify(io::ErrorKind::Other, Action::Write), StoreError::Io { .. }));
    }

    #[test]
    fn messages_name_the_action_and_the_file_and_hints_the_fix() {
        let error = classify(io::ErrorKind::StorageFull, Action::Write);
        assert!(error.to_string().starts_with("no space left to write somewhere/file: "), "{error}");
        assert!(error.hint().unwrap().contains("free some space"));
        assert!(classify(io::ErrorKind::PermissionDenied, Action::Read).hint().unwrap().contains("right to read"));
    }
}
