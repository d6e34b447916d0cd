//! How much memory the processes of running instances use.

use std::collections::HashMap;
use std::fs;

use rustix::process::Pid;

/// Bytes of memory that each of these process groups uses: what only it can free (anonymous and shared memory, in main memory or swapped
/// out), not the files that it has mapped. Memory that processes of a group share counts once for each. Groups that are gone are left out, and so is
/// everything where the system has no `/proc`.
pub(super) fn used(groups: &[Pid]) -> HashMap<Pid, u64> {
    let mut sums = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().filter(|name| name.starts_with(|c: char| c.is_ascii_digit())) else { continue };
        if let Some(group) = group(process).filter(|group| groups.contains(group)) {
            *sums.entry(group).or_insert(0) += bytes(process);
        }
    }
    sums
}

/// The process group of a process.
fn group(process: &str) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may hold anything; after it come the state, the parent and the group.
    let (_, rest) = stat.rsplit_once(')')?;
    Pid::from_raw(rest.split_ascii_whitespace().nth(2)?.parse().ok()?)
}

/// Bytes of memory that a process uses.
fn bytes(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kibibytes = status.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let counts = ["RssAnon", "RssShmem", "VmSwap"].contains(&name);
        counts.then(|| value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())?
    });
    kibibytes.sum::<u64>() * 1024
}

#[cfg(test)]
mod tests {
    use rustix::process::getpgrp;

    use super::*;

    #[test]
    fn what_a_process_holds_is_seen() {
        let before = used(&[getpgrp()]);
        let held = std::hint::black_box(vec![1_u8; 256 << 20]);
        let after = used(&[getpgrp()]);
        if let (Some(before), Some(after)) = (before.get(&getpgrp()), after.get(&getpgrp())) {
            assert!(after - before > 200 << 20, "{before} {after}");
        }
        drop(held);
        assert!(used(&[]).is_empty());
    }
}
