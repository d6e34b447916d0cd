//! Which images go into which split, and in which order.
//!
//! The order is fixed and class-balanced: within a class by the first eight bytes of SHA-256(`planish images 1`, 0, index as
//! u32 little endian), then one of each class in turn. A source without splits gives its first images to the test split, the
//! next to validation, the rest to training, so that no split shares an image and more training images change no test image.

use std::collections::BTreeMap;

use planish_contract::Failure;
use planish_formats::SplitName;
use sha2::{Digest, Sha256};

use crate::parameters::{ImagesParameters, Take};
use crate::pool::Found;

/// The images of each split: whether they come out of the training pool, and their indices there.
pub(crate) type Selection = BTreeMap<SplitName, (bool, Vec<u32>)>;

/// Divides what was found.
///
/// # Errors
/// [`Failure::Input`] when more images are asked for than there are.
pub(crate) fn select(found: &Found, parameters: &ImagesParameters) -> Result<Selection, Failure> {
    let all = Some(Take::All);
    let nothing = Some(Take::Images(0));
    let ImagesParameters { train, validation, test, .. } = parameters;
    let mut selection = match &found.train {
        None => {
            // Without a number, the test split is what the others leave, and the others are empty.
            let others_rest = *train == all || *validation == all;
            let wanted = [
                (SplitName::Test, test.or(if others_rest { nothing } else { all })),
                (SplitName::Validation, validation.or(nothing)),
                (SplitName::Train, train.or(nothing)),
            ];
            divide(&in_turn(&found.test.labels), &wanted, false)?
        }
        Some(pool) => {
            let mut selection = divide(&in_turn(&found.test.labels), &[(SplitName::Test, test.or(all))], false)?;
            let wanted = [(SplitName::Validation, validation.or(nothing)), (SplitName::Train, train.or(all))];
            selection.extend(divide(&in_turn(&pool.labels), &wanted, true)?);
            selection
        }
    };
    selection.retain(|_, (_, ids)| !ids.is_empty());
    Ok(selection)
}

fn divide(order: &[u32], wanted: &[(SplitName, Option<Take>)], training: bool) -> Result<Selection, Failure> {
    let counted = |take: &Option<Take>| if let Some(Take::Images(images)) = take { *images } else { 0 };
    let fixed = wanted.iter().fold(0_usize, |sum, (_, take)| sum.saturating_add(counted(take)));
    let rests = wanted.iter().filter(|(_, take)| *take == Some(Take::All)).count();
    if rests > 1 {
        return Err(Failure::input_hint("two splits ask for \"all\" of the same images", "give one of them a number"));
    }
    let Some(rest) = order.len().checked_sub(fixed) else {
        let asked = wanted.iter().filter(|(_, take)| counted(take) > 0);
        let names: Vec<String> = asked.map(|(name, take)| format!("{} {name}", counted(take))).collect();
        return Err(Failure::input(format!("{} images are asked for, but there are {}", names.join(" and "), order.len())));
    };
    let mut left = order;
    let mut selection = Selection::new();
    for (name, take) in wanted {
        let count = if *take == Some(Take::All) { rest } else { counted(take) };
        let (taken, others) = left.split_at(count.min(left.len()));
        selection.insert(*name, (training, taken.to_vec()));
        left = others;
    }
    Ok(selection)
}

/// All indices: within a class in the order of their ranks, one of each class in turn.
fn in_turn(labels: &[u32]) -> Vec<u32> {
    let mut classes: BTreeMap<u32, Vec<(u64, u32)>> = BTreeMap::new();
    for (index, &label) in (0_u32..).zip(labels) {
        classes.entry(label).or_default().push((rank(index), index));
    }
    // (turn, class, index): sorting puts the first of every class first.
    let mut order: Vec<(usize, u32, u32)> = Vec::with_capacity(labels.len());
    for (class, mut ranked) in classes {
        ranked.sort_unstable();
        order.extend(ranked.into_iter().enumerate().map(|(turn, (_, index))| (turn, class, index)));
    }
    order.sort_unstable();
    order.into_iter().map(|(_, _, index)| index).collect()
}

fn rank(index: u32) -> u64 {
    let digest = Sha256::digest([b"planish images 1\0".as_slice(), &index.to_le_bytes()].concat());
    digest.iter().take(8).fold(0, |rank, &byte| (rank << 8) | u64::from(byte))
}
