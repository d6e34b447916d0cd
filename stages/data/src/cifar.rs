//! The binary version of CIFAR: records of one or two label bytes and 3,072 pixels, channel by channel
//! (described on the data sets' page).

use planish_formats::Split;

use crate::Malformed;
use crate::dataset::{Facts, Official};

/// Decodes the files of the training split followed by the one of the test split.
///
/// A record starts with `label_bytes` labels, of which the last (the finest) is taken.
pub(crate) fn decode(facts: &Facts, contents: &[Vec<u8>], label_bytes: usize) -> Result<Official, Malformed> {
    let Some((test, train)) = contents.split_last() else {
        return Err(Malformed::Files { expected: facts.files.len(), found: 0 });
    };
    Ok(Official { train: split(facts, train, label_bytes)?, test: split(facts, std::slice::from_ref(test), label_bytes)? })
}

fn split(facts: &Facts, contents: &[Vec<u8>], label_bytes: usize) -> Result<Split, Malformed> {
    let mut split = Split { shape: facts.shape, ..Split::default() };
    let pixels = split.image_len();
    split.images.reserve_exact(contents.iter().map(Vec::len).sum());
    for content in contents {
        read_records(content, label_bytes, pixels, facts.classes.len(), &mut split)?;
    }
    split.ids = (0..split.labels.len() as u32).collect();
    Ok(split)
}

fn read_records(content: &[u8], label_bytes: usize, pixels: usize, classes: usize, split: &mut Split) -> Result<(), Malformed> {
    let record = label_bytes + pixels;
    let records = content.chunks_exact(record);
    if !records.remainder().is_empty() {
        return Err(Malformed::Records { record, found: content.len() });
    }
    for (index, bytes) in records.enumerate() {
        let (labels, image) = bytes.split_at(label_bytes);
        let label = labels.last().copied().unwrap_or_default();
        if usize::from(label) >= classes {
            return Err(Malformed::Label { index, label, classes });
        }
        split.labels.push(u32::from(label));
        split.images.extend_from_slice(image);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(content: &[u8], label_bytes: usize) -> Result<Split, Malformed> {
        let mut split = Split { shape: [1, 1, 2], ..Split::default() };
        read_records(content, label_bytes, 2, 10, &mut split)?;
        Ok(split)
    }

    #[test]
    fn the_last_label_of_a_record_counts() {
        assert_eq!(read(&[3, 7, 8, 4, 9, 9], 1).unwrap().labels, [3, 4]);
        let split = read(&[3, 7, 8, 9], 2).unwrap();
        assert_eq!((split.labels, split.images.to_vec()), (vec![7], vec![8, 9]));
        assert!(read(&[], 1).unwrap().is_empty());
    }

    #[test]
    fn damage_has_its_message() {
        assert_eq!(read(&[3, 7], 1).unwrap_err().to_string(), "2 bytes are no whole number of records of 3 bytes");
        assert_eq!(read(&[1, 0, 0, 10, 0, 0], 1).unwrap_err().to_string(), "image 1 has label 10, but there are 10 classes");
    }

    proptest! {
        #[test]
        fn any_bytes_are_records_or_refused(content in proptest::collection::vec(any::<u8>(), 0..30), label_bytes in 1_usize..3) {
            if let Ok(split) = read(&content, label_bytes) {
                prop_assert_eq!(split.images.len(), 2 * split.labels.len());
            }
        }
    }
}
