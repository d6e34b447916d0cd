//! The texts that a pipeline is read from, and places in them.

use std::fs::{File, FileType};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::NamedSource;
use rustix::fs::OFlags;

/// The largest pipeline file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// A place in one of the [`Sources`]: a range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Which text.
    pub file: usize,
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// The place of `range` in text `file`.
    #[must_use]
    pub fn new(file: usize, range: std::ops::Range<usize>) -> Self {
        Span { file, start: range.start, end: range.end.max(range.start) }
    }
}

/// The texts that a pipeline is read from: its file, `--set` values, targets. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    texts: Vec<Arc<NamedSource<String>>>,
    files: Vec<(PathBuf, [u8; 32])>,
}

impl Sources {
    /// Adds a text under the name that messages show; returns its number for [`Span::file`].
    pub fn add(&mut self, name: &str, text: String) -> usize {
        self.texts.push(Arc::new(NamedSource::new(name, text)));
        self.texts.len() - 1
    }

    /// Adds the text of a file, named as the caller wrote its path.
    ///
    /// # Errors
    /// A sentence fragment: the file can't be read, is not UTF-8, or is larger than [`MAX_FILE_BYTES`].
    pub fn add_file(&mut self, path: &Path) -> Result<usize, String> {
        let text = read_bounded(path, MAX_FILE_BYTES, "a pipeline").map_err(|reason| format!("{}: {reason}", path.display()))?;
        let absolute = std::path::absolute(path).map_err(|e| format!("{}: {e}", path.display()))?;
        self.files.push((absolute, *blake3::hash(text.as_bytes()).as_bytes()));
        Ok(self.add(&path.display().to_string(), text))
    }

    /// The files that were read: absolute path, and blake3 of the bytes.
    #[must_use]
    pub fn files(&self) -> &[(PathBuf, [u8; 32])] {
        &self.files
    }

    /// Text number `file`, named.
    #[must_use]
    pub fn named(&self, file: usize) -> Option<&Arc<NamedSource<String>>> {
        self.texts.get(file)
    }

    /// What is written in text number `file`; empty when there is no such text.
    #[must_use]
    pub fn text(&self, file: usize) -> &str {
        self.texts.get(file).map_or("", |source| source.inner().as_str())
    }
}

/// Opens a regular file: anything else would keep the reader waiting, or never end.
fn open(path: &Path) -> Result<File, String> {
    let check = |kind: FileType| if kind.is_file() { Ok(()) } else { Err(format!("it is {}, not a file", describe(kind))) };
    check(std::fs::metadata(path).map_err(|e| e.to_string())?.file_type())?;
    // Should it be exchanged for a pipe just now, this does not wait for a writer.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(|e| e.to_string())?;
    check(file.metadata().map_err(|e| e.to_string())?.file_type())?;
    Ok(file)
}

/// What a path is that is no regular file, in words.
pub(crate) fn describe(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => "a folder",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_block_device() || kind.is_char_device() => "a device",
        _ => "something else",
    }
}

/// The text of a regular file of at most `limit` bytes, some MiB; `whose` file it is.
///
/// # Errors
/// A sentence fragment: the file can't be read, is none, is larger, or is not UTF-8.
pub(crate) fn read_bounded(path: &Path, limit: u64, whose: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = open(path)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > limit {
        return Err(format!("the file is larger than {} MiB, the most {whose} may have", limit / (1024 * 1024)));
    }
    String::from_utf8(bytes).map_err(|e| format!("the file is not UTF-8 text (byte {})", e.utf8_error().valid_up_to()))
}
