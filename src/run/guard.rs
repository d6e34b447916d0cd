//! A process beside each worker, in its process group, that waits until the worker is gone and then ends the group, itself included.
//!
//! While the engine or the worker lives, each of them ends what is left when the other dies. The guard is for when both are killed at once:
//! a program, and whatever it started, must not work on where nobody waits for it any more.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Pid;

use crate::exit::Exit;

/// The guard of a worker, as the engine knows it.
pub(super) struct Guard(Option<Child>);

impl Guard {
    /// A guard for the process group that `worker` leads. Where there can be none, the worker runs without.
    pub(super) fn of(worker: &Child, executable: &Path) -> Self {
        let Some(group) = i32::try_from(worker.id()).ok().filter(|_| cfg!(target_os = "linux")) else { return Guard(None) };
        let mut command = Command::new(executable);
        let quiet = command.args(["guard", &group.to_string()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Guard(std::os::unix::process::CommandExt::process_group(quiet, group).spawn().ok())
    }

    /// Collects the guard of a group that was ended.
    pub(super) fn collect(self) {
        if let Some(mut child) = self.0 {
            // It may have joined the group too late to be ended with it.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Waits until `worker`, the leader of this process's group, is gone; then ends the group.
#[cfg(target_os = "linux")]
#[must_use]
pub fn guard(worker: i32) -> Exit {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;
    use rustix::process::{PidfdFlags, Signal, getpgrp, kill_current_process_group, pidfd_open};

    // Started by hand, it would end the shell's processes.
    let Some(worker) = Pid::from_raw(worker).filter(|worker| getpgrp() == *worker) else { return Exit::Internal };
    match pidfd_open(worker, PidfdFlags::empty()) {
        Ok(handle) => {
            let mut handles = [PollFd::new(&handle, PollFlags::IN)];
            while let Err(Errno::INTR) = poll(&mut handles, None) {}
        }
        Err(Errno::SRCH) => {}
        // A system without such handles: the engine and the worker have to do.
        Err(_) => return Exit::Internal,
    }
    let _ = kill_current_process_group(Signal::KILL);
    Exit::Success
}

/// Nothing: only Linux tells of the end of a process that is no child.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn guard(_worker: i32) -> Exit {
    Exit::Internal
}
