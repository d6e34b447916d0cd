//! The digest of a large open file, on several threads: each reads and hashes pieces that stay in its processor's cache. A mapping would save
//! the copy, but a mapped file that shrinks meanwhile would kill the process.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};

use crate::Digest;

/// How much is read at a time, a power of two: then every piece is a subtree of the hash.
const PIECE: u64 = 256 << 10;

/// The digest of the first `size` bytes of `file`, which are more than [`PIECE`]; `None` when the file ends before.
pub(super) fn hash(file: &File, size: u64) -> io::Result<Option<Digest>> {
    let own = Own::of(file);
    let left = left_subtree_len(size);
    let (first, second) = rayon::join(|| subtree(&own, 0, left), || subtree(&own, left, size - left));
    match (first, second) {
        (Ok(first), Ok(second)) => Ok(Some(merge_subtrees_root(&first, &second, Mode::Hash).into())),
        (Err(e), _) | (_, Err(e)) if e.kind() != io::ErrorKind::UnexpectedEof => Err(e),
        _ => Ok(None),
    }
}

/// Whether a file of this size is worth several threads.
pub(super) fn pays(size: u64) -> bool {
    size > 4 * PIECE
}

/// The file, opened once more for each thread: the kernel reads ahead of each place where an open file is read in order, and of one
/// place only.
struct Own<'a> {
    file: &'a File,
    again: Vec<File>,
}

impl<'a> Own<'a> {
    fn of(file: &'a File) -> Self {
        let name = format!("/proc/self/fd/{}", file.as_raw_fd());
        let again = (0..rayon::current_num_threads()).map_while(|_| File::open(&name).ok());
        Own { file, again: if cfg!(target_os = "linux") { again.collect() } else { Vec::new() } }
    }

    /// That of this thread.
    fn file(&self) -> &File {
        rayon::current_thread_index().and_then(|thread| self.again.get(thread)).unwrap_or(self.file)
    }
}

fn subtree(file: &Own<'_>, offset: u64, length: u64) -> io::Result<ChainingValue> {
    if length <= PIECE {
        return piece(file, offset, length);
    }
    let left = left_subtree_len(length);
    let (first, second) = rayon::join(|| subtree(file, offset, left), || subtree(file, offset + left, length - left));
    Ok(merge_subtrees_non_root(&first?, &second?, Mode::Hash))
}

fn piece(file: &Own<'_>, offset: u64, length: u64) -> io::Result<ChainingValue> {
    thread_local!(static BUFFER: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) });
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(PIECE as usize, 0);
        let bytes = buffer.get_mut(..length as usize).unwrap_or_default();
        file.file().read_exact_at(bytes, offset)?;
        Ok(blake3::Hasher::new().set_input_offset(offset).update(bytes).finalize_non_root())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_digest_of_the_bytes_whatever_the_size() {
        let folder = tempfile::tempdir().unwrap();
        for size in [PIECE + 1, 2 * PIECE, 2 * PIECE + 1, 3 * PIECE - 1, 5 * PIECE + 1023, 8 * PIECE, 8 * PIECE + 1025] {
            let bytes: Vec<u8> = (0..size as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            let path = folder.path().join("file");
            std::fs::write(&path, &bytes).unwrap();
            let file = File::open(&path).unwrap();
            assert_eq!(hash(&file, size).unwrap(), Some(Digest::of(&bytes)), "{size}");
            assert_eq!(hash(&file, size + 1).unwrap(), None);
        }
    }
}
