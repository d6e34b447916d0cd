//! Picking by index.

use super::{Operator, Reverse, operator};
use crate::differentiate::attribute::{int, text};
use crate::differentiate::dim::{Dim, product};
use crate::differentiate::emitter::{Emitter, Reason};
use crate::differentiate::facts::{Fact, Facts, Sizes, from_front};
use crate::differentiate::node::Reading;
use crate::differentiate::tensor::signed;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

type Gradients = Result<Vec<(usize, String)>, Reason>;

pub(super) const OPERATORS: &[Operator] = &[
    operator("Gather", gathered, gather),
    operator("GatherElements", like_indices, |e, r| {
        let axis = r.node.int("axis", 0);
        let zeros = e.zeros(r.input(0)?);
        Ok(vec![(0, scatter_add(e, &zeros, (r.input(1)?, r.dy()?), axis))])
    }),
    operator("TopK", top, |e, r| {
        let axis = r.node.int("axis", -1);
        let indices = e.output(r.node, 1);
        let zeros = e.zeros(r.input(0)?);
        Ok(vec![(0, scatter_add(e, &zeros, (&indices, r.dy()?), axis))])
    }),
    operator(
        "GatherND",
        |_, _| None,
        |e, r| {
            if r.node.int("batch_dims", 0) != 0 {
                return Err("the attribute `batch_dims`".to_owned());
            }
            let zeros = e.zeros(r.input(0)?);
            Ok(vec![(0, e.with("ScatterND", &[&zeros, r.input(1)?, r.dy()?], vec![text("reduction", "add")]))])
        },
    ),
    operator("ScatterND", super::same, |e, r| {
        if r.node.text("reduction").unwrap_or("none") != "none" {
            return Err("a reduction".to_owned());
        }
        let mut gradients = Vec::new();
        if r.wants(0) {
            let zeros = e.zeros(r.input(2)?);
            gradients.push((0, e.op("ScatterND", &[r.dy()?, r.input(1)?, &zeros])));
        }
        if r.wants(2) {
            gradients.push((2, e.op("GatherND", &[r.dy()?, r.input(1)?])));
        }
        Ok(gradients)
    }),
];

fn scatter_add(e: &mut Emitter, zeros: &str, (indices, values): (&str, &str), axis: i64) -> String {
    e.with("ScatterElements", &[zeros, indices, values], vec![int("axis", axis), text("reduction", "add")])
}

fn gathered(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let (x, indices) = (facts.of_input(node, 0)?, facts.of_input(node, 1)?);
    let (sizes, picked) = (x.sizes.as_ref()?, indices.sizes.as_ref()?);
    let axis = from_front(node.int("axis", 0), sizes.len())?;
    let mut shape: Sizes = sizes.get(..axis)?.to_vec();
    shape.extend(picked);
    shape.extend(sizes.get(axis + 1..)?);
    let mut fact = Fact::new(x.element, Some(shape));
    if let (Some(entries), Some(places), 1) = (&x.entries, &indices.entries, sizes.len()) {
        let pick = |place: &Option<Dim>| entries.get(from_front((*place)?.constant()?, entries.len())?).copied().flatten();
        fact.entries = Some(places.iter().map(pick).collect());
    }
    Some(vec![fact])
}

/// Adds each gradient to the entry that it was picked from.
fn gather(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    r.only_first()?;
    let (x, indices) = (r.input(0)?, r.input(1)?);
    let unknown = "its shape is not known";
    let sizes = e.facts.sizes(x).ok_or(unknown)?.clone();
    let picked = e.facts.sizes(indices).ok_or(unknown)?.clone();
    let axis = from_front(r.node.int("axis", 0), sizes.len()).ok_or("an axis that there is not")?;
    let (size, places) = (sizes.get(axis).copied().flatten().and_then(Dim::constant), e.facts.integers(indices));
    if let (Some(size), Some([place])) = (size, places.as_deref()) {
        let place = signed(from_front(*place, usize::try_from(size).unwrap_or(0)).ok_or("an index out of range")?);
        let mut one: Sizes = sizes.clone();
        if let Some(size) = one.get_mut(axis) {
            *size = Some(Dim::of(1));
        }
        let row = if picked.is_empty() { e.unsqueeze(r.dy()?, &[axis]) } else { e.reshape(r.dy()?, &one)? };
        let (mut before, mut behind) = (vec![0; sizes.len()], vec![0; sizes.len()]);
        if let (Some(a), Some(b)) = (before.get_mut(axis), behind.get_mut(axis)) {
            (*a, *b) = (place, size - 1 - place);
        }
        return Ok(vec![(0, e.pad(&row, &before, &behind))]);
    }
    // The picked axes as one, and the indices spread to the shape of the gradient.
    let count = product(&picked).ok_or(unknown)?;
    let mut flat: Sizes = sizes.clone();
    let mut column: Sizes = vec![Some(Dim::of(1)); sizes.len()];
    if let (Some(a), Some(b)) = (flat.get_mut(axis), column.get_mut(axis)) {
        (*a, *b) = (Some(count), Some(count));
    }
    let values = e.reshape(r.dy()?, &flat)?;
    let column = e.reshape(indices, &column)?;
    let shape = e.op("Shape", &[&values]);
    let spread = e.op("Expand", &[&column, &shape]);
    let zeros = e.zeros(x);
    Ok(vec![(0, scatter_add(e, &zeros, (&spread, &values), signed(axis)))])
}

fn like_indices(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    Some(vec![Fact::new(facts.of_input(node, 0)?.element, facts.of_input(node, 1)?.sizes.clone())])
}

fn top(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let x = facts.of_input(node, 0)?;
    let mut sizes = x.sizes.clone()?;
    let axis = from_front(node.int("axis", -1), sizes.len())?;
    *sizes.get_mut(axis)? = facts.of_input(node, 1)?.entries.as_ref()?.first().copied().flatten();
    Some(vec![Fact::new(x.element, Some(sizes.clone())), Fact::new(DataType::Int64, Some(sizes))])
}
