//! Files as they lie in the page cache: mapped, so that what is read is not copied first. The only module with `unsafe`.
//!
//! # Why it is sound enough
//! A mapping is undefined behaviour when its file changes underneath. What stages read here are blobs of the store, or private copies of
//! them: read-only, never written again under their name, and verified before the stage started. The store replaces and removes
//! blobs by renaming and unlinking only, which leaves a mapping as it was. Who breaks that with another program, as the same user, by
//! overwriting a blob in place, makes the stage read other bytes, none of which is trusted: every reader checks sizes, types and ranges of
//! what it reads, and the results of such a stage are as wrong as its input. Who truncates a blob in place makes the system
//! end the worker with SIGBUS: that costs the instance, as any crash of a worker does, and nothing is stored.

use std::fs::File;
use std::io::Read;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;
use planish_contract::Failure;

/// Files smaller than this are read: a mapping costs more than it gains.
const SMALL: u64 = 16 << 10;

/// The bytes of a file, or of a part of it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Mapped {
    bytes: Arc<Source>,
    range: Range<usize>,
}

#[derive(Debug)]
enum Source {
    Map(Mmap),
    Read(Vec<u8>),
}

impl Mapped {
    /// The file at `path`.
    ///
    /// # Errors
    /// [`Failure::Io`] when it can't be read.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |e| Failure::io(path, e);
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let bytes = if length < SMALL {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(failed)?;
            Source::Read(bytes)
        } else {
            Source::Map(map(&file).map_err(failed)?)
        };
        let range = 0..bytes.slice().len();
        Ok(Mapped { bytes: Arc::new(bytes), range })
    }

    /// A part of these bytes, given as a part of the slice that they are; `None` when it is not one.
    #[must_use]
    pub fn part(&self, part: &[u8]) -> Option<Self> {
        let own = self.bytes.slice().as_ptr_range();
        let part = part.as_ptr_range();
        let inside = own.start <= part.start && part.end <= own.end;
        let start = part.start.addr().wrapping_sub(own.start.addr());
        let end = part.end.addr().wrapping_sub(own.start.addr());
        inside.then(|| Mapped { bytes: Arc::clone(&self.bytes), range: start..end })
    }
}

#[expect(unsafe_code, reason = "mapping a file is unsafe in principle; the module's documentation says why it is sound enough here")]
fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the file is a blob of the store or a private copy: nobody writes to it in place (see above).
    unsafe { Mmap::map(file) }
}

impl Source {
    fn slice(&self) -> &[u8] {
        match self {
            Source::Map(map) => map,
            Source::Read(bytes) => bytes,
        }
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.slice().get(self.range.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_files_read_the_same_and_parts_share_them() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0, 1, SMALL as usize - 1, SMALL as usize, 1 << 20] {
            let path = folder.path().join(length.to_string());
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            let mapped = Mapped::open(&path).unwrap();
            assert_eq!(&mapped[..], &bytes[..], "{length}");
            let part = mapped.part(&mapped[length / 2..]).unwrap();
            drop(mapped);
            assert_eq!(&part[..], &bytes[length / 2..], "{length}");
            assert!(part.part(&[1, 2, 3]).is_none());
        }
    }

    #[test]
    fn a_mapping_outlives_the_removal_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        std::fs::write(&path, vec![7; 1 << 20]).unwrap();
        let mapped = Mapped::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "another").unwrap();
        assert!(mapped.iter().all(|&byte| byte == 7));
        assert!(matches!(Mapped::open(&folder.path().join("none")), Err(Failure::Io { .. })));
    }
}
