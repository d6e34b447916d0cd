//! The bytes of a pack: many sub-results in one object, each with its own key and digest.
//!
//! ```text
//! "planish parts 1\n"   16 bytes
//! count                 u64, little endian
//! count records         key (32 bytes), digest of the value (32 bytes), length of the value (u64)
//! digest of all before  32 bytes
//! the values            one after the other, in the order of the records
//! ```

use std::path::Path;

use crate::{Digest, StoreError, fs};

pub(crate) const MAGIC: &[u8; 16] = b"planish parts 1\n";
const DIGEST: usize = 32;
const PREFIX: usize = MAGIC.len() + 8;
/// Bytes of one record.
pub(crate) const RECORD: usize = 2 * DIGEST + 8;

/// Where one value is in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: Digest,
    /// The digest of the value.
    pub(crate) value: Digest,
    /// Where the value begins, in bytes from the start of the pack.
    pub(crate) offset: u64,
    /// How many bytes it has.
    pub(crate) length: u64,
}

/// What is at a pack's place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Header {
    Absent,
    Intact(Vec<Record>),
    Damaged,
}

/// The bytes of the pack that holds `parts`.
pub(crate) fn encode(parts: &[(Digest, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend((parts.len() as u64).to_le_bytes());
    for (key, value) in parts {
        bytes.extend(key.as_bytes());
        bytes.extend(Digest::of(value).as_bytes());
        bytes.extend((value.len() as u64).to_le_bytes());
    }
    let checksum = Digest::of(&bytes);
    bytes.extend(checksum.as_bytes());
    for (_, value) in parts {
        bytes.extend(value);
    }
    bytes
}

/// The records of the pack at `path`; its values are not looked at.
pub(crate) fn read_header(path: &Path) -> Result<Header, StoreError> {
    let Some((prefix, size)) = fs::read_range(path, 0, PREFIX as u64)? else { return Ok(Header::Absent) };
    let Some(length) = header_length(&prefix, size) else { return Ok(Header::Damaged) };
    let Some((header, _)) = fs::read_range(path, 0, length)? else { return Ok(Header::Absent) };
    Ok(decode(&header, size).map_or(Header::Damaged, Header::Intact))
}

/// How long the header of a pack of `size` bytes is that begins with `prefix`.
fn header_length(prefix: &[u8], size: u64) -> Option<u64> {
    let count = u64::from_le_bytes(*prefix.strip_prefix(MAGIC)?.first_chunk()?);
    let length = count.checked_mul(RECORD as u64)?.checked_add((PREFIX + DIGEST) as u64)?;
    // A count that the file can't hold is damage, and nothing to allocate for.
    (length <= size).then_some(length)
}

/// The records in `header`, the complete header of a pack of `size` bytes.
fn decode(header: &[u8], size: u64) -> Option<Vec<Record>> {
    let (body, checksum) = header.split_last_chunk::<DIGEST>()?;
    if Digest::of(body).as_bytes() != checksum {
        return None;
    }
    let (records, rest) = body.get(PREFIX..)?.as_chunks::<RECORD>();
    let mut offset = header.len() as u64;
    let mut found = Vec::with_capacity(records.len());
    for record in records {
        let (key, rest) = record.split_first_chunk::<DIGEST>()?;
        let (value, length) = rest.split_first_chunk::<DIGEST>()?;
        let length = u64::from_le_bytes(*length.first_chunk()?);
        found.push(Record { key: Digest::from_bytes(*key), value: Digest::from_bytes(*value), offset, length });
        offset = offset.checked_add(length)?;
    }
    (rest.is_empty() && offset == size).then_some(found)
}

/// The value of `record` in the pack at `path`; `None` when the pack is gone or the value damaged.
pub(crate) fn read_value(path: &Path, record: &Record) -> Result<Option<Vec<u8>>, StoreError> {
    let Some((value, _)) = fs::read_range(path, record.offset, record.length)? else { return Ok(None) };
    Ok((Digest::of(&value) == record.value).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack() -> Vec<(Digest, Vec<u8>)> {
        [b"one".to_vec(), Vec::new(), vec![7; 300]].into_iter().map(|value| (Digest::of(&[value.len() as u8]), value)).collect()
    }

    #[test]
    fn a_pack_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pack");
        std::fs::write(&path, encode(&pack())).unwrap();
        let Header::Intact(records) = read_header(&path).unwrap() else { panic!("the header is intact") };
        for ((key, value), record) in pack().iter().zip(&records) {
            assert_eq!(record.key, *key);
            assert_eq!(read_value(&path, record).unwrap().as_ref(), Some(value));
        }
        assert_eq!(records.len(), 3);
        assert_eq!(read_header(&folder.path().join("none")).unwrap(), Header::Absent);
    }

    #[test]
    fn any_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pack");
        let good = encode(&pack());
        let served = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let Header::Intact(records) = read_header(&path).unwrap() else { return 0 };
            let values = pack();
            let mut right = 0;
            for record in &records {
                if let Some(value) = read_value(&path, record).unwrap() {
                    assert!(values.contains(&(record.key, value)), "a wrong value was served");
                    right += 1;
                }
            }
            right
        };
        assert_eq!(served(&good), 3);
        for cut in 0..good.len() {
            assert_eq!(served(&good[..cut]), 0, "cut at {cut}");
        }
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 0x20;
            assert!(served(&bad) < 3, "flipped at {place}");
        }
        // A count that would need more memory than there is.
        let mut huge = good.clone();
        huge[16..24].copy_from_slice(&(u64::MAX / 72).to_le_bytes());
        assert_eq!(served(&huge), 0);
    }
}
