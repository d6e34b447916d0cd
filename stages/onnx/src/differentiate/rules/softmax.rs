//! Softmax and its logarithm.

use super::{Operator, Reverse, operator, same};
use crate::differentiate::emitter::{Emitter, Reason};
use crate::differentiate::facts::from_front;
use crate::differentiate::node::Reading;

pub(super) const OPERATORS: &[Operator] = &[
    operator("Softmax", same, |e, r| {
        let (y, axis) = (r.output()?, axis(e, r)?);
        let weighted = e.op("Mul", &[r.dy()?, y]);
        let mean = e.sum(&weighted, &[axis]);
        let centre = e.op("Mul", &[y, &mean]);
        Ok(vec![(0, e.op("Sub", &[&weighted, &centre]))])
    }),
    operator("LogSoftmax", same, |e, r| {
        let axis = axis(e, r)?;
        let shares = e.op("Exp", &[r.output()?]);
        let total = e.sum(r.dy()?, &[axis]);
        let spread = e.op("Mul", &[&shares, &total]);
        Ok(vec![(0, e.op("Sub", &[r.dy()?, &spread]))])
    }),
];

fn axis(e: &Emitter, r: &Reverse<'_>) -> Result<usize, Reason> {
    let rank = e.facts.rank(r.input(0)?).ok_or("its shape is not known")?;
    from_front(r.node.int("axis", -1), rank).ok_or_else(|| "an axis that there is not".to_owned())
}
