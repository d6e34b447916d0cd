//! Reductions along axes.

use super::{Operator, Reverse, operator};
use crate::differentiate::attribute::int;
use crate::differentiate::dim::Dim;
use crate::differentiate::emitter::{Emitter, Reason};
use crate::differentiate::facts::{Fact, Facts, Sizes, from_front};
use crate::differentiate::node::Reading;
use crate::differentiate::rules::Derivative;
use crate::proto::NodeProto;

type Gradients = Result<Vec<(usize, String)>, Reason>;

pub(super) const OPERATORS: &[Operator] = &[
    operator("ReduceSum", reduced, |e, r| {
        let parts = Parts::of(e, r)?;
        Ok(vec![(0, e.spread(&parts.dy, &parts.x, &parts.axes))])
    }),
    operator("ReduceMean", reduced, |e, r| {
        let parts = Parts::of(e, r)?;
        let count = parts.axes.iter().try_fold(1.0, |count, &axis| Some(count * e.facts.size(&parts.x, axis)? as f64));
        let share = e.number(&parts.x, 1.0 / count.ok_or("a mean over a number of values that is not known")?);
        let scaled = e.op("Mul", &[&parts.dy, &share]);
        Ok(vec![(0, e.spread(&scaled, &parts.x, &parts.axes))])
    }),
    operator("ReduceMax", reduced, extremum),
    operator("ReduceMin", reduced, extremum),
    operator("ReduceL1", reduced, |e, r| {
        let parts = Parts::of(e, r)?;
        let sign = e.op("Sign", &[&parts.x]);
        Ok(vec![(0, e.op("Mul", &[&parts.dy, &sign]))])
    }),
    operator("ReduceL2", reduced, |e, r| {
        let parts = Parts::of(e, r)?;
        // At zero the norm has no gradient; PyTorch takes zero.
        let (zero, one) = (e.number(&parts.x, 0.0), e.number(&parts.x, 1.0));
        let positive = e.op("Greater", &[&parts.y, &zero]);
        let under = e.op("Where", &[&positive, &parts.y, &one]);
        let unit = e.op("Div", &[&parts.x, &under]);
        Ok(vec![(0, e.op("Mul", &[&parts.dy, &unit]))])
    }),
    operator("ReduceSumSquare", reduced, |e, r| {
        let parts = Parts::of(e, r)?;
        let two = e.number(&parts.x, 2.0);
        let scaled = e.op("Mul", &[&parts.dy, &two]);
        Ok(vec![(0, e.op("Mul", &[&scaled, &parts.x]))])
    }),
    operator("ReduceLogSumExp", reduced, |e, r| {
        let parts = Parts::of(e, r)?;
        let centred = e.op("Sub", &[&parts.x, &parts.y]);
        let shares = e.op("Exp", &[&centred]);
        Ok(vec![(0, e.op("Mul", &[&parts.dy, &shares]))])
    }),
    Operator { name: "ReduceProd", infer: product_of_entries, derivative: Derivative::Rule(|_, _| Err("products along axes".to_owned())) },
];

/// A reduction with its axes kept.
struct Parts {
    x: String,
    /// The value and its gradient, the reduced axes kept with size one.
    y: String,
    dy: String,
    axes: Vec<usize>,
}

impl Parts {
    fn of(e: &mut Emitter, r: &Reverse<'_>) -> Result<Parts, Reason> {
        let x = r.input(0)?.to_owned();
        let axes = axes(&e.facts, r.node).ok_or("its axes are not known")?;
        let (y, dy) = (r.output()?.to_owned(), r.dy()?.to_owned());
        if r.node.int("keepdims", 1) != 0 || axes.is_empty() {
            return Ok(Parts { x, y, dy, axes });
        }
        let (y, dy) = (e.unsqueeze(&y, &axes), e.unsqueeze(&dy, &axes));
        Ok(Parts { x, y, dy, axes })
    }
}

/// The reduced axes; all unless some are given.
fn axes(facts: &Facts, node: &NodeProto) -> Option<Vec<usize>> {
    let rank = facts.rank(node.input_name(0)?)?;
    let given = node.input_name(1).is_some() || node.ints("axes").is_some();
    let listed = if given { facts.listed(node, 1, "axes")? } else { vec![] };
    if listed.is_empty() {
        return Some(if node.int("noop_with_empty_axes", 0) != 0 { vec![] } else { (0..rank).collect() });
    }
    let mut axes: Vec<usize> = listed.into_iter().map(|axis| from_front(axis, rank)).collect::<Option<_>>()?;
    axes.sort_unstable();
    axes.dedup();
    Some(axes)
}

fn reduced(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let x = facts.of_input(node, 0)?;
    let axes = axes(facts, node)?;
    let keep = node.int("keepdims", 1) != 0;
    let mut sizes: Sizes = Vec::new();
    for (axis, size) in x.sizes.as_ref()?.iter().enumerate() {
        match (axes.contains(&axis), keep) {
            (false, _) => sizes.push(*size),
            (true, true) => sizes.push(Some(Dim::of(1))),
            (true, false) => {}
        }
    }
    Some(vec![Fact::new(x.element, Some(sizes))])
}

/// As [`reduced`], with the product of the entries of a shape tensor.
fn product_of_entries(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let mut found = reduced(facts, node)?;
    let entries = facts.of_input(node, 0)?.entries.as_ref().map(|entries| vec![crate::differentiate::dim::product(entries)]);
    if let Some(fact) =
        found.first_mut().filter(|fact| fact.sizes.as_ref().is_some_and(|sizes| sizes.iter().all(|size| *size == Some(Dim::of(1)))))
    {
        fact.entries = entries;
    }
    Some(found)
}

fn extremum(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    let parts = Parts::of(e, r)?;
    Ok(vec![(0, share_among_equal(e, (&parts.x, &parts.y), &parts.dy, &parts.axes))])
}

/// The gradient of an extremum `y` of `x` over `axes`, in equal shares to the values that are it. All axes are kept.
pub(super) fn share_among_equal(e: &mut Emitter, (x, y): (&str, &str), dy: &str, axes: &[usize]) -> String {
    let equal = e.op("Equal", &[x, y]);
    let hits = e.with("Cast", &[&equal], vec![int("to", i64::from(e.facts.element(x) as i32))]);
    let count = e.sum(&hits, axes);
    let share = e.op("Div", &[dy, &count]);
    e.op("Mul", &[&hits, &share])
}
