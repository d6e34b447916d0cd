//! Arithmetic of several values, with broadcasting.

use super::{Operator, Reverse, operator};
use crate::differentiate::dim::Dim;
use crate::differentiate::emitter::{Emitter, Reason};
use crate::differentiate::facts::{Fact, Facts, Sizes, broadcast};
use crate::proto::NodeProto;

type Gradients = Result<Vec<(usize, String)>, Reason>;

pub(super) const OPERATORS: &[Operator] = &[
    operator("Add", |f, n| entrywise(f, n, Dim::plus), |e, r| each(e, r, |_, _, dy| Ok(dy.to_owned()))),
    operator("Sum", broadcasted, |e, r| each(e, r, |_, _, dy| Ok(dy.to_owned()))),
    operator(
        "Sub",
        |f, n| entrywise(f, n, Dim::minus),
        |e, r| each(e, r, |e, index, dy| Ok(if index == 0 { dy.to_owned() } else { e.op("Neg", &[dy]) })),
    ),
    operator("Mul", |f, n| entrywise(f, n, Dim::times), |e, r| each(e, r, |e, index, dy| Ok(e.op("Mul", &[dy, r.input(1 - index)?])))),
    operator(
        "Div",
        |f, n| entrywise(f, n, Dim::over),
        |e, r| {
            each(e, r, |e, index, dy| {
                let over = e.op("Div", &[dy, r.input(1)?]);
                if index == 0 {
                    return Ok(over);
                }
                let scaled = e.op("Mul", &[&over, r.output()?]);
                Ok(e.op("Neg", &[&scaled]))
            })
        },
    ),
    operator("Mean", broadcasted, |e, r| {
        let share = 1.0 / r.node.input.len() as f64;
        each(e, r, |e, _, dy| {
            let share = e.number(r.output()?, share);
            Ok(e.op("Mul", &[dy, &share]))
        })
    }),
    operator("Pow", broadcasted, |e, r| each(e, r, |e, index, dy| power(e, r, index, dy))),
    operator("Max", broadcasted, extremum),
    operator("Min", broadcasted, extremum),
    operator("Where", select, |e, r| {
        each(e, r, |e, index, dy| {
            let zero = e.number(r.output()?, 0.0);
            let condition = r.input(0)?;
            Ok(if index == 1 { e.op("Where", &[condition, dy, &zero]) } else { e.op("Where", &[condition, &zero, dy]) })
        })
    }),
];

/// The gradient of each input that is asked for: `local` in the shape of the output, summed over what was broadcast.
fn each(e: &mut Emitter, r: &Reverse<'_>, mut local: impl FnMut(&mut Emitter, usize, &str) -> Result<String, Reason>) -> Gradients {
    let mut gradients = Vec::new();
    for index in 0..r.node.input.len() {
        if r.wants(index) {
            let gradient = local(e, index, r.dy()?)?;
            gradients.push((index, e.sum_to(&gradient, r.input(index)?, r.output()?)?));
        }
    }
    Ok(gradients)
}

fn power(e: &mut Emitter, r: &Reverse<'_>, index: usize, dy: &str) -> Result<String, Reason> {
    let (base, exponent) = (r.input(0)?, r.input(1)?);
    if index == 1 {
        let log = e.op("Log", &[base]);
        let slope = e.op("Mul", &[r.output()?, &log]);
        return Ok(e.op("Mul", &[dy, &slope]));
    }
    // The exponent may be of another element type than the base, which the derivative has.
    let element = e.facts.element(base);
    let exponent = if e.facts.element(exponent) == element {
        exponent.to_owned()
    } else {
        e.with("Cast", &[exponent], vec![crate::differentiate::attribute::int("to", i64::from(element as i32))])
    };
    let one = e.number(base, 1.0);
    let lower = e.op("Sub", &[&exponent, &one]);
    let power = e.op("Pow", &[base, &lower]);
    let slope = e.op("Mul", &[&exponent, &power]);
    Ok(e.op("Mul", &[dy, &slope]))
}

/// The gradient goes to the inputs that are the extremum, in equal shares.
fn extremum(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    if r.node.input.len() == 1 {
        return Ok(vec![(0, r.dy()?.to_owned())]);
    }
    let (y, dy) = (r.output()?, r.dy()?);
    let to = vec![crate::differentiate::attribute::int("to", i64::from(e.facts.element(y) as i32))];
    let mut hits = Vec::new();
    for index in 0..r.node.input.len() {
        let equal = e.op("Equal", &[r.input(index)?, y]);
        hits.push(e.with("Cast", &[&equal], to.clone()));
    }
    let names: Vec<&str> = hits.iter().map(String::as_str).collect();
    let count = e.op("Sum", &names);
    let share = e.op("Div", &[dy, &count]);
    each(e, r, |e, index, _| Ok(e.op("Mul", &[&share, names.get(index).copied().unwrap_or_default()])))
}

fn broadcasted_from(facts: &Facts, node: &NodeProto, first: usize) -> Option<Fact> {
    let mut joined: Option<Sizes> = None;
    for index in first..node.input.len() {
        let sizes = facts.of_input(node, index)?.sizes.as_ref()?;
        joined = Some(joined.map_or_else(|| sizes.clone(), |joined| broadcast(&joined, sizes)));
    }
    Some(Fact::new(facts.of_input(node, first)?.element, joined))
}

fn broadcasted(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    broadcasted_from(facts, node, 0).map(|fact| vec![fact])
}

/// As [`broadcasted`], with the entries of shape tensors.
fn entrywise(facts: &Facts, node: &NodeProto, compute: fn(Dim, Dim) -> Option<Dim>) -> Option<Vec<Fact>> {
    let mut fact = broadcasted_from(facts, node, 0)?;
    let entries = |index: usize| facts.of_input(node, index)?.entries.as_ref();
    if let (Some(a), Some(b)) = (entries(0), entries(1)) {
        let length = if a.len() == 1 { b.len() } else { a.len() };
        let of = |entries: &Sizes, at: usize| entries.get(if entries.len() == 1 { 0 } else { at }).copied().flatten();
        fact.entries = Some((0..length).map(|at| compute(of(a, at)?, of(b, at)?)).collect());
    }
    Some(vec![fact])
}

/// `Where`, with the entries of shape tensors where the condition is known.
fn select(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let values = broadcasted_from(facts, node, 1)?;
    let condition = facts.of_input(node, 0)?;
    let sizes = broadcast(condition.sizes.as_ref()?, values.sizes.as_ref()?);
    let mut fact = Fact::new(values.element, Some(sizes));
    let entries = |index: usize| facts.of_input(node, index)?.entries.as_ref();
    if let (Some(which), Some(a), Some(b)) = (entries(0), entries(1), entries(2)) {
        let of = |entries: &Sizes, at: usize| entries.get(if entries.len() == 1 { 0 } else { at }).copied().flatten();
        let chosen = |at: usize| if of(which, at)?.constant()? == 0 { of(b, at) } else { of(a, at) };
        fact.entries = Some((0..which.len().max(a.len()).max(b.len())).map(chosen).collect());
    }
    Some(vec![fact])
}
