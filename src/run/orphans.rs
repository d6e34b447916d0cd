//! Whether a program left processes behind: then its worker ends, and everything in its process group with it.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};

/// Whether whatever loses its parent below this process becomes its child.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// From now on whatever loses its parent below this process becomes its child, where the system can do that.
pub(super) fn watch() {
    #[cfg(target_os = "linux")]
    WATCHED.store(rustix::process::set_child_subreaper(Some(rustix::process::getpid())).is_ok(), Ordering::Relaxed);
}

/// Whether this process may have children that live. Those that have ended are collected.
pub(super) fn any() -> bool {
    if !WATCHED.load(Ordering::Relaxed) {
        return true;
    }
    loop {
        match waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Err(Errno::CHILD) => return false,
            Ok(None) | Err(_) => return true,
        }
    }
}
