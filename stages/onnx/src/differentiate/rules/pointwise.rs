//! Functions of single numbers, from the calculus book.

use super::{Operator, Reverse, operator, same};
use crate::differentiate::emitter::{Emitter, Reason};

pub(super) const OPERATORS: &[Operator] = &[
    operator("Identity", same, |_, r| Ok(vec![(0, r.dy()?.to_owned())])),
    operator("Neg", same, |e, r| Ok(vec![(0, e.op("Neg", &[r.dy()?]))])),
    operator("Abs", same, |e, r| {
        let sign = e.op("Sign", &[r.input(0)?]);
        times(e, r, &sign)
    }),
    operator("Exp", same, |e, r| times(e, r, r.output()?)),
    operator("Log", same, |e, r| Ok(vec![(0, e.op("Div", &[r.dy()?, r.input(0)?]))])),
    operator("Sqrt", same, |e, r| {
        let half = e.number(r.output()?, 0.5);
        let scaled = e.op("Mul", &[r.dy()?, &half]);
        Ok(vec![(0, e.op("Div", &[&scaled, r.output()?]))])
    }),
    operator("Reciprocal", same, |e, r| {
        let square = e.op("Mul", &[r.output()?, r.output()?]);
        let slope = e.op("Neg", &[&square]);
        times(e, r, &slope)
    }),
    operator("Sigmoid", same, |e, r| {
        let slope = sigmoid_slope(e, r.output()?);
        times(e, r, &slope)
    }),
    operator("Tanh", same, |e, r| {
        let slope = one_minus_square(e, r.output()?);
        times(e, r, &slope)
    }),
    operator("Erf", same, |e, r| {
        let x = r.input(0)?;
        let bell = bell(e, x, 1.0);
        let factor = e.number(x, std::f64::consts::FRAC_2_SQRT_PI);
        let slope = e.op("Mul", &[&factor, &bell]);
        times(e, r, &slope)
    }),
    operator("Sin", same, |e, r| {
        let slope = e.op("Cos", &[r.input(0)?]);
        times(e, r, &slope)
    }),
    operator("Cos", same, |e, r| {
        let sine = e.op("Sin", &[r.input(0)?]);
        let slope = e.op("Neg", &[&sine]);
        times(e, r, &slope)
    }),
    operator("Atan", same, |e, r| {
        let x = r.input(0)?;
        let (square, one) = (e.op("Mul", &[x, x]), e.number(x, 1.0));
        let under = e.op("Add", &[&one, &square]);
        Ok(vec![(0, e.op("Div", &[r.dy()?, &under]))])
    }),
];

/// The gradient is `dy · slope`.
pub(super) fn times(e: &mut Emitter, r: &Reverse<'_>, slope: &str) -> Result<Vec<(usize, String)>, Reason> {
    Ok(vec![(0, e.op("Mul", &[r.dy()?, slope]))])
}

/// `y (1 − y)` for a sigmoid's value y.
pub(super) fn sigmoid_slope(e: &mut Emitter, y: &str) -> String {
    let one = e.number(y, 1.0);
    let rest = e.op("Sub", &[&one, y]);
    e.op("Mul", &[y, &rest])
}

/// `1 − y²`.
pub(super) fn one_minus_square(e: &mut Emitter, y: &str) -> String {
    let (one, square) = (e.number(y, 1.0), e.op("Mul", &[y, y]));
    e.op("Sub", &[&one, &square])
}

/// `exp(−scale · x²)`.
pub(super) fn bell(e: &mut Emitter, x: &str, scale: f64) -> String {
    let square = e.op("Mul", &[x, x]);
    let factor = e.number(x, -scale);
    let exponent = e.op("Mul", &[&factor, &square]);
    e.op("Exp", &[&exponent])
}
