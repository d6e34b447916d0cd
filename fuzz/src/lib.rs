//! What the targets share.

pub mod kinds;

use std::path::Path;
use std::sync::OnceLock;

/// Where files cost no disk.
#[must_use]
pub fn shared_memory() -> &'static Path {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory } else { Path::new("/tmp") }
}

/// A folder of this process. A target that ends with a finding leaves it behind.
pub fn scratch() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| tempfile::Builder::new().prefix("planish-fuzz-").tempdir_in(shared_memory()).expect("a folder in memory")).path()
}

/// Whether a text may be taken for a path without leading out of the folder that it is relative to.
#[must_use]
pub fn stays_inside(text: &str) -> bool {
    !text.starts_with('/') && !text.contains("..")
}
