//! Index entries: what a key's result is. Two JSON values: a header with version and checksum, then the entry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, Key, StoreError};

/// The format version of the entries that this planish writes and reads.
pub const ENTRY_VERSION: u32 = 1;

/// The result of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The format version, [`ENTRY_VERSION`].
    pub version: u32,
    /// The instance's key.
    pub key: Key,
    /// The stage kind that made it.
    pub kind: String,
    /// The instance's label when it was made; for people only.
    pub instance: String,
    /// What the key was made of, so that a later one can be compared with it.
    pub parts: serde_json::Value,
    /// Output name → digest of its folder manifest.
    pub outputs: BTreeMap<String, Digest>,
    /// Device, times, host, versions: whatever is not part of the result.
    pub provenance: serde_json::Value,
    /// The lost result that this one stands in for, if the store filled this in: leave it `None`.
    #[serde(default)]
    pub superseded: Option<Superseded>,
}

/// A result that was damaged and whose repetition gave other bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Superseded {
    /// Its outputs: name → digest of the folder manifest.
    pub outputs: BTreeMap<String, Digest>,
    /// Its provenance.
    pub provenance: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
struct Header {
    #[serde(rename = "planish-entry")]
    version: u32,
    blake3: Digest,
}

#[derive(Deserialize)]
struct AnyHeader {
    #[serde(rename = "planish-entry")]
    version: u32,
}

/// What an entry's file turned out to be.
#[derive(Debug, PartialEq)]
pub(crate) enum Decoded {
    Entry(Box<Entry>),
    OtherVersion(u32),
    Damaged(String),
}

/// The bytes of an entry's file.
pub(crate) fn encode(entry: &Entry) -> Result<Vec<u8>, StoreError> {
    let unwritable = |e: serde_json::Error| StoreError::Invalid(format!("the entry of {} can't be written as JSON: {e}", entry.instance));
    let mut body = serde_json::to_vec_pretty(entry).map_err(unwritable)?;
    body.push(b'\n');
    let mut bytes = serde_json::to_vec(&Header { version: entry.version, blake3: Digest::of(&body) }).map_err(unwritable)?;
    bytes.push(b'\n');
    bytes.extend(body);
    Ok(bytes)
}

/// Reads the file of the entry for `key`.
pub(crate) fn decode(key: &Key, bytes: &[u8]) -> Decoded {
    let damaged = |reason: &str| Decoded::Damaged(reason.to_owned());
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (Some(header), Some(body)) = (parts.next(), parts.next()) else {
        return damaged("it is cut short");
    };
    match serde_json::from_slice(header) {
        Ok(AnyHeader { version: ENTRY_VERSION }) => {}
        Ok(AnyHeader { version }) => return Decoded::OtherVersion(version),
        Err(_) => return damaged("its first line is not a header"),
    }
    let Ok(Header { blake3, .. }) = serde_json::from_slice(header) else {
        return damaged("its header has no checksum");
    };
    if Digest::of(body) != blake3 {
        return damaged("its checksum does not match");
    }
    match serde_json::from_slice::<Entry>(body) {
        Ok(entry) if entry.key != *key => damaged("it belongs to another key"),
        Ok(entry) => Decoded::Entry(Box::new(entry)),
        Err(e) => Decoded::Damaged(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::entry;

    #[test]
    fn an_entry_reads_back() {
        let mut entry = entry("train", Digest::of(b"out"));
        entry.parts = serde_json::json!({"lr": 0.1, "big": u64::MAX, "nested": {"é": [1, -2.5e-300, null]}});
        entry.superseded = Some(Superseded { outputs: entry.outputs.clone(), provenance: serde_json::json!({"device": "cpu"}) });
        assert_eq!(decode(&entry.key, &encode(&entry).unwrap()), Decoded::Entry(Box::new(entry)));
    }

    #[test]
    fn any_damage_is_noticed() {
        let entry = entry("train", Digest::of(b"out"));
        let good = encode(&entry).unwrap();
        for cut in 0..good.len() {
            assert!(matches!(decode(&entry.key, &good[..cut]), Decoded::Damaged(_)), "cut at {cut}");
        }
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 0x01;
            // A flip in the version number reads as another version: a miss as well.
            assert!(!matches!(decode(&entry.key, &bad), Decoded::Entry(_)), "flipped at {place}");
        }
        assert!(matches!(decode(&entry.key, &vec![0; good.len()]), Decoded::Damaged(_)));
        let other = Key::new(Digest::of(b"another"));
        assert_eq!(decode(&other, &good), Decoded::Damaged("it belongs to another key".to_owned()));
    }

    #[test]
    fn other_versions_are_told_apart_whatever_follows() {
        let key = Key::new(Digest::of(b"key"));
        assert_eq!(decode(&key, b"{\"planish-entry\":0}\n"), Decoded::OtherVersion(0));
        assert_eq!(decode(&key, b"{\"planish-entry\":2,\"sha3\":\"x\"}\nbinary \xff\xfe"), Decoded::OtherVersion(2));
    }
}
