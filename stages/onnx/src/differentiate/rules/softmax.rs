//! Softmax and its logarithm.

use super::{Operator, Reverse, operator, same};
use crate::differentiate::emitter::{Emitter, Reason};
use crate::differentiate::facts::from_front;
use crate::differentiate::node::Reading;

pub(super) const OPERATORS: &[Operator] = &[
    operator("Softmax", same, |e, r| {
        let (y, axis) = (r.output()?, axis(e, r)?);
        let weighted = e.op("Mul", &[r.dy()?, y]);
        let mean = total(e, &weighted, (y, axis));
        let centre = e.op("Mul", &[y, &mean]);
        Ok(vec![(0, e.op("Sub", &[&weighted, &centre]))])
    }),
    operator("LogSoftmax", same, |e, r| {
        let axis = axis(e, r)?;
        let shares = e.op("Exp", &[r.output()?]);
        let total = total(e, r.dy()?, (r.output()?, axis));
        let spread = e.op("Mul", &[&shares, &total]);
        Ok(vec![(0, e.op("Sub", &[r.dy()?, &spread]))])
    }),
];

/// The sum along `axis` of a value with the shape of forward value `y`.
fn total(e: &mut Emitter, value: &str, (y, axis): (&str, usize)) -> String {
    let rank = e.facts.rank(y).unwrap_or_default();
    match e.facts.size(y, axis).filter(|size| axis + 1 == rank && *size > 0) {
        // Where rows begin at multiples of 16 numbers the order is the same for all.
        Some(size) if size % 16 != 0 => e.row_sums(value, (y, usize::try_from(size).unwrap_or_default(), rank)),
        _ => e.sum(value, &[axis]),
    }
}

fn axis(e: &Emitter, r: &Reverse<'_>) -> Result<usize, Reason> {
    let rank = e.facts.rank(r.input(0)?).ok_or("its shape is not known")?;
    from_front(r.node.int("axis", -1), rank).ok_or_else(|| "an axis that there is not".to_owned())
}
