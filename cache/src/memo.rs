//! The stat memo: which files were hashed, in which state, so that an unchanged file costs one stat.

use std::collections::BTreeMap;
use std::path::Path;

use crate::fs::{self, FileKind, Stat, Temp};
use crate::{Digest, StoreError};

const MAGIC: &[u8; 16] = b"planish memo  1\n";
/// Bytes of one record on disk: six integers of 8 bytes and a digest, little endian.
const RECORD: usize = 6 * 8 + 32;
const DIGEST: usize = 32;
/// More records than this are not kept; the oldest go first. Two million files of one data set (ImageNet has 1.3) and those of the store beside
/// them: a data set that did not fit would be read from the first file to the last each time.
const CAPACITY: usize = 5 << 19;
const FILE_LIMIT: u64 = (MAGIC.len() + CAPACITY * RECORD + DIGEST) as u64;

/// How far apart the last change of a file and its hashing must be, in nanoseconds.
const MARGIN: i64 = 10_000_000;
/// The same on file systems whose stamps are coarse (FAT counts in two seconds).
const COARSE_MARGIN: i64 = 2_100_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    size: u64,
    changed: i64,
    modified: i64,
    /// When hashing began.
    noted: i64,
    digest: Digest,
}

/// What was hashed: (device, inode) → state and digest. Only safe records are taken in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Memo {
    records: BTreeMap<(u64, u64), Record>,
    changed: bool,
}

impl Memo {
    /// The digest of the file in state `stat`, if it was hashed in that very state.
    pub(crate) fn find(&self, stat: &Stat) -> Option<Digest> {
        let record = self.records.get(&(stat.device, stat.inode))?;
        let same = record.size == stat.size && record.changed == stat.changed && record.modified == stat.modified;
        (same && stat.kind == FileKind::Regular).then_some(record.digest)
    }

    /// Notes that the file in state `stat` has `digest`; hashing began at `started`.
    ///
    /// git's racy rule: a file changed so recently that another change could get the same stamp is not noted.
    pub(crate) fn note(&mut self, stat: &Stat, digest: Digest, started: i64) {
        if settled(stat, started) {
            let record = Record { size: stat.size, changed: stat.changed, modified: stat.modified, noted: started, digest };
            self.records.insert((stat.device, stat.inode), record);
            self.changed = true;
        }
    }

    /// Forgets what is known of the file in state `stat`: it is hashed again.
    pub(crate) fn forget(&mut self, stat: &Stat) {
        self.changed |= self.records.remove(&(stat.device, stat.inode)).is_some();
    }

    /// Whether the memo at `path` can be read.
    pub(crate) fn is_intact(path: &Path) -> bool {
        fs::read(path, FILE_LIMIT).ok().flatten().is_some_and(|bytes| decode(&bytes).is_some())
    }

    /// Whether something was noted since it was loaded or saved.
    pub(crate) fn has_news(&self) -> bool {
        self.changed
    }

    /// Reads a memo; a missing, damaged or foreign one is empty.
    pub(crate) fn load(path: &Path) -> Self {
        let bytes = fs::read(path, FILE_LIMIT).ok().flatten().unwrap_or_default();
        Memo { records: decode(&bytes).unwrap_or_default(), changed: false }
    }

    /// Writes the memo by way of a temporary file in `folder`, keeping what other processes wrote meanwhile.
    pub(crate) fn save(&mut self, path: &Path, folder: &Path) -> Result<(), StoreError> {
        for (file, theirs) in Memo::load(path).records {
            let ours = self.records.entry(file).or_insert(theirs);
            if theirs.noted > ours.noted {
                *ours = theirs;
            }
        }
        self.shed(CAPACITY);
        // No fsync: a memo lost in a crash is only rebuilt, and a torn one fails its checksum.
        let mut temp = Temp::create(folder)?;
        temp.write(&encode(&self.records))?;
        temp.publish(path)?;
        self.changed = false;
        Ok(())
    }

    fn shed(&mut self, capacity: usize) {
        let surplus = self.records.len().saturating_sub(capacity);
        if surplus > 0 {
            let mut ages: Vec<(i64, (u64, u64))> = self.records.iter().map(|(file, record)| (record.noted, *file)).collect();
            ages.sort_unstable();
            for (_, file) in ages.into_iter().take(surplus) {
                self.records.remove(&file);
            }
        }
    }
}

/// Whether the file in state `stat` last changed so long before `started` that a later change gets another stamp.
pub(crate) fn settled(stat: &Stat, started: i64) -> bool {
    let latest = stat.changed.max(stat.modified);
    let coarse = stat.changed % 1_000_000 == 0;
    started.saturating_sub(latest) >= if coarse { COARSE_MARGIN } else { MARGIN }
}

fn encode(records: &BTreeMap<(u64, u64), Record>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(MAGIC.len() + records.len() * RECORD + DIGEST);
    bytes.extend(MAGIC);
    for ((device, inode), record) in records {
        for number in [*device, *inode, record.size] {
            bytes.extend(number.to_le_bytes());
        }
        for time in [record.changed, record.modified, record.noted] {
            bytes.extend(time.to_le_bytes());
        }
        bytes.extend(record.digest.as_bytes());
    }
    let checksum = Digest::of(&bytes);
    bytes.extend(checksum.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<BTreeMap<(u64, u64), Record>> {
    let (body, checksum) = bytes.split_last_chunk::<DIGEST>()?;
    if Digest::of(body).as_bytes() != checksum {
        return None;
    }
    let records = body.strip_prefix(MAGIC)?.as_chunks::<RECORD>();
    records.1.is_empty().then(|| records.0.iter().filter_map(decode_record).collect())
}

fn decode_record(bytes: &[u8; RECORD]) -> Option<((u64, u64), Record)> {
    let (numbers, digest) = bytes.split_last_chunk::<DIGEST>()?;
    let (numbers, _) = numbers.as_chunks::<8>();
    let &[device, inode, size, changed, modified, noted] = numbers else { return None };
    let record = Record {
        size: u64::from_le_bytes(size),
        changed: i64::from_le_bytes(changed),
        modified: i64::from_le_bytes(modified),
        noted: i64::from_le_bytes(noted),
        digest: Digest::from_bytes(*digest),
    };
    Some(((u64::from_le_bytes(device), u64::from_le_bytes(inode)), record))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn file(inode: u64, changed: i64) -> Stat {
        Stat { device: 7, inode, size: 5, changed, modified: changed, kind: FileKind::Regular, executable: false }
    }

    #[test]
    fn an_unchanged_file_is_found_and_a_changed_one_is_not() {
        let mut memo = Memo::default();
        let (stat, digest) = (file(1, 10 * SECOND + 123), Digest::of(b"hello"));
        memo.note(&stat, digest, 20 * SECOND);
        assert_eq!(memo.find(&stat), Some(digest));
        for other in [
            Stat { size: 6, ..stat },
            Stat { changed: stat.changed + 1, ..stat },
            Stat { modified: stat.modified - 1, ..stat },
            Stat { inode: 2, ..stat },
            Stat { device: 8, ..stat },
            Stat { kind: FileKind::Link, ..stat },
        ] {
            assert_eq!(memo.find(&other), None, "{other:?}");
        }
    }

    #[test]
    fn a_file_that_may_still_change_within_its_stamp_is_not_noted() {
        let mut memo = Memo::default();
        let fine = file(1, 10 * SECOND + 123);
        memo.note(&fine, Digest::of(b""), fine.changed + MARGIN - 1);
        assert_eq!(memo.find(&fine), None);
        memo.note(&fine, Digest::of(b""), fine.changed + MARGIN);
        assert!(memo.find(&fine).is_some());

        let coarse = file(2, 10 * SECOND);
        memo.note(&coarse, Digest::of(b""), 12 * SECOND);
        assert_eq!(memo.find(&coarse), None);
        let from_the_future = Stat { modified: 99 * SECOND + 5, ..file(3, SECOND + 5) };
        memo.note(&from_the_future, Digest::of(b""), 20 * SECOND);
        assert_eq!(memo.find(&from_the_future), None);
    }

    #[test]
    fn what_is_saved_loads_and_merges() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memo");
        let mut first = Memo::load(&path);
        let mut second = Memo::load(&path);
        first.note(&file(1, 5), Digest::of(b"1"), 10 * SECOND);
        second.note(&file(2, 5), Digest::of(b"2"), 10 * SECOND);
        first.save(&path, folder.path()).unwrap();
        second.save(&path, folder.path()).unwrap();
        let loaded = Memo::load(&path);
        assert_eq!(loaded.find(&file(1, 5)), Some(Digest::of(b"1")));
        assert_eq!(loaded.find(&file(2, 5)), Some(Digest::of(b"2")));
    }

    #[test]
    fn a_damaged_memo_is_an_empty_one() {
        let mut memo = Memo::default();
        memo.note(&file(1, 5), Digest::of(b"1"), 10 * SECOND);
        let good = encode(&memo.records);
        assert_eq!(decode(&good), Some(memo.records));
        for cut in 0..good.len() {
            assert_eq!(decode(&good[..cut]), None, "cut at {cut}");
        }
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 0x10;
            assert_eq!(decode(&bad), None, "flipped at {place}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Memo::load(&folder.path().join("none")), Memo::default());
        assert_eq!(Memo::load(folder.path()), Memo::default());
    }

    #[test]
    fn the_oldest_records_go_first() {
        let mut memo = Memo::default();
        for inode in 0..110 {
            memo.note(&file(inode, 5), Digest::of(b""), 10 * SECOND + inode.cast_signed());
        }
        memo.shed(100);
        assert_eq!(memo.records.len(), 100);
        assert_eq!(memo.find(&file(9, 5)), None);
        assert!(memo.find(&file(10, 5)).is_some());
    }
}
