//! Operators that cut, join and pad.

use super::{Operator, Reverse, operator};
use crate::differentiate::attribute::int;
use crate::differentiate::dim::Dim;
use crate::differentiate::emitter::{Emitter, Reason, TO_THE_END};
use crate::differentiate::facts::{Fact, Facts, Sizes, from_front};
use crate::differentiate::node::Reading;
use crate::differentiate::tensor::signed;
use crate::differentiate::{entries, tensor};
use crate::proto::NodeProto;

type Gradients = Result<Vec<(usize, String)>, Reason>;

pub(super) const OPERATORS: &[Operator] =
    &[operator("Slice", sliced, slice), operator("Concat", joined, concat), operator("Split", parts, split), operator("Pad", padded, pad)];

/// What a slice takes along one axis: entries `first`, `first + step`, … , `count` of them, of `size`.
struct Cut {
    axis: usize,
    first: i64,
    step: i64,
    count: i64,
    size: i64,
}

/// The cuts of a slice, axes that are kept whole left out; the error says what is not known.
fn cuts(facts: &Facts, node: &NodeProto) -> Result<Vec<Cut>, &'static str> {
    let unknown = "its bounds are not known before the model runs";
    let x = node.input_name(0).ok_or(unknown)?;
    let rank = facts.rank(x).ok_or("its shape is not known")?;
    let list = |index: usize| facts.listed(node, index, "").ok_or(unknown);
    let (starts, ends) = (list(1)?, list(2)?);
    let count = signed(starts.len());
    let along = if node.input_name(3).is_some() { list(3)? } else { (0..count).collect() };
    let steps = if node.input_name(4).is_some() { list(4)? } else { vec![1; starts.len()] };
    let mut cuts = Vec::new();
    for (((&start, &end), &axis), &step) in starts.iter().zip(&ends).zip(&along).zip(&steps) {
        let axis = from_front(axis, rank).ok_or("an axis that there is not")?;
        let Some(size) = facts.size(x, axis) else {
            // An axis whose size depends on the number of images can be kept whole only.
            if start == 0 && step == 1 && end >= i64::from(i32::MAX) {
                continue;
            }
            return Err("it cuts an axis whose size is not known");
        };
        let cut = Cut::new(axis, (start, end, step), size).ok_or("its bounds are out of range")?;
        if (cut.first, cut.step, cut.count) != (0, 1, size) {
            cuts.push(cut);
        }
    }
    Ok(cuts)
}

impl Cut {
    fn new(axis: usize, (start, end, step): (i64, i64, i64), size: i64) -> Option<Cut> {
        let wrap = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
        let (first, count) = if step > 0 {
            let (first, end) = (wrap(start).clamp(0, size), wrap(end).clamp(0, size));
            (first, end.checked_sub(first)?.max(0).checked_add(step - 1)? / step)
        } else if step < 0 && step != i64::MIN {
            let (first, end) = (wrap(start).clamp(-1, size - 1), wrap(end).clamp(-1, size - 1));
            (first, first.checked_sub(end)?.max(0).checked_add(-step - 1)? / -step)
        } else {
            return None;
        };
        Some(Cut { axis, first, step, count, size })
    }
}

fn sliced(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let mut fact = facts.of_input(node, 0)?.clone();
    for cut in cuts(facts, node).ok()? {
        let places = |k: i64| usize::try_from(cut.first + k * cut.step).ok();
        let places: Option<Vec<usize>> =
            if cut.count <= signed(tensor::MOST_ENTRIES) { (0..cut.count).map(places).collect() } else { None };
        fact.entries = places.and_then(|places| entries::picked(&fact, cut.axis, &places));
        *fact.sizes.as_mut()?.get_mut(cut.axis)? = Some(Dim::of(cut.count));
    }
    Some(vec![fact])
}

/// Zeros where the slice took nothing.
fn slice(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    r.only_first()?;
    let rank = e.facts.rank(r.input(0)?).ok_or("its shape is not known")?;
    let mut sizes = e.facts.sizes(r.output()?).ok_or("its shape is not known")?.clone();
    let cuts = cuts(&e.facts, r.node)?;
    let mut gradient = r.dy()?.to_owned();
    for cut in &cuts {
        if cut.count < 1 {
            return Ok(vec![(0, e.zeros(r.input(0)?))]);
        }
        let mut first = cut.first;
        if cut.step < 0 {
            first += (cut.count - 1) * cut.step;
            let (starts, ends, axes, steps) = (e.list(&[-1]), e.list(&[i64::MIN + 1]), e.list(&[signed(cut.axis)]), e.list(&[-1]));
            gradient = e.op("Slice", &[&gradient, &starts, &ends, &axes, &steps]);
        }
        let step = cut.step.abs();
        let mut behind = cut.size - first - ((cut.count - 1) * step + 1);
        if step > 1 {
            // […, count, …] → […, count, step, …] with zeros → […, count · step, …], of which the last step − 1 may be too many.
            gradient = e.unsqueeze(&gradient, &[cut.axis + 1]);
            let mut pads = vec![0; rank + 1];
            if let Some(pad) = pads.get_mut(cut.axis + 1) {
                *pad = step - 1;
            }
            gradient = e.pad(&gradient, &vec![0; rank + 1], &pads);
            if let Some(size) = sizes.get_mut(cut.axis) {
                *size = Some(Dim::of(cut.count * step));
            }
            gradient = e.reshape(&gradient, &sizes)?;
            behind -= step - 1;
        }
        if behind < 0 {
            gradient = e.slice(&gradient, (&[0], &[cut.size - first], &[signed(cut.axis)]));
        }
        let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
        if let (Some(a), Some(b), Some(size)) = (before.get_mut(cut.axis), after.get_mut(cut.axis), sizes.get_mut(cut.axis)) {
            (*a, *b, *size) = (first, behind.max(0), Some(Dim::of(cut.size)));
        }
        gradient = e.pad(&gradient, &before, &after);
    }
    Ok(vec![(0, gradient)])
}

fn joined(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let first = facts.of_input(node, 0)?;
    let mut sizes = first.sizes.clone()?;
    let axis = from_front(node.int("axis", 0), sizes.len())?;
    let mut total = Some(Dim::of(0));
    let mut entries = Some(Vec::new());
    for index in 0..node.input.len() {
        let fact = facts.of_input(node, index)?;
        let size = fact.sizes.as_ref().and_then(|sizes| sizes.get(axis).copied().flatten());
        total = total.and_then(|total| total.plus(size?));
        entries = entries.and_then(|entries| Some([entries.as_slice(), fact.entries.as_deref()?].concat()));
    }
    *sizes.get_mut(axis)? = total;
    let entries = entries.filter(|entries| entries.len() <= tensor::MOST_ENTRIES && sizes.len() == 1);
    Some(vec![Fact { element: first.element, sizes: Some(sizes), entries }])
}

fn concat(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    let rank = e.facts.rank(r.output()?).ok_or("its shape is not known")?;
    let axis = from_front(r.node.int("axis", 0), rank).ok_or("an axis that there is not")?;
    let mut gradients = Vec::new();
    let mut start = 0_i64;
    for index in 0..r.node.input.len() {
        let size = e.facts.size(r.input(index)?, axis).ok_or("it joins along an axis whose sizes are not known")?;
        let end = start.checked_add(size).ok_or("its sizes are out of range")?;
        if r.wants(index) {
            gradients.push((index, e.slice(r.dy()?, (&[start], &[end], &[signed(axis)]))));
        }
        start = end;
    }
    Ok(gradients)
}

fn parts(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let x = facts.of_input(node, 0)?;
    let sizes = x.sizes.as_ref()?;
    let axis = from_front(node.int("axis", 0), sizes.len())?;
    let count = signed(node.output.len());
    let given = node.input_name(1).is_some() || node.ints("split").is_some();
    let lengths: Vec<Option<Dim>> = if given {
        facts.listed(node, 1, "split")?.into_iter().map(|length| Some(Dim::of(length))).collect()
    } else {
        // Equal parts, the last one smaller where they can't be.
        let size = facts.size(node.input_name(0)?, axis)?;
        let each = size.checked_add(count - 1)?.checked_div(count)?;
        (0..count).map(|part| Some(Dim::of(each.min(size - part * each)))).collect()
    };
    let part = |length: &Option<Dim>| {
        let mut sizes = sizes.clone();
        if let Some(size) = sizes.get_mut(axis) {
            *size = *length;
        }
        Fact::new(x.element, Some(sizes))
    };
    Some(lengths.iter().map(part).collect())
}

fn split(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    r.only_first()?;
    let mut parts = Vec::new();
    for (index, incoming) in r.incoming.iter().enumerate() {
        let output = r.node.output_name(index).ok_or("an output without a name")?;
        parts.push(incoming.clone().unwrap_or_else(|| e.zeros(output)));
    }
    let names: Vec<&str> = parts.iter().map(String::as_str).collect();
    Ok(vec![(0, e.with("Concat", &names, vec![int("axis", r.node.int("axis", 0))]))])
}

/// How many entries a padding adds before and behind each axis.
fn pads(facts: &Facts, node: &NodeProto) -> Option<(Vec<i64>, Vec<i64>)> {
    let rank = facts.rank(node.input_name(0)?)?;
    let pads = facts.listed(node, 1, "pads")?;
    let axes: Vec<usize> = match node.input_name(3) {
        Some(name) => facts.integers(name)?.into_iter().map(|axis| from_front(axis, rank)).collect::<Option<_>>()?,
        None => (0..rank).collect(),
    };
    let (lead, tail) = pads.split_at_checked(axes.len())?;
    let (mut before, mut behind) = (vec![0; rank], vec![0; rank]);
    for ((&axis, &a), &b) in axes.iter().zip(lead).zip(tail) {
        (*before.get_mut(axis)?, *behind.get_mut(axis)?) = (a, b);
    }
    Some((before, behind))
}

fn padded(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let x = facts.of_input(node, 0)?;
    let (before, behind) = pads(facts, node)?;
    let grow = |(size, (a, b)): (&Option<Dim>, (&i64, &i64))| (*size)?.plus(Dim::of(a.checked_add(*b)?));
    let sizes: Sizes = x.sizes.as_ref()?.iter().zip(before.iter().zip(&behind)).map(grow).collect();
    Some(vec![Fact::new(x.element, Some(sizes))])
}

/// The padding cut off again; what a negative padding cut off gets zeros.
fn pad(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    r.only_first()?;
    let mode = r.node.text("mode").unwrap_or("constant");
    if mode != "constant" {
        return Err(format!("padding of mode `{mode}`"));
    }
    let (before, behind) = pads(&e.facts, r.node).ok_or("its padding is not known")?;
    let axes: Vec<i64> = (0..signed(before.len())).collect();
    let starts: Vec<i64> = before.iter().map(|&pad| pad.max(0)).collect();
    let ends: Vec<i64> = behind.iter().map(|&pad| if pad > 0 { -pad } else { TO_THE_END }).collect();
    let changed: Vec<usize> = (0..axes.len()).filter(|&axis| starts.get(axis) != Some(&0) || ends.get(axis) != Some(&TO_THE_END)).collect();
    let pick = |values: &[i64]| changed.iter().filter_map(|&axis| values.get(axis).copied()).collect::<Vec<_>>();
    let mut gradient = r.dy()?.to_owned();
    if !changed.is_empty() {
        gradient = e.slice(&gradient, (&pick(&starts), &pick(&ends), &pick(&axes)));
    }
    let cut = |pads: &[i64]| pads.iter().map(|&pad| pad.min(0).saturating_neg()).collect::<Vec<_>>();
    Ok(vec![(0, e.pad(&gradient, &cut(&before), &cut(&behind)))])
}
