//! Moving the entries of shape tensors as operators move values.

use super::facts::{Fact, Sizes};

/// The sizes of a tensor of whole numbers whose entries are known.
fn fixed(fact: &Fact) -> Option<Vec<usize>> {
    let sizes: Vec<usize> = fact.sizes.as_ref()?.iter().map(|size| usize::try_from((*size)?.constant()?).ok()).collect::<Option<_>>()?;
    let count = sizes.iter().try_fold(1usize, |count, &size| count.checked_mul(size))?;
    (fact.entries.as_ref()?.len() == count).then_some(sizes)
}

/// The entries along `axis` at the places `picked`.
pub(crate) fn picked(fact: &Fact, axis: usize, picked: &[usize]) -> Option<Sizes> {
    let (sizes, entries) = (fixed(fact)?, fact.entries.as_ref()?);
    let inner: usize = sizes.get(axis + 1..)?.iter().product();
    let (size, outer): (usize, usize) = (*sizes.get(axis)?, sizes.get(..axis)?.iter().product());
    let mut moved = Vec::with_capacity(outer.checked_mul(picked.len())?.checked_mul(inner)?.min(super::tensor::MOST_ENTRIES));
    for block in 0..outer {
        for place in picked {
            let start = (block * size + place) * inner;
            moved.extend(entries.get(start..start + inner)?);
        }
    }
    Some(moved)
}

/// The entries of a transposed tensor: axis `i` of the result is axis `order[i]`.
pub(crate) fn transposed(fact: &Fact, order: &[usize]) -> Option<Sizes> {
    let (sizes, entries) = (fixed(fact)?, fact.entries.as_ref()?);
    let strides: Vec<usize> = (0..sizes.len()).map(|axis| sizes.iter().skip(axis + 1).product()).collect();
    let mut places = vec![0usize];
    for &axis in order {
        let (size, stride) = (*sizes.get(axis)?, *strides.get(axis)?);
        places = places.iter().flat_map(|place| (0..size).map(move |step| place + step * stride)).collect();
    }
    places.into_iter().map(|place| entries.get(place).copied()).collect()
}
