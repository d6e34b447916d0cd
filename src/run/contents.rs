//! Reading the files from outside: many at a time, in their order, until somebody asks to stop.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use planish_cache::{Digest, Store, StoreError};

/// So many files are hashed before the user is asked again whether to go on. They are the only ones that wait in memory.
const BATCH: usize = 2048;
/// How often what was hashed is kept, so that an interrupt costs no more than this.
const KEEPING: Duration = Duration::from_mins(1);

/// Told how many files were hashed; says whether to go on.
pub(super) type Watch<'a> = dyn FnMut(usize) -> bool + 'a;

/// Why the content of files is not known.
#[derive(Debug)]
pub(super) enum Unread {
    /// The first file that can't be read, and what the store said.
    File(PathBuf, StoreError),
    /// It was asked to stop.
    Stopped,
}

/// The content of each file, in their order.
pub(super) fn hash(store: &Store, files: &[(String, PathBuf)], watch: &mut Watch<'_>) -> Result<Vec<Digest>, Unread> {
    let mut digests = Vec::with_capacity(files.len());
    let mut kept = Instant::now();
    for batch in files.chunks(BATCH) {
        if !watch(digests.len()) {
            return Err(Unread::Stopped);
        }
        let paths: Vec<&PathBuf> = batch.iter().map(|(_, path)| path).collect();
        for (path, digest) in paths.iter().zip(store.hash_files(&paths)) {
            digests.push(digest.map_err(|error| Unread::File((*path).clone(), error))?);
        }
        if kept.elapsed() >= KEEPING {
            // It only saves time.
            drop(store.save_memo());
            kept = Instant::now();
        }
    }
    Ok(digests)
}

/// Names with their content.
pub(super) fn with<'a>(files: &'a [(String, PathBuf)], digests: &'a [Digest]) -> impl ExactSizeIterator<Item = (&'a str, Digest)> {
    files.iter().zip(digests).map(|((name, _), digest)| (name.as_str(), *digest))
}
