//! The file system that the store lies on.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use rustix::fs::{FlockOperation, flock, ioctl_ficlone, statvfs};

use crate::show::{self, Finding};

/// Less free room than this deserves a remark, in bytes.
const LITTLE: u64 = 1 << 30;

/// What the folder `root`, or the nearest one above it that is there, can do. Leaves nothing behind.
pub(super) fn findings(root: &Path) -> Vec<Finding> {
    let absolute = std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf());
    let folder = absolute.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let place =
        if folder == absolute { show::path(folder) } else { format!("{} (to be made in {})", show::path(root), show::path(folder)) };
    let mut findings = vec![file_system(folder), room(folder)];
    match tempfile::Builder::new().prefix(".planish-doctor").tempdir_in(folder) {
        Ok(scratch) => {
            findings.insert(0, Finding::good("store", format!("{place}, writable")));
            findings.push(reflinks(scratch.path()));
            findings.push(locks(scratch.path()));
        }
        Err(error) => findings.insert(
            0,
            Finding::bad(
                "store",
                format!("{place} can't be written: {error}"),
                "`--store DIR` names another folder; plan, status and show work without",
            ),
        ),
    }
    findings
}

fn room(folder: &Path) -> Finding {
    match statvfs(folder) {
        Err(error) => Finding::fair("room", format!("unknown: {error}"), "watch the disk yourself"),
        Ok(numbers) => {
            let free = numbers.f_bavail.saturating_mul(numbers.f_frsize);
            if free < LITTLE {
                Finding::fair("room", format!("{} free", show::size(free)), "`planish gc` removes results that nothing needs")
            } else {
                Finding::good("room", format!("{} free", show::size(free)))
            }
        }
    }
}

/// The file system by the kernel's list of mounts: the longest mount point that leads to the folder.
fn file_system(folder: &Path) -> Finding {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let best = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            // Blanks in mount points are written as octal escapes.
            let (point, kind) = (words.next()?.replace("\\040", " "), words.next()?);
            folder.starts_with(&point).then(|| (point.len(), kind.to_owned()))
        })
        .max();
    match best {
        None => Finding::fair("file system", "unknown", "locks and durable writes are for local file systems"),
        Some((_, kind)) if ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "lustre"].contains(&kind.as_str()) => {
            Finding::fair("file system", kind, "locks are made for local file systems: let one machine at a time use the store")
        }
        Some((_, kind)) => Finding::good("file system", kind),
    }
}

fn reflinks(folder: &Path) -> Finding {
    let attempt = || -> std::io::Result<()> {
        let (first, second) = (folder.join("a"), folder.join("b"));
        let mut source = File::create(&first)?;
        source.write_all(&[7; 8192])?;
        source.sync_all()?;
        Ok(ioctl_ficlone(File::create(second)?, File::open(first)?)?)
    };
    match attempt() {
        Ok(()) => Finding::good("reflinks", "a restored file shares its blocks with the store"),
        Err(_) => Finding::good("reflinks", "not on this file system: a restored file is a copy"),
    }
}

fn locks(folder: &Path) -> Finding {
    let attempt = || -> std::io::Result<bool> {
        let path = folder.join("lock");
        let (first, second) = (File::create(&path)?, File::open(&path)?);
        flock(&first, FlockOperation::NonBlockingLockExclusive)?;
        Ok(flock(&second, FlockOperation::NonBlockingLockExclusive).is_err())
    };
    match attempt() {
        Ok(true) => Finding::good("locks", "keep processes apart"),
        Ok(false) => Finding::bad("locks", "do not keep processes apart here", "put the store on a local file system with --store"),
        Err(error) => Finding::bad("locks", format!("do not work here: {error}"), "put the store on a local file system with --store"),
    }
}
