//! What the fuzz targets call: the readers of the store's files. Each input is also given the checksum that its file would need, so that
//! what lies behind the checksum is reached; what reads must read the same once written again.
#![allow(clippy::missing_panics_doc, clippy::expect_used)]

use std::path::Path;

use crate::index::{self, Decoded};
use crate::memo::Memo;
use crate::parts::pack::{self, Header};
use crate::snapshot::{Known, Snapshot};
use crate::tree::Tree;
use crate::{Digest, Key, roots};

/// An entry's file: as it is, then as the body below a header that fits.
pub fn entry(bytes: &[u8]) {
    let any = Key::new(Digest::of(b"any"));
    let _ = index::decode(&any, bytes);
    let named = serde_json::from_slice::<serde_json::Value>(bytes).ok().and_then(|body| body.get("key")?.as_str()?.parse().ok());
    let key: Key = named.unwrap_or(any);
    let header = format!("{{\"planish-entry\":{},\"blake3\":\"{}\"}}\n", index::ENTRY_VERSION, Digest::of(bytes));
    if let Decoded::Entry(entry) = index::decode(&key, &[header.as_bytes(), bytes].concat()) {
        let written = index::encode(&entry).expect("an entry that was read can be written");
        let again = index::decode(&key, &written);
        // An entry of another version says so in its header.
        assert!(entry.version != index::ENTRY_VERSION || again == Decoded::Entry(entry), "an entry changes when it is written again");
    }
}

/// The index snapshot at `file`, which is overwritten, with everything that a run asks of it.
pub fn snapshot(bytes: &[u8], file: &Path) {
    write(file, &with_checksum(bytes));
    let key = Key::new(Digest::of(b"key"));
    let mut snapshot = Snapshot::load(file);
    let _ = (Snapshot::is_intact(file), snapshot.result(&key), snapshot.tree(key.digest()));
    for id in bytes.windows(32).step_by(4).take(64).filter_map(|bytes| bytes.first_chunk()) {
        let id = Digest::from_bytes(*id);
        let _ = (snapshot.result(&Key::new(id)), snapshot.tree(&id));
    }
    let known = Known { entry: Digest::of(b"entry"), outputs: vec![("last".to_owned(), Digest::of(b"manifest"))] };
    snapshot.note_result(key, known.clone());
    snapshot.save(file, file.parent().expect("a folder")).expect("a snapshot can be written");
    assert_eq!(Snapshot::load(file).result(&key), Some(known), "a snapshot loses what was noted");
}

/// The stat memo at `file`, which is overwritten.
pub fn memo(bytes: &[u8], file: &Path) {
    write(file, &with_checksum(bytes));
    let mut memo = Memo::load(file);
    memo.save(file, file.parent().expect("a folder")).expect("a memo can be written");
    assert!(Memo::is_intact(file));
    let again = Memo::load(file);
    assert_eq!(memo, again, "a memo changes when it is written again");
}

/// A pack at `file`, which is overwritten: as it is, then with the header that `bytes` (one byte for their number, the records, the
/// values) need.
pub fn pack(bytes: &[u8], file: &Path) {
    read_pack(bytes, file);
    if let Some((count, rest)) = bytes.split_first() {
        let records = usize::from(*count) * pack::RECORD;
        if let Some((records, values)) = rest.split_at_checked(records) {
            let header = [pack::MAGIC.as_slice(), &u64::from(*count).to_le_bytes(), records].concat();
            read_pack(&[with_checksum(&header).as_slice(), values].concat(), file);
        }
    }
}

fn read_pack(bytes: &[u8], file: &Path) {
    write(file, bytes);
    if let Header::Intact(records) = pack::read_header(file).expect("a file that can be read") {
        for record in &records {
            let value = pack::read_value(file, record).expect("a file that can be read");
            assert!(value.is_none_or(|value| value.len() as u64 == record.length && Digest::of(&value) == record.value));
        }
    }
}

/// A folder manifest.
pub fn tree(bytes: &[u8]) {
    if let Ok(tree) = Tree::decode(bytes) {
        assert_eq!(tree.encode(), bytes, "a manifest has two spellings");
        let _ = tree.size();
    }
}

/// A root of collections.
pub fn root(bytes: &[u8]) {
    let (root, _) = roots::decode(bytes, "name".to_owned());
    if !root.damaged {
        let (again, _) = roots::decode(&roots::encode(&root.title, &root.keys), "name".to_owned());
        assert_eq!(again, root, "a root changes when it is written again");
    }
}

fn with_checksum(bytes: &[u8]) -> Vec<u8> {
    [bytes, Digest::of(bytes).as_bytes()].concat()
}

fn write(file: &Path, bytes: &[u8]) {
    std::fs::write(file, bytes).expect("a file in memory can be written");
}
