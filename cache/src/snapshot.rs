//! The index snapshot: what entries and manifests say, in one compact file, so that a run which finds everything in the store opens no
//! other. It says nothing that is not in them: a result counts only with an entry of the very bytes that were read, a
//! manifest only under its digest. Losing it costs time.
//!
//! ```text
//! magic, number of results, number of manifests
//! key → offset, …            sorted
//! manifest → offset, …       sorted
//! at each offset: the digest of the entry's file (results only), then name → digest, …
//! blake3 of all before
//! ```

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use crate::fs::{self, Temp};
use crate::{Digest, Key, StoreError};

const MAGIC: &[u8; 16] = b"planish index 1\n";
const DIGEST: usize = 32;
const NUMBER: usize = 4;
/// Bytes of a line of a table: what is looked up, and where it is said.
const LINE: usize = DIGEST + NUMBER;
/// More results than this are kept only if they were asked for lately.
const CAPACITY: usize = 1 << 17;
/// The largest snapshot that is read.
const FILE_LIMIT: u64 = 256 << 20;

/// Names, each with a digest, sorted by name.
pub(crate) type Named = Vec<(String, Digest)>;

/// What the entry of a key says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// The digest of the entry's file.
    pub(crate) entry: Digest,
    /// Output → manifest.
    pub(crate) outputs: Named,
}

/// What entries and manifests say.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    base: Base,
    results: BTreeMap<Key, Known>,
    trees: BTreeMap<Digest, Named>,
}

impl Snapshot {
    /// Reads a snapshot; a missing, damaged or foreign one is empty.
    pub(crate) fn load(path: &Path) -> Self {
        let bytes = fs::read(path, FILE_LIMIT).ok().flatten().unwrap_or_default();
        Snapshot { base: Base::of(bytes).unwrap_or_default(), ..Self::default() }
    }

    /// Whether the snapshot at `path` can be read.
    pub(crate) fn is_intact(path: &Path) -> bool {
        fs::read(path, FILE_LIMIT).ok().flatten().is_some_and(|bytes| Base::of(bytes).is_some())
    }

    /// What the entry of `key` said when it was read.
    pub(crate) fn result(&self, key: &Key) -> Option<Known> {
        self.results.get(key).cloned().or_else(|| self.base.result(key))
    }

    /// The files of a manifest.
    pub(crate) fn tree(&self, manifest: &Digest) -> Option<Named> {
        self.trees.get(manifest).cloned().or_else(|| self.base.tree(manifest))
    }

    /// Notes what the entry of `key` says.
    pub(crate) fn note_result(&mut self, key: Key, known: Known) {
        if self.base.result(&key).as_ref() == Some(&known) {
            self.results.remove(&key);
        } else {
            self.results.insert(key, known);
        }
    }

    /// Notes what a manifest says.
    pub(crate) fn note_tree(&mut self, manifest: Digest, files: Named) {
        if self.base.tree(&manifest).is_none() {
            self.trees.insert(manifest, files);
        }
    }

    /// Whether something was noted since it was loaded or saved.
    pub(crate) fn has_news(&self) -> bool {
        !self.results.is_empty() || !self.trees.is_empty()
    }

    /// Writes the snapshot by way of a temporary file in `folder`, with what other processes wrote meanwhile.
    pub(crate) fn save(&mut self, path: &Path, folder: &Path) -> Result<(), StoreError> {
        let theirs = Snapshot::load(path).base;
        let (mut results, mut trees) = (theirs.results(), theirs.trees());
        let half = FILE_LIMIT / 2;
        if results.len() + self.results.len() > CAPACITY || theirs.bytes.len() as u64 > half {
            (results, trees) = (BTreeMap::new(), BTreeMap::new());
        }
        results.append(&mut self.results.clone());
        trees.append(&mut self.trees.clone());
        let named: HashSet<Digest> = results.values().flat_map(|known| known.outputs.iter().map(|(_, manifest)| *manifest)).collect();
        trees.retain(|manifest, _| named.contains(manifest));
        let bytes = encode(&results, &trees);
        // No fsync: one that is lost in a crash is only rebuilt, and a torn one fails its checksum.
        let mut temp = Temp::create(folder)?;
        temp.write(&bytes)?;
        temp.publish(path)?;
        *self = Snapshot { base: Base::of(bytes).unwrap_or_default(), ..Self::default() };
        Ok(())
    }
}

/// A snapshot as it is on the disk; read only where it is asked.
#[derive(Debug, Default)]
struct Base {
    bytes: Vec<u8>,
    results: usize,
    trees: usize,
}

impl Base {
    const TABLES: usize = MAGIC.len() + 2 * NUMBER;

    fn of(mut bytes: Vec<u8>) -> Option<Self> {
        let (body, checksum) = bytes.split_last_chunk::<DIGEST>()?;
        if Digest::of(body).as_bytes() != checksum {
            return None;
        }
        let mut reader = Reader(body.strip_prefix(MAGIC)?);
        let (results, trees) = (reader.number()?, reader.number()?);
        let end = results.checked_add(trees)?.checked_mul(LINE)?.checked_add(Self::TABLES)?;
        let length = body.len();
        bytes.truncate(length);
        let base = (end <= length).then_some(Base { bytes, results, trees })?;
        // Each line has bytes of its own: a crafted file in which many say the same would be far larger in memory than on the disk.
        base.lines(0, results + trees).is_sorted_by(|a, b| offset(a) < offset(b)).then_some(base)
    }

    fn lines(&self, from: usize, count: usize) -> &[[u8; LINE]] {
        let start = Self::TABLES + from * LINE;
        self.bytes.get(start..start + count * LINE).unwrap_or_default().as_chunks::<LINE>().0
    }

    /// What the line for `id`, among `count` lines from `from`, says.
    fn find(&self, (from, count): (usize, usize), id: &Digest) -> Option<Reader<'_>> {
        let lines = self.lines(from, count);
        let line = lines.binary_search_by(|line| line.first_chunk::<DIGEST>().cmp(&Some(id.as_bytes()))).ok()?;
        self.at(from + line)
    }

    /// What line number `index` says: it ends where that of the next line begins.
    fn at(&self, index: usize) -> Option<Reader<'_>> {
        let lines = self.lines(0, self.results + self.trees);
        let end = lines.get(index + 1).map_or(self.bytes.len(), offset);
        self.bytes.get(offset(lines.get(index)?)..end).map(Reader)
    }

    fn result(&self, key: &Key) -> Option<Known> {
        self.find((0, self.results), key.digest())?.known()
    }

    fn tree(&self, manifest: &Digest) -> Option<Named> {
        self.find((self.results, self.trees), manifest)?.named()
    }

    fn results(&self) -> BTreeMap<Key, Known> {
        let lines = self.lines(0, self.results).iter().enumerate();
        lines.filter_map(|(index, line)| Some((Key::new(id(line)?), self.at(index)?.known()?))).collect()
    }

    fn trees(&self) -> BTreeMap<Digest, Named> {
        let lines = self.lines(self.results, self.trees).iter().enumerate();
        lines.filter_map(|(index, line)| Some((id(line)?, self.at(self.results + index)?.named()?))).collect()
    }
}

fn offset(line: &[u8; LINE]) -> usize {
    line.last_chunk::<NUMBER>().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
}

fn id(line: &[u8; LINE]) -> Option<Digest> {
    line.first_chunk::<DIGEST>().map(|bytes| Digest::from_bytes(*bytes))
}

/// Reads values from the front of some bytes.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (value, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*value)
    }

    fn number(&mut self) -> Option<usize> {
        self.take().map(|bytes| u32::from_le_bytes(bytes) as usize)
    }

    fn digest(&mut self) -> Option<Digest> {
        self.take().map(Digest::from_bytes)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn named(&mut self) -> Option<Named> {
        let count = self.number()?;
        (0..count).map(|_| Some((self.text()?, self.digest()?))).collect()
    }

    fn known(&mut self) -> Option<Known> {
        Some(Known { entry: self.digest()?, outputs: self.named()? })
    }
}

fn encode(results: &BTreeMap<Key, Known>, trees: &BTreeMap<Digest, Named>) -> Vec<u8> {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = MAGIC.to_vec();
    bytes.extend(number(results.len()));
    bytes.extend(number(trees.len()));
    let start = Base::TABLES + (results.len() + trees.len()) * LINE;
    let mut said = Vec::new();
    let named = |said: &mut Vec<u8>, list: &Named| {
        said.extend(number(list.len()));
        for (name, digest) in list {
            said.extend(number(name.len()));
            said.extend(name.as_bytes());
            said.extend(digest.as_bytes());
        }
    };
    for (key, known) in results {
        bytes.extend(key.digest().as_bytes());
        bytes.extend(number(start + said.len()));
        said.extend(known.entry.as_bytes());
        named(&mut said, &known.outputs);
    }
    for (manifest, files) in trees {
        bytes.extend(manifest.as_bytes());
        bytes.extend(number(start + said.len()));
        named(&mut said, files);
    }
    bytes.extend(said);
    let checksum = Digest::of(&bytes);
    bytes.extend(checksum.as_bytes());
    bytes
}

#[cfg(test)]
mod tests;
