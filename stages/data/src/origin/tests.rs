//! The whole way of a data set from a server on the loopback interface.

use super::*;
use crate::Malformed;
use crate::dataset::{Download, Facts, Official, Publication};
use crate::loopback::{Answer, serve};
use flate2::{Compression, write::GzEncoder};
use planish_contract::SilentHost;
use sha2::{Digest, Sha256};
use std::io::Write;

/// Six images of one pixel, in two classes: the first byte of a record is the label.
const TRAIN: &[u8] = &[0, 10, 1, 11, 0, 12, 1, 13, 0, 14, 1, 15];
const TEST: &[u8] = &[1, 20, 0, 21];

struct Toy(&'static Facts);

impl Dataset for Toy {
    fn facts(&self) -> &'static Facts {
        self.0
    }

    fn decode(&self, contents: &[Vec<u8>]) -> Result<Official, Malformed> {
        crate::cifar::decode(self.0, contents, 1)
    }
}

fn sha256(content: &[u8]) -> &'static str {
    format!("{:x}", Sha256::digest(content)).leak()
}

fn gzip(content: &[u8]) -> &'static [u8] {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap().leak()
}

/// The published archive.
fn archive() -> &'static [u8] {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in [("toy/train.bin", TRAIN), ("toy/test.bin", TEST)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

/// A data set in an archive of the given content, published at `address`, whose test file has the given checksum.
fn toy(address: &'static str, archive: &'static [u8], test_sha256: &'static str) -> Toy {
    let file = |name, content: &[u8], sha256| OfficialFile { name, size: content.len() as u64, checksum: Checksum::Sha256(sha256) };
    let files = vec![file("train.bin", TRAIN, sha256(TRAIN)), file("test.bin", TEST, test_sha256)];
    let download = Download { name: "toy.tar.gz", addresses: vec![address].leak(), size: archive.len() as u64, sha256: sha256(archive) };
    Toy(Box::leak(Box::new(Facts {
        name: "toy",
        classes: &["a", "b"],
        shape: [1, 1, 1],
        mean: &[0.5],
        std: &[0.5],
        official: Sizes { train: 6, validation: 0, test: 2 },
        defaults: Sizes { train: 4, validation: 2, test: 2 },
        files: files.leak(),
        folders: &["toy"],
        publication: Publication::Archive { folder: "toy", download },
    })))
}

fn obtain_toy(toy: &Toy, cache: &Path, download: bool) -> Result<Obtained, Failure> {
    let context = Context {
        inputs: BTreeMap::new(),
        files: BTreeMap::new(),
        outputs: PathBuf::new(),
        checkpoints: PathBuf::new(),
        threads: 1,
        host: &SilentHost,
    };
    let surroundings = Surroundings { data_folder: None, cache_folder: Some(cache.to_path_buf()) };
    obtain(toy, toy.0.defaults, &Execution { data_dir: None, download }, &context, &surroundings)
}

#[test]
fn a_published_archive_is_downloaded_read_and_found_again() {
    let cache = tempfile::tempdir().unwrap();
    let server = serve(archive(), vec![Answer::Whole]);
    let toy = toy(server.address, archive(), sha256(TEST));
    let obtained = obtain_toy(&toy, cache.path(), true).unwrap();
    let [train, validation] = [SplitName::Train, SplitName::Validation].map(|name| obtained.splits[&name].clone());
    let mut pixels = [train.images.to_vec(), validation.images.to_vec()].concat();
    pixels.sort_unstable();
    assert_eq!(pixels, [10, 11, 12, 13, 14, 15]);
    assert!(train.ids.iter().zip(train.images.iter()).all(|(&id, &pixel)| id + 10 == u32::from(pixel)));
    assert_eq!(obtained.sources[1], Source { name: "test.bin".into(), sha256: sha256(TEST).into() });
    assert_eq!(obtain_toy(&toy, cache.path(), false).unwrap().splits, obtained.splits);
    assert_eq!(obtain_toy(&toy, cache.path(), true).unwrap().splits, obtained.splits);
    assert_eq!(server.starts.lock().unwrap().len(), 1);
}

#[test]
fn a_damaged_download_in_the_cache_is_fetched_again() {
    let cache = tempfile::tempdir().unwrap();
    let server = serve(archive(), vec![Answer::Whole]);
    let toy = toy(server.address, archive(), sha256(TEST));
    obtain_toy(&toy, cache.path(), true).unwrap();
    let path = cache.path().join("planish/data/toy/toy.tar.gz");
    let mut content = std::fs::read(&path).unwrap();
    content[20] ^= 1;
    std::fs::write(&path, content).unwrap();
    assert!(obtain_toy(&toy, cache.path(), false).is_err());
    assert!(obtain_toy(&toy, cache.path(), true).is_ok());
    assert_eq!(std::fs::read(&path).unwrap(), archive());
}

#[test]
fn an_archive_with_the_right_checksum_is_still_checked_file_by_file() {
    let cache = tempfile::tempdir().unwrap();
    let server = serve(archive(), vec![Answer::Whole]);
    let toy = toy(server.address, archive(), "00");
    let message = obtain_toy(&toy, cache.path(), true).err().unwrap().to_string();
    assert!(message.contains("toy.tar.gz: not the official test.bin of toy: sha256 00 expected, "), "{message}");
}

#[test]
fn without_the_file_anywhere_the_message_says_what_to_do() {
    let cache = tempfile::tempdir().unwrap();
    let server = serve(archive(), vec![Answer::Status(404)]);
    let failure = obtain_toy(&toy(server.address, archive(), ""), cache.path(), true).err().unwrap();
    assert!(failure.to_string().starts_with("toy.tar.gz can't be downloaded (http://127.0.0.1:"), "{failure}");
    let hint = failure.hint().unwrap();
    assert!(
        hint.starts_with("put toy.tar.gz, or the folder toy with train.bin, test.bin into a folder and name it with --data-dir"),
        "{hint}"
    );
}
