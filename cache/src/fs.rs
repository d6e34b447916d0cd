//! Every disk access of the store, and nothing else: no other file of this crate touches the disk.

use std::fs::{File, FileTimes, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tempfile::NamedTempFile;

use crate::Digest;
use crate::error::{Action, StoreError};

/// How much is read at a time.
pub(crate) const CHUNK: u64 = 4 << 20;
/// From this size on hashing on several threads pays.
pub(crate) const PARALLEL: usize = 256 << 10;
/// How the names of temporary files begin.
pub(crate) const TEMPORARY: &str = ".planish-";

type Result<T> = std::result::Result<T, StoreError>;

fn failed(action: Action, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::new(action, path, source)
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

/// The absolute form of `path`; links stay.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(failed(Action::Examine, path))
}

/// The state of what is at `path` itself, a link included; `None` when nothing is there.
pub(crate) fn stat(path: &Path) -> Result<Option<Stat>> {
    absent_is_none(std::fs::symlink_metadata(path).map(|m| Stat::from(&m)), Action::Examine, path)
}

/// Like [`stat`], but of what a link points to.
pub(crate) fn stat_target(path: &Path) -> Result<Option<Stat>> {
    absent_is_none(std::fs::metadata(path).map(|m| Stat::from(&m)), Action::Examine, path)
}

/// The state of an open file.
pub(crate) fn stat_open(file: &File, path: &Path) -> Result<Stat> {
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
    let Some((file, _)) = absent_file_is_none(open(path, Links::Refuse))? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed(Action::Read, path))?;
    if bytes.len() as u64 > limit {
        return Err(StoreError::corrupt(path, format!("it is larger than {limit} bytes")));
    }
    Ok(Some(bytes))
}

/// Up to `length` bytes of the file at `path` (no link) from `offset` on, and the size of the file; `None` when nothing is there.
pub(crate) fn read_range(path: &Path, offset: u64, length: u64) -> Result<Option<(Vec<u8>, u64)>> {
    let Some((mut file, stat)) = absent_file_is_none(open(path, Links::Refuse))? else { return Ok(None) };
    file.seek(SeekFrom::Start(offset)).map_err(failed(Action::Read, path))?;
    // No more is set aside than the file can hold, whatever `length` says.
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(stat.size)).unwrap_or(0));
    file.take(length).read_to_end(&mut bytes).map_err(failed(Action::Read, path))?;
    Ok(Some((bytes, stat.size)))
}

/// The names in the folder `path`, sorted.
pub(crate) fn list(path: &Path) -> Result<Vec<std::ffi::OsString>> {
    let entries = std::fs::read_dir(path).map_err(failed(Action::List, path))?;
    let mut names = entries.map(|e| e.map(|e| e.file_name())).collect::<io::Result<Vec<_>>>().map_err(failed(Action::List, path))?;
    names.sort();
    Ok(names)
}

/// Reads until `buffer` is full or the file ends; how many bytes were read.
fn fill(file: &mut File, buffer: &mut [u8], path: &Path) -> Result<usize> {
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

/// The digest of an open file of the user. It is read, not mapped: a mapped file that shrinks meanwhile would kill the process.
pub(crate) fn hash(file: &mut File, path: &Path, size: u64) -> Result<Digest> {
    digest_into(file, path, size, |_| Ok(()))
}

/// The digest of a blob, mapped and on several threads when it is large; `None` when nothing is there.
pub(crate) fn hash_blob(path: &Path, size: u64) -> Result<Option<Digest>> {
    let mut hasher = blake3::Hasher::new();
    // A mapping costs more than it gains for small files.
    let outcome = if size >= PARALLEL as u64 { hasher.update_mmap_rayon(path) } else { hasher.update_mmap(path) };
    absent_is_none(outcome.map(|h| h.finalize().into()), Action::Read, path)
}

/// Whether the disk could not give the bytes back, though file and rights are there.
pub(crate) fn is_bad_sector(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { source, .. } if source.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()))
}

/// A file that is not visible under its final name yet; removed when dropped.
pub(crate) struct Temp(NamedTempFile);

impl Temp {
    /// A new empty file in `folder`.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMPORARY).permissions(Permissions::from_mode(0o666));
        builder.tempfile_in(folder).map(Temp).map_err(failed(Action::Create, folder))
    }

    /// Appends `bytes`.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        write_all(self.0.as_file(), bytes, self.0.path())
    }

    /// Fills the empty file with the bytes of `source`, sharing the disk blocks where the file system can; the digest of what it holds now.
    pub(crate) fn copy(&mut self, source: &mut File, path: &Path, size: u64) -> Result<Digest> {
        if self.clone_blocks(source) {
            let mut copy = self.0.reopen().map_err(failed(Action::Read, self.0.path()))?;
            return hash(&mut copy, self.0.path(), size);
        }
        digest_into(source, path, size, |chunk| self.write(chunk))
    }

    #[cfg(target_os = "linux")]
    fn clone_blocks(&self, source: &File) -> bool {
        rustix::fs::ioctl_ficlone(self.0.as_file(), source).is_ok()
    }

    #[cfg(not(target_os = "linux"))]
    fn clone_blocks(&self, _: &File) -> bool {
        false
    }

    /// Sets the permission bits.
    pub(crate) fn set_mode(&self, mode: u32) -> Result<()> {
        self.0.as_file().set_permissions(Permissions::from_mode(mode)).map_err(failed(Action::Write, self.0.path()))
    }

    /// The owner's execute bit and whoever else may read.
    pub(crate) fn set_executable(&self) -> Result<()> {
        let mode = self.0.as_file().metadata().map_err(failed(Action::Examine, self.0.path()))?.mode();
        self.set_mode((mode | ((mode & 0o444) >> 2)) & 0o777)
    }

    /// Waits until the bytes are on the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        self.0.as_file().sync_all().map_err(failed(Action::Sync, self.0.path()))
    }

    /// Makes it visible as `path`, in place of what is there; a link there is replaced, not followed.
    pub(crate) fn publish(self, path: &Path) -> Result<()> {
        self.0.persist(path).map(drop).map_err(|e| StoreError::new(Action::Rename, path, e.error))
    }
}

pub(crate) fn write_all(mut file: &File, bytes: &[u8], path: &Path) -> Result<()> {
    file.write_all(bytes).map_err(failed(Action::Write, path))
}

/// Whether a file has more than one name.
pub(crate) fn has_other_names(file: &File, path: &Path) -> Result<bool> {
    file.metadata().map(|metadata| metadata.nlink() != 1).map_err(failed(Action::Examine, path))
}

/// Sets the permission bits of an open file.
pub(crate) fn set_mode(file: &File, mode: u32, path: &Path) -> Result<()> {
    file.set_permissions(Permissions::from_mode(mode)).map_err(failed(Action::Write, path))
}

/// Waits until the bytes of an open file are on the disk.
pub(crate) fn sync(file: &File, path: &Path) -> Result<()> {
    file.sync_all().map_err(failed(Action::Sync, path))
}

/// Waits until the names in `folder` are on the disk.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(failed(Action::Sync, folder))
}

/// Waits until everything on the file system of `folder` is on the disk.
#[cfg(target_os = "linux")]
pub(crate) fn sync_all(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|f| Ok(rustix::fs::syncfs(f)?)).map_err(failed(Action::Sync, folder))
}

/// Elsewhere each file was flushed when it was written.
#[cfg(not(target_os = "linux"))]
pub(crate) fn sync_all(_: &Path) -> Result<()> {
    Ok(())
}

/// Moves `from` to `to` on the same file system.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(failed(Action::Rename, from))
}

/// Moves `from` to `to` if nothing is there; whether it was moved. Not every file system can do that.
pub(crate) fn rename_new(from: &Path, to: &Path) -> bool {
    #[cfg(target_os = "linux")]
    return rustix::fs::renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, rustix::fs::RenameFlags::NOREPLACE).is_ok();
    #[cfg(not(target_os = "linux"))]
    return false;
}

/// Makes the folder `path`, unless it is there; whether it was made.
pub(crate) fn create_folder(path: &Path) -> Result<bool> {
    match std::fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(_) if path.is_dir() => Ok(false),
        Err(e) => Err(StoreError::new(Action::Create, path, e)),
    }
}

/// Makes the folder `path` and those above it.
pub(crate) fn create_folders(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(failed(Action::Create, path))
}

/// Removes what is at `path`, with everything below it, links unfollowed; nothing there is fine.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let outcome = match stat(path)? {
        None => return Ok(()),
        Some(stat) if stat.kind == FileKind::Folder => std::fs::remove_dir_all(path),
        Some(_) => std::fs::remove_file(path),
    };
    absent_is_none(outcome, Action::Remove, path).map(drop)
}

/// Makes the empty file `path`, unless something is there.
pub(crate) fn create_empty(path: &Path) -> Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).open(path).map(drop).map_err(failed(Action::Create, path))
}

/// Gives the file at `path` the present time as that of its last change.
pub(crate) fn touch(path: &Path) -> Result<()> {
    let times = FileTimes::new().set_modified(std::time::SystemTime::now());
    OpenOptions::new().write(true).open(path).and_then(|file| file.set_times(times)).map_err(failed(Action::Write, path))
}

/// Opens the lock file `path`, making it if need be.
pub(crate) fn open_lock(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    opened.map_err(failed(Action::Lock, path))
}

/// Opens the lock file `path` for a shared lock, which needs no right to write if it is there.
pub(crate) fn open_shared(path: &Path) -> Result<File> {
    match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => open_lock(path),
        outcome => outcome.map_err(failed(Action::Lock, path)),
    }
}

/// Waits for a shared lock on `file`; see [`lock`].
pub(crate) fn lock_shared(file: &File, path: &Path) -> Result<()> {
    loop {
        match file.lock_shared() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome.map_err(failed(Action::Lock, path)),
        }
    }
}

/// Opens `path` for appending, making it if need be.
pub(crate) fn open_append(path: &Path) -> Result<File> {
    OpenOptions::new().append(true).create(true).open(path).map_err(failed(Action::Write, path))
}

/// Waits for the exclusive lock on `file`; it is free again when `file` is dropped or its owner dies.
pub(crate) fn lock(file: &File, path: &Path) -> Result<()> {
    loop {
        match file.lock() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome.map_err(failed(Action::Lock, path)),
        }
    }
}

/// Takes the exclusive lock on `file` if nobody has it; whether it was taken.
pub(crate) fn try_lock(file: &File, path: &Path) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(e)) => Err(StoreError::new(Action::Lock, path, e)),
    }
}

/// Writes `bytes` to `path`: temp beside it, fsync, rename, fsync of the folder.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temp = Temp::create(folder)?;
    temp.write(bytes)?;
    temp.sync()?;
    temp.publish(path)?;
    sync_folder(folder)
}
