//! Matrix products.

use super::{Operator, Reverse, operator};
use crate::differentiate::attribute::{float, int, ints};
use crate::differentiate::emitter::{Emitter, Reason};
use crate::differentiate::facts::{Fact, Facts, broadcast};
use crate::differentiate::node::Reading;
use crate::differentiate::tensor::signed;
use crate::proto::NodeProto;

type Gradients = Result<Vec<(usize, String)>, Reason>;

pub(super) const OPERATORS: &[Operator] = &[operator("Gemm", gemm_shape, gemm), operator("MatMul", product_shape, product)];

fn gemm_shape(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let (a, b) = (facts.of_input(node, 0)?, facts.of_input(node, 1)?);
    let (a_sizes, b_sizes) = (a.sizes.as_ref()?, b.sizes.as_ref()?);
    let rows = a_sizes.get(usize::from(node.int("transA", 0) != 0))?;
    let columns = b_sizes.get(usize::from(node.int("transB", 0) == 0))?;
    Some(vec![Fact::new(a.element, Some(vec![*rows, *columns]))])
}

/// `y = α A B + β C`, either factor possibly transposed.
fn gemm(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    let dy = r.dy()?;
    let turned = |name: &str| i64::from(r.node.int(name, 0) != 0);
    let (a_turned, b_turned) = (turned("transA"), turned("transB"));
    let emit = |e: &mut Emitter, a: &str, b: &str, (turn_a, turn_b): (i64, i64)| {
        let attributes = vec![float("alpha", r.node.float("alpha", 1.0)), int("transA", turn_a), int("transB", turn_b)];
        e.with("Gemm", &[a, b], attributes)
    };
    let mut gradients = Vec::new();
    if r.wants(0) {
        let b = r.input(1)?;
        let gradient = if a_turned == 1 { emit(e, b, dy, (b_turned, 1)) } else { emit(e, dy, b, (0, 1 - b_turned)) };
        gradients.push((0, gradient));
    }
    if r.wants(1) {
        let a = r.input(0)?;
        let gradient = if b_turned == 1 { emit(e, dy, a, (1, a_turned)) } else { emit(e, a, dy, (1 - a_turned, 0)) };
        gradients.push((1, gradient));
    }
    if r.wants(2) {
        let beta = e.number(r.output()?, r.node.float("beta", 1.0));
        let scaled = e.op("Mul", &[dy, &beta]);
        gradients.push((2, e.sum_to(&scaled, r.input(2)?, r.output()?)?));
    }
    Ok(gradients)
}

fn product_shape(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let (a, b) = (facts.of_input(node, 0)?, facts.of_input(node, 1)?);
    let (a_sizes, b_sizes) = (a.sizes.as_ref()?, b.sizes.as_ref()?);
    let (a_lead, b_lead) = (a_sizes.len().checked_sub(2)?, b_sizes.len().checked_sub(2)?);
    let mut sizes = broadcast(a_sizes.get(..a_lead)?, b_sizes.get(..b_lead)?);
    sizes.extend([*a_sizes.get(a_lead)?, *b_sizes.get(b_lead + 1)?]);
    Some(vec![Fact::new(a.element, Some(sizes))])
}

fn product(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    let (a, b, dy) = (r.input(0)?, r.input(1)?, r.dy()?);
    let mut gradients = Vec::new();
    if r.wants(0) {
        let turned = transposed(e, b)?;
        let gradient = e.op("MatMul", &[dy, &turned]);
        gradients.push((0, summed(e, &gradient, a, b)?));
    }
    if r.wants(1) {
        let turned = transposed(e, a)?;
        let gradient = e.op("MatMul", &[&turned, dy]);
        gradients.push((1, summed(e, &gradient, b, a)?));
    }
    Ok(gradients)
}

/// The matrices of `value` turned over.
fn transposed(e: &mut Emitter, value: &str) -> Result<String, Reason> {
    let rank = e.facts.rank(value).filter(|rank| *rank >= 2).ok_or("a factor is no matrix of known shape")?;
    let mut order: Vec<i64> = (0..signed(rank)).collect();
    order.swap(rank - 1, rank - 2);
    Ok(e.with("Transpose", &[value], vec![ints("perm", &order)]))
}

/// `gradient` of factor `own` summed over the leading axes along which it was broadcast against `other`.
fn summed(e: &mut Emitter, gradient: &str, own: &str, other: &str) -> Result<String, Reason> {
    let unknown = || "the shape of a factor is not known".to_owned();
    let (own_sizes, other_sizes) = (e.facts.sizes(own).ok_or_else(unknown)?.clone(), e.facts.sizes(other).ok_or_else(unknown)?.clone());
    let lead = |sizes: &[_]| sizes.len().saturating_sub(2);
    let (own_lead, other_lead) = (lead(&own_sizes), lead(&other_sizes));
    let extra = other_lead.saturating_sub(own_lead);
    let mut axes: Vec<usize> = (0..extra).collect();
    for axis in 0..own_lead {
        let mine = own_sizes.get(axis).copied().flatten();
        let theirs = (axis + other_lead).checked_sub(own_lead).map(|at| other_sizes.get(at).copied().flatten());
        match (mine, theirs) {
            (_, None) => {}
            (Some(mine), Some(Some(theirs))) if mine == theirs => {}
            (Some(mine), _) if mine.constant() == Some(1) => axes.push(axis + extra),
            (Some(_), Some(Some(theirs))) if theirs.constant() == Some(1) => {}
            _ => return Err(format!("axis {axis} of `{own}` may be broadcast or not")),
        }
    }
    if axes.is_empty() {
        return Ok(gradient.to_owned());
    }
    let summed = e.sum(gradient, &axes);
    Ok(if extra > 0 { e.reshape_like(&summed, own) } else { summed })
}
