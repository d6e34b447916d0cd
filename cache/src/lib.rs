//! Content-addressed store of planish: blobs, index, locks. Knows nothing of stages.
//!
//! ```text
//! .planish/
//!   version                  "planish store 1"
//!   memo                     stat memo: which files were hashed when (rebuildable, damage = empty)
//!   snapshot                 index snapshot: what entries and manifests say (likewise)
//!   objects/ab/cdef…         blobs under their blake3, read-only; objects/damaged holds those set aside
//!   index/ab/cdef….json      entries: key → outputs, provenance; index/damaged likewise
//!   parts/<digest>           says that the object of that digest holds sub-results of stages
//!   roots/                   what collections leave alone: the latest plan of each pipeline and profile, pins
//!   checkpoints/<key>/       what a killed stage goes on from
//!   runs/                    logs, owned by the engine
//!   tmp/                     private folders of live processes, with what they rely on; tmp/locks/<key> are the keys' locks
//! ```
//!
//! Everything becomes visible by temp → fsync → rename. Every read is verified unless the stat memo
//! shows the file unchanged; what is damaged is set aside and reads as a miss. Several processes may
//! share a store on a local file system.

mod blobs;
mod collect;
mod digest;
mod entries;
mod error;
#[cfg(test)]
mod fault;
mod folders;
mod fs;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod layout;
mod lease;
mod lock;
mod memo;
mod name;
mod notice;
mod parts;
mod restore;
mod results;
mod roots;
mod scratch;
mod snapshot;
mod store;
mod tree;
mod verify;
mod withdraw;

#[cfg(test)]
mod tests;

pub use collect::{CollectOptions, Collected, Garbage, MEMO_AGE, Removed};
pub use digest::{Digest, Key, ParseDigestError};
pub use entries::{Entries, Published};
pub use error::{Action, StoreError};
pub use index::{ENTRY_VERSION, Entry, Superseded};
pub use layout::STORE_VERSION;
pub use lock::KeyLock;
pub use name::{FileName, InvalidName};
pub use notice::Notice;
pub use parts::Parts;
pub use restore::RestoreAs;
pub use roots::{PlanRoot, Root};
pub use scratch::Scratch;
pub use store::Store;
pub use tree::{Tree, TreeFile};
pub use verify::{Fault, Finding, Repair, Verified, VerifyOptions, VerifyProgress};
