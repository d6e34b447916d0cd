//! What the store noticed and handled by itself.

use std::fmt;
use std::path::PathBuf;

use crate::{Digest, Key};

/// Something the store noticed and treated as a miss. Worth a line on the screen; nothing failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A blob did not have the bytes that its name promises, and was set aside.
    DamagedBlob {
        /// The digest it should have.
        digest: Digest,
        /// Where it is now.
        moved: PathBuf,
    },
    /// The disk did not give the bytes of a blob back.
    UnreadableBlob {
        /// Its digest.
        digest: Digest,
        /// What the system said.
        reason: String,
    },
    /// An index entry could not be read, and was set aside.
    DamagedEntry {
        /// The key it stood for.
        key: Key,
        /// What is wrong with it.
        reason: String,
        /// Where it is now.
        moved: PathBuf,
    },
    /// An index entry was written by another version of planish; it stays where it is until its result is made again.
    OtherVersion {
        /// The key it stands for.
        key: Key,
        /// Its format version.
        found: u32,
        /// The format version that this planish reads.
        supported: u32,
    },
    /// A blob is intact but is not the folder manifest that an entry takes it for.
    NotAManifest {
        /// Its digest.
        digest: Digest,
        /// What is wrong with it.
        reason: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::DamagedBlob { digest, moved } => {
                write!(f, "blob {} is damaged and will be made again (kept for inspection as {})", digest.short(), moved.display())
            }
            Notice::UnreadableBlob { digest, reason } => {
                write!(f, "blob {} could not be read and will be made again ({reason}); is the disk failing?", digest.short())
            }
            Notice::DamagedEntry { key, reason, moved } => {
                let (key, moved) = (key.short(), moved.display());
                write!(f, "the record of result {key} is damaged ({reason}) and will be made again (kept for inspection as {moved})")
            }
            Notice::OtherVersion { key, found, supported } => write!(
                f,
                "the record of result {} has format version {found}; this planish reads version {supported} and makes the result again",
                key.short()
            ),
            Notice::NotAManifest { digest, reason } => {
                write!(f, "blob {} is not a folder manifest ({reason}); its result will be made again", digest.short())
            }
        }
    }
}
