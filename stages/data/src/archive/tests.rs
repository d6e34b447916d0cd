use super::*;
use crate::dataset::Checksum;
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::io::Write;
use tar::{Builder, Header};

const FILES: &[OfficialFile] = &[
    OfficialFile { name: "train.bin", size: 3, checksum: Checksum::Md5("") },
    OfficialFile { name: "test.bin", size: 2, checksum: Checksum::Md5("") },
];

struct Member<'a>(&'a str, EntryType, &'a [u8]);

fn plain(members: &[Member]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for Member(name, kind, content) in members {
        let mut header = Header::new_ustar();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        // Written directly: the library's own setter refuses names such as `../x`.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn pack(tar: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(tar).unwrap();
    encoder.finish().unwrap()
}

const GOOD: &[Member] = &[
    Member("set/", EntryType::Directory, b""),
    Member("./set/test.bin", EntryType::Regular, b"te"),
    Member("set/readme.html", EntryType::Regular, b"hello"),
    Member("set/train.bin", EntryType::Regular, b"tra"),
];

fn refusal(members: &[Member]) -> String {
    read(pack(&plain(members)).as_slice(), "set", FILES).unwrap_err().to_string()
}

#[test]
fn the_known_files_are_read_in_their_order() {
    let contents = read(pack(&plain(GOOD)).as_slice(), "set", FILES).unwrap();
    assert_eq!(contents, [b"tra".to_vec(), b"te".to_vec()]);
}

#[test]
fn links_escapes_and_strange_entries_are_refused() {
    assert!(refusal(&[Member("set/train.bin", EntryType::Symlink, b"")]).contains("`set/train.bin`, a link;"));
    assert!(refusal(&[Member("set/x", EntryType::Link, b"")]).contains("a link"));
    assert!(refusal(&[Member("set/x", EntryType::Fifo, b"")]).contains("neither a file nor a folder"));
    assert!(refusal(&[Member("../set/train.bin", EntryType::Regular, b"tra")]).contains("leaves the archive's folder"));
    assert!(refusal(&[Member("/set/train.bin", EntryType::Regular, b"tra")]).contains("leaves the archive's folder"));
}

#[test]
fn missing_double_and_mislabelled_files_are_refused() {
    assert_eq!(refusal(&GOOD[..3]), "the archive has no file `set/train.bin`");
    assert_eq!(refusal(&[]), "the archive has no file `set/train.bin`");
    let elsewhere = [Member("other/train.bin", EntryType::Regular, b"tra")];
    assert_eq!(refusal(&elsewhere), "the archive has no file `set/train.bin`");
    let twice = [Member("set/test.bin", EntryType::Regular, b"te"), Member("set/test.bin", EntryType::Regular, b"te")];
    assert!(refusal(&twice).contains("a second time"));
    let long = [Member("set/test.bin", EntryType::Regular, b"test")];
    assert_eq!(refusal(&long), "`set/test.bin` in the archive has 4 bytes, the official file has 2");
}

#[test]
fn a_bomb_is_cut_off() {
    let zeros = vec![0; 8 << 20];
    let bomb = [Member("set/zeros", EntryType::Regular, &zeros), Member("set/train.bin", EntryType::Regular, b"tra")];
    assert!(refusal(&bomb).contains("damaged or ends early"));
}

#[test]
fn truncated_archives_are_refused() {
    let tar = plain(GOOD);
    // The last two blocks only mark the end.
    for cut in (0..tar.len() - 1024).step_by(37) {
        assert!(read(pack(&tar[..cut]).as_slice(), "set", FILES).is_err(), "cut at {cut}");
    }
    let packed = pack(&tar);
    for cut in 0..packed.len() / 2 {
        assert!(read(&packed[..cut], "set", FILES).is_err(), "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn mutated_archives_never_panic(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)) {
        let mut tar = plain(GOOD);
        for (index, value) in edits {
            let at = index.index(tar.len());
            tar[at] = value;
        }
        if let Ok(contents) = read(pack(&tar).as_slice(), "set", FILES) {
            prop_assert_eq!((contents[0].len(), contents[1].len()), (3, 2));
        }
    }
}
