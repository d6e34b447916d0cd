//! Which images of the official splits are taken, and in which order.
//!
//! The order is fixed: no seed, no dependence on sizes. Within a class, images are ordered by the first eight
//! bytes of SHA-256(`planish selection 1`, 0, data set, 0, official split, 0, index as u32 little endian).
//! Training images are taken one of each class in turn from the front of these lists, validation images likewise from their
//! back, both out of the official training split; test images from the front of the official test split. So
//! - every selection is class-balanced (as long as every class has images left),
//! - a smaller selection is a prefix of a larger one,
//! - training and validation never share an image, and the number of validation images does not change which training
//!   images come first.

use std::collections::{BTreeMap, BTreeSet};

use planish_formats::{Split, SplitName};
use sha2::{Digest, Sha256};

use crate::dataset::{Official, Sizes};

/// Takes the selection of the given sizes out of the official splits of the data set `name`.
#[must_use]
pub fn select(name: &str, official: &Official, sizes: Sizes) -> BTreeMap<SplitName, Split> {
    let front = by_class(name, "train", &official.train.labels);
    let back: Vec<Vec<u32>> = front.iter().map(|ids| ids.iter().rev().copied().collect()).collect();
    let validation: Vec<u32> = in_turn(&back).into_iter().take(sizes.validation).collect();
    let kept_back: BTreeSet<u32> = validation.iter().copied().collect();
    let train: Vec<u32> = in_turn(&front).into_iter().filter(|id| !kept_back.contains(id)).take(sizes.train).collect();
    let test: Vec<u32> = in_turn(&by_class(name, "test", &official.test.labels)).into_iter().take(sizes.test).collect();
    BTreeMap::from([
        (SplitName::Train, gather(&official.train, &train)),
        (SplitName::Validation, gather(&official.train, &validation)),
        (SplitName::Test, gather(&official.test, &test)),
    ])
}

/// For each class that occurs, the indices of its images in the order of selection.
fn by_class(name: &str, split: &str, labels: &[u32]) -> Vec<Vec<u32>> {
    let mut classes: BTreeMap<u32, Vec<(u64, u32)>> = BTreeMap::new();
    for (index, &label) in labels.iter().enumerate() {
        let index = index as u32;
        classes.entry(label).or_default().push((rank(name, split, index), index));
    }
    let sorted = |mut ranked: Vec<(u64, u32)>| {
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, index)| index).collect()
    };
    classes.into_values().map(sorted).collect()
}

fn rank(name: &str, split: &str, index: u32) -> u64 {
    let text = [b"planish selection 1\0", name.as_bytes(), b"\0", split.as_bytes(), b"\0", &index.to_le_bytes()].concat();
    let digest = Sha256::digest(&text);
    digest.iter().take(8).fold(0, |rank, &byte| (rank << 8) | u64::from(byte))
}

/// One of each list, then the next of each list, and so on to the end of the longest.
fn in_turn(lists: &[Vec<u32>]) -> Vec<u32> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or_default();
    (0..longest).flat_map(|round| lists.iter().filter_map(move |list| list.get(round).copied())).collect()
}

fn gather(official: &Split, ids: &[u32]) -> Split {
    let mut split = Split { shape: official.shape, ..Split::default() };
    split.images.reserve_exact(ids.len() * official.image_len());
    for &id in ids {
        let Some(&label) = official.labels.get(id as usize) else { continue };
        split.images.extend_from_slice(official.image(id as usize));
        split.labels.push(label);
        split.ids.push(id);
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 40 training images with twice as many of class 1 as of class 0, 9 test images.
    fn official() -> Official {
        let split = |n: u32| Split {
            shape: [1, 1, 1],
            images: (0..n as u8).collect(),
            labels: (0..n).map(|id| u32::from(id % 3 != 0)).collect(),
            ids: (0..n).collect(),
        };
        Official { train: split(40), test: split(9) }
    }

    fn sizes(train: usize, validation: usize, test: usize) -> Sizes {
        Sizes { train, validation, test }
    }

    #[test]
    fn selections_are_balanced_and_carry_their_images() {
        let splits = select("toy", &official(), sizes(10, 6, 4));
        for split in splits.values() {
            assert_eq!(split.labels.iter().sum::<u32>() as usize, split.len() / 2);
            assert!(split.ids.iter().zip(split.images.iter()).all(|(&id, &pixel)| id == u32::from(pixel)));
        }
    }

    #[test]
    fn the_order_is_fixed() {
        // From Python: sorted(range(9), key=lambda i: hashlib.sha256(b"planish selection 1\0toy\0test\0" + struct.pack("<I", i)).digest()[:8])
        let order = by_class("toy", "test", &[0; 9]);
        assert_eq!(order, [ORDER_IN_PYTHON]);
        assert_ne!(by_class("toy", "train", &[0; 9]), order);
    }

    const ORDER_IN_PYTHON: [u32; 9] = [3, 8, 5, 7, 0, 1, 2, 4, 6];

    proptest! {
        #[test]
        fn selections_are_nested_and_disjoint(train in 0_usize..35, more in 0_usize..5, validation in 0_usize..6) {
            let small = select("toy", &official(), sizes(train, validation, 3));
            let large = select("toy", &official(), sizes(train + more, validation, 9));
            for name in SplitName::ALL {
                prop_assert_eq!(&large[&name].first(small[&name].len()), &small[&name]);
            }
            let taken: BTreeSet<u32> = small[&SplitName::Train].ids.iter().chain(&small[&SplitName::Validation].ids).copied().collect();
            prop_assert_eq!(taken.len(), (train + validation).min(40));
            prop_assert_eq!(small[&SplitName::Validation].len(), validation);
        }
    }
}
