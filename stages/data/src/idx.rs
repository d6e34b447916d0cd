//! IDX files: the format of MNIST and of data sets made after it.
//!
//! A big-endian header (a magic number, then the size of each axis) and one byte a value
//! (described at the foot of the MNIST page of its authors).

use planish_formats::Split;

use crate::Malformed;
use crate::dataset::{Facts, Official};

const IMAGES: u32 = 0x0000_0803;
const LABELS: u32 = 0x0000_0801;

/// Decodes the four files: training images and labels, test images and labels.
pub(crate) fn decode(facts: &Facts, contents: &[Vec<u8>]) -> Result<Official, Malformed> {
    let [train_images, train_labels, test_images, test_labels] = contents else {
        return Err(Malformed::Files { expected: 4, found: contents.len() });
    };
    Ok(Official { train: split(facts, train_images, train_labels)?, test: split(facts, test_images, test_labels)? })
}

fn split(facts: &Facts, images: &[u8], labels: &[u8]) -> Result<Split, Malformed> {
    let [_, height, width] = facts.shape;
    let pixels = read_images(images, height, width)?;
    let labels = read_labels(labels, facts.classes.len())?;
    let count = pixels.len() / (height * width).max(1);
    if count != labels.len() {
        return Err(Malformed::Counts { images: count, labels: labels.len() });
    }
    let ids = (0..labels.len() as u32).collect();
    Ok(Split { shape: facts.shape, images: pixels.to_vec().into(), labels: labels.iter().map(|&label| u32::from(label)).collect(), ids })
}

/// The pixels of a file of images of the given size.
fn read_images(content: &[u8], rows: usize, columns: usize) -> Result<&[u8], Malformed> {
    let ([magic, count, found_rows, found_columns], data) = header(content)?;
    check_magic("images", IMAGES, magic)?;
    if (found_rows as usize, found_columns as usize) != (rows, columns) {
        return Err(Malformed::ImageSize { rows, columns, found_rows, found_columns });
    }
    check_length(u64::from(count) * (rows * columns) as u64, data)
}

/// The labels of a file of labels.
fn read_labels(content: &[u8], classes: usize) -> Result<&[u8], Malformed> {
    let ([magic, count], data) = header(content)?;
    check_magic("labels", LABELS, magic)?;
    check_length(u64::from(count), data)?;
    match data.iter().enumerate().find(|(_, label)| usize::from(**label) >= classes) {
        Some((index, &label)) => Err(Malformed::Label { index, label, classes }),
        None => Ok(data),
    }
}

fn header<const N: usize>(content: &[u8]) -> Result<([u32; N], &[u8]), Malformed> {
    let short = Malformed::ShortHeader { expected: 4 * N, found: content.len() };
    let Some((header, data)) = content.split_at_checked(4 * N) else {
        return Err(short);
    };
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(header.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    Ok((words, data))
}

fn check_magic(what: &'static str, expected: u32, found: u32) -> Result<(), Malformed> {
    if found == expected { Ok(()) } else { Err(Malformed::Magic { what, expected, found }) }
}

fn check_length(announced: u64, data: &[u8]) -> Result<&[u8], Malformed> {
    if data.len() as u64 == announced { Ok(data) } else { Err(Malformed::Length { announced, found: data.len() }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(header: &[u32], data: &[u8]) -> Vec<u8> {
        header.iter().flat_map(|word| word.to_be_bytes()).chain(data.iter().copied()).collect()
    }

    #[test]
    fn images_and_labels_are_read() {
        let images = file(&[IMAGES, 2, 1, 2], &[1, 2, 3, 4]);
        assert_eq!(read_images(&images, 1, 2).unwrap(), [1, 2, 3, 4]);
        assert_eq!(read_labels(&file(&[LABELS, 2], &[0, 9]), 10).unwrap(), [0, 9]);
    }

    #[test]
    fn every_kind_of_damage_has_its_message() {
        let message = |content: &[u8]| read_images(content, 1, 2).unwrap_err().to_string();
        assert_eq!(message(&[]), "0 bytes are too few for the header of an IDX file, which takes 16");
        assert_eq!(message(&file(&[LABELS, 1, 1, 2], &[1, 2])), "starts with 0x00000801; an IDX file of images starts with 0x00000803");
        assert_eq!(message(&file(&[IMAGES, 1, 2, 2], &[0; 4])), "holds images of 2x2 pixels; 1x2 are expected");
        assert_eq!(message(&file(&[IMAGES, u32::MAX, 1, 2], &[0; 4])), "has 4 bytes after its header, which announces 8589934590");
        assert_eq!(message(&file(&[IMAGES, 3, 1, 2], &[0; 5])), "has 5 bytes after its header, which announces 6");
        let label = read_labels(&file(&[LABELS, 2], &[0, 10]), 10).unwrap_err();
        assert_eq!(label.to_string(), "image 1 has label 10, but there are 10 classes");
    }

    proptest! {
        #[test]
        fn mutated_files_never_panic(edits in proptest::collection::vec((0_usize..20, any::<u8>()), 0..5), cut in 0_usize..21) {
            let mut content = file(&[IMAGES, 2, 1, 2], &[1, 2, 3, 4]);
            for (at, value) in edits {
                content[at] = value;
            }
            content.truncate(cut);
            if let Ok(pixels) = read_images(&content, 1, 2) {
                prop_assert_eq!(pixels.len() % 2, 0);
            }
            prop_assert!(read_labels(&content, 10).is_err() || content.len() >= 8);
        }
    }
}
