//! Operators without a useful derivative: constants, sizes, comparisons, rounding and choices.

use super::{Derivative, Infer, Operator, same};
use crate::differentiate::dim::Dim;
use crate::differentiate::emitter::TO_THE_END;
use crate::differentiate::facts::{Fact, Facts, Sizes, broadcast, from_front};
use crate::differentiate::node::Reading;
use crate::differentiate::tensor;
use crate::differentiate::tensor::signed;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

pub(super) const OPERATORS: &[Operator] = &[
    of_shapes("Shape", shape),
    of_shapes("Size", |f, n| Some(vec![Fact::whole(vec![f.count(n.input_name(0)?)], 0)])),
    of_shapes("Constant", |_, _| None),
    of_shapes("ConstantOfShape", constant_of_shape),
    of_shapes("EyeLike", same),
    zero("Range", range),
    zero("Equal", |f, n| compared(f, n, |a, b| Some(a == b))),
    zero("Greater", |f, n| compared(f, n, |a, b| Some(a.minus(b)?.constant()? > 0))),
    zero("GreaterOrEqual", |f, n| compared(f, n, |a, b| Some(a.minus(b)?.constant()? >= 0))),
    zero("Less", |f, n| compared(f, n, |a, b| Some(a.minus(b)?.constant()? < 0))),
    zero("LessOrEqual", |f, n| compared(f, n, |a, b| Some(a.minus(b)?.constant()? <= 0))),
    zero("And", |f, n| compared(f, n, |a, b| Some(a.constant()? != 0 && b.constant()? != 0))),
    zero("Or", |f, n| compared(f, n, |a, b| Some(a.constant()? != 0 || b.constant()? != 0))),
    zero("Xor", |f, n| compared(f, n, |a, b| Some((a.constant()? != 0) != (b.constant()? != 0)))),
    zero("Not", |f, n| {
        let x = f.of_input(n, 0)?;
        let flip = |entry: &Option<Dim>| Some(Dim::of(i64::from((*entry)?.constant()? == 0)));
        Some(vec![Fact {
            element: DataType::Bool,
            sizes: x.sizes.clone(),
            entries: x.entries.as_ref().map(|e| e.iter().map(flip).collect()),
        }])
    }),
    zero("IsNaN", boolean),
    zero("IsInf", boolean),
    // Noise of the size of its input. That the logits differ from run to run is for the checks of masked gradients to say.
    of_shapes("RandomNormalLike", same),
    of_shapes("RandomUniformLike", same),
    zero("Bernoulli", same),
    zero("Sign", same),
    zero("Round", same),
    zero("Floor", same),
    zero("Ceil", same),
    Operator {
        name: "Mod",
        infer: modulo,
        derivative: Derivative::Rule(|_, _| Err("remainders of numbers that depend on the images".to_owned())),
    },
    zero("BitShift", same),
    zero("ArgMax", extreme_index),
    zero("ArgMin", extreme_index),
    zero("OneHot", one_hot),
    zero("NonZero", |_, _| None),
    zero("Hardmax", same),
    zero("Unique", |_, _| None),
    zero("QuantizeLinear", |f, n| {
        let element = n.input_name(2).map_or(DataType::Uint8, |zero_point| f.element(zero_point));
        Some(vec![Fact::new(element, f.of_input(n, 0)?.sizes.clone())])
    }),
    zero("DynamicQuantizeLinear", |f, n| {
        let one = |element| Fact::new(element, Some(vec![]));
        Some(vec![Fact::new(DataType::Uint8, f.of_input(n, 0)?.sizes.clone()), one(DataType::Float), one(DataType::Uint8)])
    }),
    zero("DequantizeLinear", |f, n| Some(vec![Fact::new(f.of_input(n, 1)?.element, f.of_input(n, 0)?.sizes.clone())])),
    zero("QLinearConv", |_, _| None),
    zero("QLinearMatMul", |_, _| None),
    zero("ConvInteger", |_, _| None),
    zero("MatMulInteger", |_, _| None),
];

const fn zero(name: &'static str, infer: Infer) -> Operator {
    Operator { name, infer, derivative: Derivative::Zero }
}

const fn of_shapes(name: &'static str, infer: Infer) -> Operator {
    Operator { name, infer, derivative: Derivative::OfShapes }
}

fn shape(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let sizes = facts.of_input(node, 0)?.sizes.as_ref()?;
    let rank = signed(sizes.len());
    let bound = |name: &str, default: i64| {
        let at = node.int(name, default);
        usize::try_from(if at < 0 { at.saturating_add(rank) } else { at }.clamp(0, rank)).unwrap_or(0)
    };
    let (start, end) = (bound("start", 0), bound("end", TO_THE_END));
    Some(vec![Fact::whole(sizes.get(start..end.max(start))?.to_vec(), 1)])
}

fn constant_of_shape(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let sizes = facts.of_input(node, 0)?.entries.clone()?;
    let value = node.tensor("value");
    let element = value.map_or(DataType::Float, |value| DataType::try_from(value.data_type()).unwrap_or(DataType::Undefined));
    let count = crate::differentiate::dim::product(&sizes).and_then(Dim::constant).and_then(|count| usize::try_from(count).ok());
    let entry = value.and_then(tensor::integers).and_then(|entries| entries.first().copied());
    let entries = match (count, entry) {
        (Some(count), Some(entry)) if count <= tensor::MOST_ENTRIES => Some(vec![Some(Dim::of(entry)); count]),
        _ => None,
    };
    Some(vec![Fact { element, sizes: Some(sizes), entries }])
}

fn range(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let element = facts.of_input(node, 0)?.element;
    let bound = |index: usize| facts.of_input(node, index)?.entries.as_ref()?.first().copied().flatten();
    let (start, limit, step) = (bound(0), bound(1), bound(2).and_then(Dim::constant));
    let by_ones = step == Some(1);
    // With a step of one the number of entries is known even where it depends on the number of images.
    let length = start.zip(limit).and_then(|(start, limit)| limit.minus(start)).filter(|_| by_ones);
    let unknown = Some(vec![Fact::new(element, Some(vec![length]))]);
    let (Some(start), Some(limit), Some(step)) = (start.and_then(Dim::constant), limit.and_then(Dim::constant), step) else {
        return unknown;
    };
    let mut entries: Sizes = Vec::new();
    let mut at = start;
    while (step > 0 && at < limit) || (step < 0 && at > limit) {
        if entries.len() == tensor::MOST_ENTRIES {
            return unknown;
        }
        entries.push(Some(Dim::of(at)));
        at = at.checked_add(step)?;
    }
    Some(vec![Fact { element, ..Fact::whole(entries, 1) }])
}

fn boolean(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    Some(vec![Fact::new(DataType::Bool, facts.of_input(node, 0)?.sizes.clone())])
}

fn compared(facts: &Facts, node: &NodeProto, decide: fn(Dim, Dim) -> Option<bool>) -> Option<Vec<Fact>> {
    let (a, b) = (facts.of_input(node, 0)?, facts.of_input(node, 1)?);
    let mut fact = Fact::new(DataType::Bool, Some(broadcast(a.sizes.as_ref()?, b.sizes.as_ref()?)));
    if let (Some(a), Some(b)) = (&a.entries, &b.entries) {
        let of = |entries: &Sizes, at: usize| entries.get(if entries.len() == 1 { 0 } else { at }).copied().flatten();
        let answer = |at: usize| decide(of(a, at)?, of(b, at)?).map(|answer| Dim::of(i64::from(answer)));
        fact.entries = Some((0..a.len().max(b.len())).map(answer).collect());
    }
    Some(vec![fact])
}

fn modulo(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let (a, b) = (facts.of_input(node, 0)?, facts.of_input(node, 1)?);
    let mut fact = Fact::new(a.element, Some(broadcast(a.sizes.as_ref()?, b.sizes.as_ref()?)));
    if let (Some([a]), Some([b])) = (a.entries.as_deref(), b.entries.as_deref()) {
        let rest = |a: Dim, b: Dim| {
            // A multiple of the divisor leaves nothing, whatever the number of images.
            let (factor, divisor) = (a.per_image, b.constant()?);
            (factor.checked_rem(divisor)? == 0).then_some(a.fixed.checked_rem_euclid(divisor)?)
        };
        fact.entries = Some(vec![a.and_then(|a| rest(a, (*b)?)).map(Dim::of)]);
    }
    Some(vec![fact])
}

fn extreme_index(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let mut sizes = facts.of_input(node, 0)?.sizes.clone()?;
    let axis = from_front(node.int("axis", 0), sizes.len())?;
    if node.int("keepdims", 1) != 0 {
        *sizes.get_mut(axis)? = Some(Dim::of(1));
    } else {
        sizes.remove(axis);
    }
    Some(vec![Fact::new(DataType::Int64, Some(sizes))])
}

fn one_hot(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let mut sizes = facts.of_input(node, 0)?.sizes.clone()?;
    let depth = facts.of_input(node, 1)?.entries.as_ref().and_then(|entries| entries.first().copied().flatten());
    let axis = from_front(node.int("axis", -1), sizes.len() + 1)?;
    sizes.insert(axis, depth);
    Some(vec![Fact::new(facts.of_input(node, 2)?.element, Some(sizes))])
}
