//! What the targets share.

pub mod kinds;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use planish_contract::Folder;

/// Lays the parts of an input out as files: each but the last begins with its length, 16 bits little endian.
pub fn with_files(data: &[u8], names: &[&str], read: impl FnOnce(&Folder)) {
    let root = tempfile::Builder::new().prefix("planish-fuzz-").tempdir_in(shared_memory()).expect("a folder in memory");
    let mut rest = data;
    for (index, name) in names.iter().enumerate() {
        let part = if index + 1 == names.len() { rest } else { take(&mut rest) };
        std::fs::write(root.path().join(name), part).expect("a file in memory");
    }
    read(&Folder::open(root.path()).expect("a folder"));
}

fn take<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let Some((length, tail)) = rest.split_first_chunk::<2>() else {
        *rest = &[];
        return &[];
    };
    let (part, tail) = tail.split_at(usize::from(u16::from_le_bytes(*length)).min(tail.len()));
    *rest = tail;
    part
}

/// The inverse of the layout above.
#[must_use]
pub fn join(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if index + 1 < parts.len() {
            bytes.extend(u16::try_from(part.len()).expect("a small file").to_le_bytes());
        }
        bytes.extend(part);
    }
    bytes
}

/// Name → shape of the tensors of a small network: a convolution, its normalisation, a linear layer.
#[must_use]
pub fn small_network() -> BTreeMap<String, Vec<usize>> {
    let tensors: [(&str, &[usize]); 7] = [
        ("conv1.weight", &[2, 1, 3, 3]),
        ("bn1.weight", &[2]),
        ("bn1.bias", &[2]),
        ("bn1.running_mean", &[2]),
        ("bn1.running_var", &[2]),
        ("fc.weight", &[3, 2]),
        ("fc.bias", &[3]),
    ];
    tensors.into_iter().map(|(name, shape)| (name.to_owned(), shape.to_vec())).collect()
}

/// Where files cost no disk.
#[must_use]
pub fn shared_memory() -> &'static Path {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory } else { Path::new("/tmp") }
}

/// A folder of this process. A target that ends with a finding leaves it behind.
pub fn scratch() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| tempfile::Builder::new().prefix("planish-fuzz-").tempdir_in(shared_memory()).expect("a folder in memory")).path()
}

/// Whether a text may be taken for a path without leading out of the folder that it is relative to.
#[must_use]
pub fn stays_inside(text: &str) -> bool {
    !text.starts_with('/') && !text.contains("..")
}
