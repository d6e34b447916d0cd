//! Reading the official files of a copy, each checked against its pinned length and checksum.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use md5::Md5;
use planish_contract::Failure;
use planish_formats::Source;
use sha2::{Digest, Sha256};

use crate::dataset::{Checksum, Facts, OfficialFile, Publication};
use crate::locate::Found;
use crate::{Malformed, archive, gzip};

/// The verified content of the official files.
pub(crate) struct Contents {
    /// The contents, in the order of [`Facts::files`].
    pub(crate) files: Vec<Vec<u8>>,
    /// Their names and checksums.
    pub(crate) sources: Vec<Source>,
}

/// Reads and verifies a copy.
///
/// # Errors
/// [`Failure::Input`] that names the file and what is wrong with it, [`Failure::Io`] when one can't be read.
pub(crate) fn read(facts: &Facts, found: &Found) -> Result<Contents, Failure> {
    let (files, places) = match found {
        Found::Files(paths) => {
            let pairs = facts.files.iter().zip(paths);
            let files = pairs.map(|(file, path)| read_file(file, path)).collect::<Result<Vec<_>, _>>()?;
            (files, paths.iter().map(|path| path.display().to_string()).collect())
        }
        Found::Archive(path) => (read_archive(facts, path)?, vec![path.display().to_string(); facts.files.len()]),
    };
    let mut sources = Vec::new();
    for ((file, content), place) in facts.files.iter().zip(&files).zip(&places) {
        let sha256 = verify(facts, file, content, place)?;
        sources.push(Source { name: file.name.to_owned(), sha256 });
    }
    Ok(Contents { files, sources })
}

fn read_file(file: &OfficialFile, path: &Path) -> Result<Vec<u8>, Failure> {
    let mut reader = BufReader::new(open(path)?);
    let mut start = Vec::new();
    reader.by_ref().take(2).read_to_end(&mut start).map_err(|e| Failure::io(path, e))?;
    let mut reader = start.as_slice().chain(reader);
    if start == gzip::MAGIC {
        return gzip::unpack(reader, file.size).map_err(|malformed| at(path, &malformed));
    }
    let mut content = Vec::new();
    reader.by_ref().take(file.size + 1).read_to_end(&mut content).map_err(|e| Failure::io(path, e))?;
    if content.len() as u64 > file.size { Err(at(path, &Malformed::TooLong(file.size))) } else { Ok(content) }
}

fn read_archive(facts: &Facts, path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let Publication::Archive { folder, .. } = &facts.publication else {
        return Err(Failure::internal(format!("{} is not published as an archive", facts.name)));
    };
    archive::read(BufReader::new(open(path)?), folder, facts.files).map_err(|malformed| at(path, &malformed))
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|e| Failure::io(path, e))
}

/// A [`Failure::Input`] about the file `path`.
pub(crate) fn at(path: &Path, malformed: &Malformed) -> Failure {
    Failure::input_hint(format!("{}: {malformed}", path.display()), "get the official file again")
}

/// The SHA-256 of the content, once it is known to be the official one.
fn verify(facts: &Facts, file: &OfficialFile, content: &[u8], place: &str) -> Result<String, Failure> {
    let mismatch = |what: &str, expected: &str, found: &str| {
        let message = format!("{place}: not the official {} of {}: {what} {expected} expected, {found} found", file.name, facts.name);
        Failure::input_hint(message, "get the official file again")
    };
    let size = content.len() as u64;
    if size != file.size {
        return Err(mismatch("length", &file.size.to_string(), &size.to_string()));
    }
    let sha256 = format!("{:x}", Sha256::digest(content));
    match file.checksum {
        Checksum::Sha256(expected) if expected != sha256 => Err(mismatch("sha256", expected, &sha256)),
        Checksum::Md5(expected) => {
            let found = format!("{:x}", Md5::digest(content));
            if found == expected { Ok(sha256) } else { Err(mismatch("md5", expected, &found)) }
        }
        Checksum::Sha256(_) => Ok(sha256),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;
    use crate::datasets::Mnist;

    static ABC: OfficialFile = OfficialFile {
        name: "abc",
        size: 3,
        checksum: Checksum::Sha256("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    };

    fn read_abc(content: &[u8]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, content).unwrap();
        let place = path.display().to_string();
        let checked = read_file(&ABC, &path).and_then(|content| verify(Mnist {}.facts(), &ABC, &content, &place));
        checked.map_err(|failure| failure.to_string().replace(&place, "PATH"))
    }

    #[test]
    fn only_the_official_content_passes() {
        assert!(read_abc(b"abc").is_ok());
        let flipped = read_abc(b"abb").unwrap_err();
        assert!(flipped.starts_with("PATH: not the official abc of mnist: sha256 ba7816bf"), "{flipped}");
        assert!(flipped.ends_with(" found"), "{flipped}");
        assert_eq!(read_abc(b"").unwrap_err(), "PATH: not the official abc of mnist: length 3 expected, 0 found");
        assert_eq!(read_abc(b"ab").unwrap_err(), "PATH: not the official abc of mnist: length 3 expected, 2 found");
        assert_eq!(read_abc(b"abcd").unwrap_err(), "PATH: unpacks to more than 3 bytes");
        assert!(read_abc(&[0x1f, 0x8b, 8, 0]).unwrap_err().starts_with("PATH: the gzip stream is damaged"));
    }

    #[test]
    fn md5_is_checked_where_nothing_better_is_published() {
        let file = |md5| OfficialFile { name: "abc", size: 3, checksum: Checksum::Md5(md5) };
        let facts = Mnist {}.facts();
        assert!(verify(facts, &file("900150983cd24fb0d6963f7d28e17f72"), b"abc", "x").is_ok());
        let failure = verify(facts, &file("00"), b"abc", "x").unwrap_err().to_string();
        assert!(failure.contains("md5 00 expected, 900150983cd24fb0d6963f7d28e17f72 found"), "{failure}");
    }
}
