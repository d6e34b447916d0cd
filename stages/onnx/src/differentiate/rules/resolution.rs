//! Operators that trade resolution for channels.

use super::{Operator, Reverse, operator};
use crate::differentiate::attribute::{int, ints};
use crate::differentiate::dim::Dim;
use crate::differentiate::emitter::{Emitter, Reason};
use crate::differentiate::facts::{Fact, Facts};
use crate::differentiate::node::Reading;
use crate::proto::NodeProto;

pub(super) const OPERATORS: &[Operator] = &[
    operator("DepthToSpace", |f, n| traded(f, n, true), depth_to_space),
    operator(
        "SpaceToDepth",
        |f, n| traded(f, n, false),
        |e, r| {
            let block = r.node.int("blocksize", 1);
            Ok(vec![(0, e.with("DepthToSpace", &[r.dy()?], vec![int("blocksize", block)]))])
        },
    ),
];

fn traded(facts: &Facts, node: &NodeProto, up: bool) -> Option<Vec<Fact>> {
    let x = facts.of_input(node, 0)?;
    let [n, c, h, w] = x.sizes.as_deref()? else { return None };
    let block = Dim::of(Some(node.int("blocksize", 0)).filter(|block| (1..1 << 16).contains(block))?);
    let square = block.times(block)?;
    let sizes = if up {
        vec![*n, c.and_then(|c| c.over(square)), h.and_then(|h| h.times(block)), w.and_then(|w| w.times(block))]
    } else {
        vec![*n, c.and_then(|c| c.times(square)), h.and_then(|h| h.over(block)), w.and_then(|w| w.over(block))]
    };
    Some(vec![Fact::new(x.element, Some(sizes))])
}

fn depth_to_space(e: &mut Emitter, r: &Reverse<'_>) -> Result<Vec<(usize, String)>, Reason> {
    let block = r.node.int("blocksize", 1);
    match r.node.text("mode").unwrap_or("DCR") {
        "DCR" => Ok(vec![(0, e.with("SpaceToDepth", &[r.dy()?], vec![int("blocksize", block)]))]),
        "CRD" => {
            let unknown = "its shape is not known";
            let [n, c, h, w] = e.facts.sizes(r.input(0)?).ok_or(unknown)?.as_slice() else { return Err(unknown.to_owned()) };
            let (b, square) = (Dim::of(block), Dim::of(block.checked_mul(block).ok_or("its block is too large")?));
            let split = vec![*n, c.and_then(|c| c.over(square)), *h, Some(b), *w, Some(b)];
            let wide = e.reshape(r.dy()?, &split)?;
            let turned = e.with("Transpose", &[&wide], vec![ints("perm", &[0, 1, 3, 5, 2, 4])]);
            Ok(vec![(0, e.reshape_like(&turned, r.input(0)?))])
        }
        mode => Err(format!("mode `{mode}`")),
    }
}
