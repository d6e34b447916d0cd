//! Operators that move values or change shapes, and casts.

use super::{Operator, Reverse, operator, same};
use crate::differentiate::attribute::{int, ints};
use crate::differentiate::dim::{Dim, product};
use crate::differentiate::emitter::{Emitter, Reason};
use crate::differentiate::entries;
use crate::differentiate::facts::{Fact, Facts, Sizes, broadcast, from_front};
use crate::differentiate::node::Reading;
use crate::differentiate::tensor::signed;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

type Gradients = Result<Vec<(usize, String)>, Reason>;

pub(super) const OPERATORS: &[Operator] = &[
    operator("Reshape", reshaped, like_before),
    operator("Flatten", flattened, like_before),
    operator("Squeeze", squeezed, like_before),
    operator("Unsqueeze", unsqueezed, like_before),
    operator("Transpose", permuted, |e, r| {
        let rank = e.facts.rank(r.input(0)?).ok_or("its shape is not known")?;
        let order = order(r.node, rank).ok_or("an order that is none")?;
        let mut inverse = vec![0; rank];
        for (to, &from) in order.iter().enumerate() {
            if let Some(entry) = inverse.get_mut(from) {
                *entry = signed(to);
            }
        }
        Ok(vec![(0, e.with("Transpose", &[r.dy()?], vec![ints("perm", &inverse)]))])
    }),
    operator("Expand", expanded, |e, r| Ok(vec![(0, e.sum_to(r.dy()?, r.input(0)?, r.output()?)?)])),
    operator("Tile", tiled, tile),
    operator("CumSum", same, |e, r| {
        r.only_first()?;
        let attributes = vec![int("exclusive", r.node.int("exclusive", 0)), int("reverse", 1 - r.node.int("reverse", 0))];
        Ok(vec![(0, e.with("CumSum", &[r.dy()?, r.input(1)?], attributes))])
    }),
    operator("Trilu", same, |e, r| {
        let inputs: Vec<&str> = [Some(r.dy()?), r.node.input_name(1)].into_iter().flatten().collect();
        Ok(vec![(0, e.with("Trilu", &inputs, vec![int("upper", r.node.int("upper", 1))]))])
    }),
    operator("Dropout", dropped, |e, r| {
        let training = r.node.input_name(2).map(|name| e.facts.integers(name));
        match training {
            None => Ok(vec![(0, r.dy()?.to_owned())]),
            Some(Some(entries)) if entries == [0] => Ok(vec![(0, r.dy()?.to_owned())]),
            _ => Err("it drops values at random, as in training".to_owned()),
        }
    }),
    operator("Cast", cast_shape, |e, r| {
        let element = i64::from(e.facts.element(r.input(0)?) as i32);
        Ok(vec![(0, e.with("Cast", &[r.dy()?], vec![int("to", element)]))])
    }),
];

/// Whether a `Cast` keeps fractions, so that a gradient can go through it.
pub(crate) fn keeps_fractions(node: &NodeProto) -> bool {
    let to = i32::try_from(node.int("to", 0)).ok().and_then(|to| DataType::try_from(to).ok());
    matches!(to, Some(DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16))
}

/// The gradient in the shape of the input.
fn like_before(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    Ok(vec![(0, e.reshape_like(r.dy()?, r.input(0)?))])
}

fn reshaped(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let x = facts.of_input(node, 0)?;
    let target = facts.of_input(node, 1)?.entries.clone()?;
    let mut sizes: Sizes = Vec::with_capacity(target.len());
    let mut open = None;
    for (axis, entry) in target.iter().enumerate() {
        let size = match entry.and_then(Dim::constant) {
            Some(0) if node.int("allowzero", 0) == 0 => x.sizes.as_ref().and_then(|sizes| sizes.get(axis).copied().flatten()),
            Some(-1) => {
                open = Some(axis);
                None
            }
            _ => *entry,
        };
        sizes.push(size);
    }
    if let (Some(axis), Some(count)) = (open, x.sizes.as_deref().and_then(product)) {
        let others: Sizes = sizes.iter().enumerate().filter(|(at, _)| *at != axis).map(|(_, size)| *size).collect();
        if let Some(entry) = sizes.get_mut(axis) {
            *entry = product(&others).and_then(|others| count.over(others));
        }
    }
    let mut fact = Fact::new(x.element, Some(sizes));
    fact.entries.clone_from(&x.entries);
    Some(vec![fact])
}

fn flattened(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let x = facts.of_input(node, 0)?;
    let sizes = x.sizes.as_ref()?;
    let axis = node.int("axis", 1);
    let axis = if axis == signed(sizes.len()) { sizes.len() } else { from_front(axis, sizes.len())? };
    let (lead, rest) = sizes.split_at_checked(axis)?;
    Some(vec![Fact::new(x.element, Some(vec![product(lead), product(rest)]))])
}

fn squeezed(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let x = facts.of_input(node, 0)?;
    let sizes = x.sizes.as_ref()?;
    let axes: Vec<usize> = if node.input_name(1).is_some() || node.ints("axes").is_some() {
        facts.listed(node, 1, "axes")?.into_iter().map(|axis| from_front(axis, sizes.len())).collect::<Option<_>>()?
    } else {
        let known: Vec<Dim> = sizes.iter().copied().collect::<Option<_>>()?;
        known.iter().enumerate().filter(|(_, size)| size.constant() == Some(1)).map(|(axis, _)| axis).collect()
    };
    let kept = sizes.iter().enumerate().filter(|(axis, _)| !axes.contains(axis)).map(|(_, size)| *size).collect();
    let mut fact = Fact::new(x.element, Some(kept));
    fact.entries.clone_from(&x.entries);
    Some(vec![fact])
}

fn unsqueezed(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let x = facts.of_input(node, 0)?;
    let sizes = x.sizes.as_ref()?;
    let axes = facts.listed(node, 1, "axes")?;
    let rank = sizes.len().checked_add(axes.len()).filter(|rank| *rank <= 64)?;
    let axes: Vec<usize> = axes.into_iter().map(|axis| from_front(axis, rank)).collect::<Option<_>>()?;
    let mut rest = sizes.iter();
    let widened = (0..rank).map(|axis| if axes.contains(&axis) { Some(Dim::of(1)) } else { rest.next().copied().flatten() }).collect();
    let mut fact = Fact::new(x.element, Some(widened));
    fact.entries.clone_from(&x.entries);
    Some(vec![fact])
}

/// Which axis of the input each axis of a transposed value is.
fn order(node: &NodeProto, rank: usize) -> Option<Vec<usize>> {
    let Some(given) = node.ints("perm") else { return Some((0..rank).rev().collect()) };
    let order: Vec<usize> = given.iter().map(|&axis| from_front(axis, rank)).collect::<Option<_>>()?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    (sorted == (0..rank).collect::<Vec<_>>()).then_some(order)
}

fn permuted(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let x = facts.of_input(node, 0)?;
    let sizes = x.sizes.as_ref()?;
    let order = order(node, sizes.len())?;
    let turned = order.iter().map(|&axis| sizes.get(axis).copied().flatten()).collect();
    Some(vec![Fact { element: x.element, sizes: Some(turned), entries: entries::transposed(x, &order) }])
}

fn expanded(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let x = facts.of_input(node, 0)?;
    let target = facts.of_input(node, 1)?.entries.as_ref()?;
    let mut fact = Fact::new(x.element, Some(broadcast(x.sizes.as_ref()?, target)));
    if let (Some([entry]), Some(count)) = (x.entries.as_deref(), fact.sizes.as_deref().and_then(product).and_then(Dim::constant)) {
        let count = usize::try_from(count).ok().filter(|count| *count <= crate::differentiate::tensor::MOST_ENTRIES)?;
        fact.entries = Some(vec![*entry; count]);
    }
    Some(vec![fact])
}

fn tiled(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let x = facts.of_input(node, 0)?;
    let repeats = facts.of_input(node, 1)?.entries.as_ref()?;
    let sizes = x.sizes.as_ref()?;
    let sizes = sizes.iter().zip(repeats).map(|(size, times)| (*size)?.times((*times)?)).collect();
    Some(vec![Fact::new(x.element, Some(sizes))])
}

/// The copies lie beside each other: `[…, repeats, size, …]`, to be summed over the repeats.
fn tile(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    r.only_first()?;
    let x = r.input(0)?;
    let unknown = "its shape or its repeats are not known";
    let sizes = e.facts.sizes(x).ok_or(unknown)?.clone();
    let repeats = e.facts.get(r.input(1)?).and_then(|fact| fact.entries.clone()).ok_or(unknown)?;
    let split: Sizes = repeats.iter().zip(&sizes).flat_map(|(times, size)| [*times, *size]).collect();
    let wide = e.reshape(r.dy()?, &split)?;
    let axes: Vec<usize> = (0..sizes.len()).map(|axis| 2 * axis).collect();
    let summed = e.sum(&wide, &axes);
    Ok(vec![(0, e.reshape_like(&summed, x))])
}

fn dropped(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let mut found = same(facts, node)?;
    let mask = Fact::new(DataType::Bool, found.first()?.sizes.clone());
    found.push(mask);
    Some(found)
}

fn cast_shape(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let x = facts.of_input(node, 0)?;
    let element = DataType::try_from(i32::try_from(node.int("to", 0)).ok()?).ok()?;
    let mut fact = Fact::new(element, x.sizes.clone());
    fact.entries.clone_from(&x.entries);
    Some(vec![fact])
}
