//! Every disk access of the store, and nothing else: no other file of this crate touches the disk.

mod locks;
mod parallel;
mod temp;

use std::fs::{File, FileTimes, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::Digest;
use crate::error::{Action, StoreError};

/// How much is read at a time.
pub(crate) const CHUNK: u64 = 4 << 20;
/// From this size on hashing on several threads pays.
pub(crate) const PARALLEL: usize = 256 << 10;

pub(crate) use locks::{is_locked, lock, lock_shared, open_lock, open_shared, try_lock};
pub(crate) use temp::{TEMPORARY, Temp, link, write_atomic};

type Result<T> = std::result::Result<T, StoreError>;

fn failed(action: Action, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::new(action, path, source)
}

/// Every access passes here (writes, which can be torn, pass a gate of their own). In tests, faults come in.
#[cfg(test)]
fn gate(action: Action, path: &Path) -> Result<()> {
    crate::fault::at().map_err(failed(action, path))
}

/// Nothing, outside tests.
#[cfg(not(test))]
#[inline]
#[expect(clippy::unnecessary_wraps, reason = "in tests it can fail")]
fn gate(_: Action, _: &Path) -> Result<()> {
    Ok(())
}

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Regular,
    Folder,
    Link,
    Special,
}

/// What identifies the present state of a file. Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) changed: i64,
    pub(crate) modified: i64,
    pub(crate) kind: FileKind,
    pub(crate) executable: bool,
}

fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

impl From<&Metadata> for Stat {
    fn from(metadata: &Metadata) -> Self {
        let kind = match metadata.file_type() {
            t if t.is_file() => FileKind::Regular,
            t if t.is_dir() => FileKind::Folder,
            t if t.is_symlink() => FileKind::Link,
            _ => FileKind::Special,
        };
        Stat {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            kind,
            executable: metadata.mode() & 0o100 != 0,
        }
    }
}

/// The time by the clock that stamps files, in nanoseconds since 1970.
pub(crate) fn now() -> i64 {
    // A file written after this call never gets an earlier stamp, which a finer clock would not promise.
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::RealtimeCoarse;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Realtime;
    let time = rustix::time::clock_gettime(clock);
    nanoseconds(time.tv_sec, time.tv_nsec)
}

/// Waits until `done`, some hundredths of a second at most: long enough for the clock that stamps files to move on. Kernels with fine
/// stamps (Linux 6.13) may give one that is later than the coarse clock's time, so no fixed time is enough.
pub(crate) fn wait_until(done: impl Fn() -> bool) {
    for _ in 0..12 {
        if done() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// The absolute form of `path`; links stay.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(failed(Action::Examine, path))
}

/// The state of what is at `path` itself, a link included; `None` when nothing is there.
pub(crate) fn stat(path: &Path) -> Result<Option<Stat>> {
    gate(Action::Examine, path)?;
    absent_is_none(std::fs::symlink_metadata(path).map(|m| Stat::from(&m)), Action::Examine, path)
}

/// Like [`stat`], but of what a link points to.
pub(crate) fn stat_target(path: &Path) -> Result<Option<Stat>> {
    gate(Action::Examine, path)?;
    absent_is_none(std::fs::metadata(path).map(|m| Stat::from(&m)), Action::Examine, path)
}

/// The state of an open file.
pub(crate) fn stat_open(file: &File, path: &Path) -> Result<Stat> {
    gate(Action::Examine, path)?;
    file.metadata().map(|m| Stat::from(&m)).map_err(failed(Action::Examine, path))
}

fn absent_is_none<T>(result: io::Result<T>, action: Action, path: &Path) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(StoreError::new(action, path, e)),
    }
}

fn absent_file_is_none<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Io { source, .. }) if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

/// What to do when a path is a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    Follow,
    Refuse,
}

/// Opens a regular file for reading; refuses everything else, without waiting for a pipe's writer.
pub(crate) fn open(path: &Path, links: Links) -> Result<(File, Stat)> {
    gate(Action::Read, path)?;
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    if links == Links::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(rustix::io::Errno::LOOP) => return Err(StoreError::refused(path, "it is a symbolic link")),
        Err(rustix::io::Errno::NXIO) => return Err(StoreError::refused(path, "it is not a regular file")),
        Err(e) => return Err(StoreError::new(Action::Read, path, e.into())),
    };
    let stat = stat_open(&file, path)?;
    if stat.kind != FileKind::Regular {
        return Err(StoreError::refused(path, "it is not a regular file"));
    }
    Ok((file, stat))
}

/// The bytes of the file at `path` (no link); `None` when nothing is there.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let Some((file, stat)) = absent_file_is_none(open(path, Links::Refuse))? else { return Ok(None) };
    gate(Action::Read, path)?;
    if stat.size > limit {
        return Err(StoreError::corrupt(path, format!("it is larger than {limit} bytes")));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stat.size).unwrap_or(0));
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed(Action::Read, path))?;
    if bytes.len() as u64 > limit {
        return Err(StoreError::corrupt(path, format!("it is larger than {limit} bytes")));
    }
    Ok(Some(bytes))
}

/// Up to `length` bytes of the file at `path` (no link) from `offset` on, and the size of the file; `None` when nothing is there.
pub(crate) fn read_range(path: &Path, offset: u64, length: u64) -> Result<Option<(Vec<u8>, u64)>> {
    let Some((mut file, stat)) = absent_file_is_none(open(path, Links::Refuse))? else { return Ok(None) };
    gate(Action::Read, path)?;
    file.seek(SeekFrom::Start(offset)).map_err(failed(Action::Read, path))?;
    // No more is set aside than the file can hold, whatever `length` says.
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(stat.size)).unwrap_or(0));
    file.take(length).read_to_end(&mut bytes).map_err(failed(Action::Read, path))?;
    Ok(Some((bytes, stat.size)))
}

/// The names in the folder `path`, sorted.
pub(crate) fn list(path: &Path) -> Result<Vec<std::ffi::OsString>> {
    gate(Action::List, path)?;
    let entries = std::fs::read_dir(path).map_err(failed(Action::List, path))?;
    let mut names = entries.map(|e| e.map(|e| e.file_name())).collect::<io::Result<Vec<_>>>().map_err(failed(Action::List, path))?;
    names.sort();
    Ok(names)
}

/// Reads until `buffer` is full or the file ends; how many bytes were read.
fn fill(file: &mut File, buffer: &mut [u8], path: &Path) -> Result<usize> {
    gate(Action::Read, path)?;
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(StoreError::new(Action::Read, path, e)),
        }
    }
    Ok(filled)
}

/// Feeds the rest of `file` to `sink` and to a digest.
fn digest_into(file: &mut File, path: &Path, size: u64, mut sink: impl FnMut(&[u8]) -> Result<()>) -> Result<Digest> {
    let mut buffer = vec![0; usize::try_from(size.clamp(1, CHUNK)).unwrap_or(1)];
    let mut hasher = blake3::Hasher::new();
    loop {
        let count = fill(file, &mut buffer, path)?;
        let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else { break };
        if count >= PARALLEL {
            hasher.update_rayon(chunk)
        } else {
            hasher.update(chunk)
        };
        sink(chunk)?;
    }
    Ok(hasher.finalize().into())
}

/// The digest of an open file of the user, read from its beginning. It is read, not mapped: a mapped file that shrinks meanwhile would kill
/// the process.
pub(crate) fn hash(file: &mut File, path: &Path, size: u64) -> Result<Digest> {
    if parallel::pays(size) {
        gate(Action::Read, path)?;
        // One that shrank meanwhile is read as it is; its state tells that it changed.
        if let Some(digest) = parallel::hash(file, size).map_err(failed(Action::Read, path))? {
            return Ok(digest);
        }
    }
    digest_into(file, path, size, |_| Ok(()))
}

/// The digest of the file at `path` (no link); `None` when nothing is there.
pub(crate) fn hash_blob(path: &Path) -> Result<Option<Digest>> {
    match absent_file_is_none(open(path, Links::Refuse))? {
        Some((mut file, stat)) => hash(&mut file, path, stat.size).map(Some),
        None => Ok(None),
    }
}

/// Whether the disk could not give the bytes back, though file and rights are there.
pub(crate) fn is_bad_sector(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { source, .. } if source.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()))
}

/// Writes all of `bytes` to an open file.
pub(crate) fn write_all(mut file: &File, bytes: &[u8], path: &Path) -> Result<()> {
    #[cfg(test)]
    crate::fault::at_write(file, bytes).map_err(failed(Action::Write, path))?;
    file.write_all(bytes).map_err(failed(Action::Write, path))
}

/// Whether a file has more than one name.
pub(crate) fn has_other_names(file: &File, path: &Path) -> Result<bool> {
    gate(Action::Examine, path)?;
    file.metadata().map(|metadata| metadata.nlink() != 1).map_err(failed(Action::Examine, path))
}

/// Sets the permission bits of an open file.
pub(crate) fn set_mode(file: &File, mode: u32, path: &Path) -> Result<()> {
    gate(Action::Write, path)?;
    file.set_permissions(Permissions::from_mode(mode)).map_err(failed(Action::Write, path))
}

/// Waits until the bytes of an open file are on the disk.
pub(crate) fn sync(file: &File, path: &Path) -> Result<()> {
    gate(Action::Sync, path)?;
    file.sync_all().map_err(failed(Action::Sync, path))?;
    #[cfg(test)]
    crate::fault::synced(file);
    Ok(())
}

/// Waits until the names in `folder` are on the disk.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    gate(Action::Sync, folder)?;
    File::open(folder).and_then(|f| f.sync_all()).map_err(failed(Action::Sync, folder))?;
    #[cfg(test)]
    crate::fault::synced_folder(folder);
    Ok(())
}

/// Waits until everything on the file system of `folder` is on the disk.
#[cfg(target_os = "linux")]
pub(crate) fn sync_all(folder: &Path) -> Result<()> {
    gate(Action::Sync, folder)?;
    File::open(folder).and_then(|f| Ok(rustix::fs::syncfs(f)?)).map_err(failed(Action::Sync, folder))?;
    #[cfg(test)]
    crate::fault::synced_all();
    Ok(())
}

/// Elsewhere each file was flushed when it was written.
#[cfg(not(target_os = "linux"))]
pub(crate) fn sync_all(_: &Path) -> Result<()> {
    Ok(())
}

/// Moves `from` to `to` on the same file system.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    gate(Action::Rename, from)?;
    std::fs::rename(from, to).map_err(failed(Action::Rename, from))?;
    #[cfg(test)]
    crate::fault::moved(from, to);
    Ok(())
}

/// Moves `from` to `to` if nothing is there; whether it was moved. Not every file system can do that.
pub(crate) fn rename_new(from: &Path, to: &Path) -> bool {
    if gate(Action::Rename, from).is_err() {
        return false;
    }
    #[cfg(target_os = "linux")]
    return rustix::fs::renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, rustix::fs::RenameFlags::NOREPLACE).is_ok();
    #[cfg(not(target_os = "linux"))]
    return false;
}

/// Makes the folder `path`, unless it is there; whether it was made.
pub(crate) fn create_folder(path: &Path) -> Result<bool> {
    gate(Action::Create, path)?;
    match std::fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(_) if path.is_dir() => Ok(false),
        Err(e) => Err(StoreError::new(Action::Create, path, e)),
    }
}

/// Makes the folder `path` and those above it.
pub(crate) fn create_folders(path: &Path) -> Result<()> {
    gate(Action::Create, path)?;
    std::fs::create_dir_all(path).map_err(failed(Action::Create, path))
}

/// Removes what is at `path`, with everything below it, links unfollowed; nothing there is fine.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let outcome = match stat(path)? {
        None => return Ok(()),
        Some(stat) => {
            gate(Action::Remove, path)?;
            #[cfg(test)]
            crate::fault::replaces(path);
            if stat.kind == FileKind::Folder { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
        }
    };
    absent_is_none(outcome, Action::Remove, path).map(drop)
}

/// Makes the empty file `path`, unless something is there.
pub(crate) fn create_empty(path: &Path) -> Result<()> {
    gate(Action::Create, path)?;
    OpenOptions::new().write(true).create(true).truncate(false).open(path).map(drop).map_err(failed(Action::Create, path))
}

/// Gives the file at `path` the present time as that of its last change.
pub(crate) fn touch(path: &Path) -> Result<()> {
    gate(Action::Write, path)?;
    let times = FileTimes::new().set_modified(std::time::SystemTime::now());
    OpenOptions::new().write(true).open(path).and_then(|file| file.set_times(times)).map_err(failed(Action::Write, path))
}

/// Opens `path` for appending, making it if need be.
pub(crate) fn open_append(path: &Path) -> Result<File> {
    gate(Action::Write, path)?;
    OpenOptions::new().append(true).create(true).open(path).map_err(failed(Action::Write, path))
}
