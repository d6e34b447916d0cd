//! Folder manifests: what an artifact's folder holds, in canonical bytes.

use std::collections::BTreeMap;

use crate::{Digest, FileName};

pub(crate) const HEADER: &str = "planish tree 1";

/// One file of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeFile {
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// The files of a folder and of those below it. Empty folders, times and other permissions don't count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Name (with `/`) → file.
    pub files: BTreeMap<FileName, TreeFile>,
}

impl Tree {
    /// The digest of the canonical bytes: the identity of the folder's content.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// How many bytes all files have together.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.files.values().fold(0, |sum, file| sum.saturating_add(file.size))
    }

    /// The canonical bytes: a header line, then `digest size x|- name` for each file, sorted by name.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let line = |(name, file): (&FileName, &TreeFile)| {
            let flag = if file.executable { 'x' } else { '-' };
            format!("{} {} {flag} {name}\n", file.digest, file.size)
        };
        let lines = self.files.iter().map(line);
        std::iter::once(format!("{HEADER}\n")).chain(lines).collect::<String>().into_bytes()
    }

    /// Reads canonical bytes back; any other bytes are refused, with a reason.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
        let mut lines = text.split_terminator('\n');
        if lines.next() != Some(HEADER) {
            return Err(format!("it does not begin with `{HEADER}`"));
        }
        let files = lines.map(|line| decode_line(line).ok_or_else(|| format!("line {line:?} is not `digest size x|- name`")));
        let tree = Tree { files: files.collect::<Result<_, String>>()? };
        if conflict(&tree.files) {
            return Err("a name is both a file and a folder".to_owned());
        }
        // One folder, one spelling: whatever is out of order, twice or padded fails here.
        if tree.encode() == bytes { Ok(tree) } else { Err("it is not in canonical form".to_owned()) }
    }
}

fn decode_line(line: &str) -> Option<(FileName, TreeFile)> {
    let mut parts = line.splitn(4, ' ');
    let digest = parts.next()?.parse().ok()?;
    let size = parts.next()?.parse().ok()?;
    let executable = match parts.next()? {
        "x" => true,
        "-" => false,
        _ => return None,
    };
    let name = FileName::parse(parts.next()?).ok()?;
    Some((name, TreeFile { digest, size, executable }))
}

fn conflict(files: &BTreeMap<FileName, TreeFile>) -> bool {
    files.keys().any(|name| name.as_str().match_indices('/').any(|(at, _)| name.as_str().get(..at).is_some_and(|p| files.contains_key(p))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_file() -> impl Strategy<Value = TreeFile> {
        (any::<[u8; 32]>(), any::<u64>(), any::<bool>()).prop_map(|(bytes, size, executable)| TreeFile {
            digest: Digest::from_bytes(bytes),
            size,
            executable,
        })
    }

    fn any_tree() -> impl Strategy<Value = Tree> {
        let name = "[a-zé. _-]{1,8}(/[a-z0-9 ]{1,4}){0,3}".prop_filter_map("a valid name", |text| FileName::parse(text).ok());
        prop::collection::btree_map(name, any_file(), 0..8)
            .prop_filter("no file above a file", |files| !conflict(files))
            .prop_map(|files| Tree { files })
    }

    proptest! {
        #[test]
        fn encoding_reads_back(tree in any_tree()) {
            prop_assert_eq!(Tree::decode(&tree.encode()), Ok(tree));
        }

        #[test]
        fn different_trees_have_different_digests(a in any_tree(), b in any_tree()) {
            prop_assert_eq!(a == b, a.digest() == b.digest());
        }

        #[test]
        fn whatever_decodes_is_canonical(tree in any_tree(), place in any::<prop::sample::Index>(), flip in 1u8..) {
            let mut bytes = tree.encode();
            let at = place.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(other) = Tree::decode(&bytes) {
                prop_assert_eq!(other.encode(), bytes);
                prop_assert_ne!(other, tree);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Tree::decode(&bytes).is_err());
        }
    }

    #[test]
    fn the_canonical_bytes_stay_what_they_are() {
        let file = TreeFile { digest: Digest::of(b"x"), size: 1, executable: true };
        let tree = Tree { files: BTreeMap::from([(FileName::parse("bin/a").unwrap(), file)]) };
        let text = format!("planish tree 1\n{} 1 x bin/a\n", Digest::of(b"x"));
        assert_eq!(tree.encode(), text.as_bytes());
        assert_eq!(Tree::default().encode(), b"planish tree 1\n");
    }

    #[test]
    fn dishonest_manifests_are_refused() {
        let digest = Digest::of(b"x");
        for lines in [
            format!("{digest} 1 - ../a\n"),
            format!("{digest} 1 - /a\n"),
            format!("{digest} 1 - b\n{digest} 1 - a\n"),
            format!("{digest} 1 - a\n{digest} 1 - a\n"),
            format!("{digest} 1 - a\n{digest} 1 - a/b\n"),
            format!("{digest} 01 - a\n"),
            format!("{digest} 1 w a\n"),
            format!("{digest} 1 - a"),
            "\n".to_owned(),
        ] {
            assert!(Tree::decode(format!("{HEADER}\n{lines}").as_bytes()).is_err(), "{lines}");
        }
    }
}
