//! The files that hold a split: one, or several of which each holds some of its images.

use std::ops::Range;
use std::path::Path;

use planish_contract::Failure;
use safetensors::Dtype;

use super::{Split, SplitName};
use crate::mapped::Mapped;
use crate::tensors::{from_u32, mapped_values, take_u32, tensors_except, write_tensors_late};

/// The most bytes of images in one file; more are divided over several. One file is written again after a kill, the others are not.
pub const SHARD_BYTES: usize = 1 << 30;

/// One of the files that hold a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The file's name.
    pub file: String,
    /// Which images it holds.
    pub rows: Range<usize>,
}

/// The files of a split of `images` images of `image_len` bytes: as few as hold at most `bytes` bytes each, the last possibly fewer. A split in one file is `train.safetensors`, else the
/// first of four is `train-00000-of-00004.safetensors`.
#[must_use]
pub fn shards(name: SplitName, images: usize, image_len: usize, bytes: usize) -> Vec<Shard> {
    let each = (bytes / image_len.max(1)).max(1);
    let count = images.div_ceil(each).max(1);
    let shard = |index| Shard { file: file_name(name, index, count), rows: index * each..images.min((index + 1) * each) };
    (0..count).map(shard).collect()
}

/// The name of file `index` of `count`.
pub(super) fn file_name(name: SplitName, index: usize, count: usize) -> String {
    if count == 1 { format!("{name}.safetensors") } else { format!("{name}-{index:05}-of-{count:05}.safetensors") }
}

/// Writes a file of a split whose images `fill` gives in pieces to what it is called with, `labels.len()` images of shape `[c, h, w]` in all.
///
/// # Errors
/// What `fill` fails with; [`Failure::Internal`] when it gives another number of bytes, [`Failure::Io`] when the file can't be written.
pub fn write_shard(
    path: &Path,
    [c, h, w]: [usize; 3],
    (labels, ids): (&[u32], &[u32]),
    fill: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let tensors = [from_u32("labels", labels), from_u32("ids", ids)];
    write_tensors_late(path, &tensors, ("images", &[labels.len(), c, h, w]), fill)
}

/// Opens a file of a split; its images are mapped.
///
/// # Errors
/// [`Failure::Input`] when it is malformed or its images have another shape than `shape`, [`Failure::Io`] when it can't be read.
pub fn read_shard(path: &Path, shape: [usize; 3]) -> Result<Split, Failure> {
    let place = path.display().to_string();
    let file = Mapped::open(path)?;
    let (found, images) = mapped_values(&file, ("images", Dtype::U8), &place)?;
    let [c, h, w] = shape;
    let n = match found.as_slice() {
        &[n, ref rest @ ..] if *rest == shape => n,
        _ => return Err(Failure::input(format!("{place}: tensor `images` has shape {found:?}, not [n, {c}, {h}, {w}]"))),
    };
    let mut tensors = tensors_except(Some("images"), &file, &place)?;
    let labels = take_u32(&mut tensors, "labels", n, &place)?;
    let ids = take_u32(&mut tensors, "ids", n, &place)?;
    Ok(Split { shape, images: images.into(), labels, ids })
}
