//! Normalisations.

use super::{Operator, Reverse, operator, same};
use crate::differentiate::dim::Dim;
use crate::differentiate::emitter::{Emitter, Reason};
use crate::differentiate::facts::{Sizes, from_front};
use crate::differentiate::node::Reading;
use crate::differentiate::tensor;
use crate::differentiate::tensor::signed;
use crate::proto::tensor_proto::DataType;

type Gradients = Result<Vec<(usize, String)>, Reason>;

pub(super) const OPERATORS: &[Operator] = &[
    operator("BatchNormalization", same, batch_normalisation),
    operator("LayerNormalization", same, layer_normalisation),
    operator("InstanceNormalization", same, instance_normalisation),
    operator("GroupNormalization", same, group_normalisation),
];

/// With running statistics it is a product with a constant of each channel.
fn batch_normalisation(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    r.only_first()?;
    if r.node.int("training_mode", 0) != 0 {
        return Err("it takes its statistics from the batch".to_owned());
    }
    let x = r.input(0)?;
    let rank = e.facts.rank(x).filter(|rank| *rank >= 2).ok_or("its shape is not known")?;
    let epsilon = r.node.float("epsilon", 1e-5);
    let values = |name: &str| e.facts.constant(name).and_then(tensor::floats);
    let (scale, variance) = (r.input(1)?, r.input(4)?);
    let factors = match (values(scale), values(variance)) {
        (Some(scale), Some(variance)) if scale.len() == variance.len() => {
            let factors: Vec<f64> = scale.iter().zip(&variance).map(|(scale, variance)| scale / (variance + epsilon).sqrt()).collect();
            let mut dims = vec![1; rank - 1];
            if let Some(first) = dims.first_mut() {
                *first = signed(factors.len());
            }
            e.constant(tensor::of_floats(e.facts.element(x), &dims, &factors))
        }
        _ => {
            let epsilon = e.number(x, epsilon);
            let guarded = e.op("Add", &[variance, &epsilon]);
            let deviation = e.op("Sqrt", &[&guarded]);
            let factors = e.op("Div", &[scale, &deviation]);
            of_each_channel(e, &factors, rank)?
        }
    };
    Ok(vec![(0, e.op("Mul", &[r.dy()?, &factors]))])
}

/// `[c]` as `[c, 1, …]`, for values of that rank.
fn of_each_channel(e: &mut Emitter, value: &str, rank: usize) -> Result<String, Reason> {
    let mut sizes: Sizes = vec![Some(Dim::of(1)); rank.saturating_sub(1)];
    if let Some(first) = sizes.first_mut() {
        *first = Some(Dim::of(-1));
    }
    e.reshape(value, &sizes)
}

fn layer_normalisation(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    r.only_first()?;
    let x = r.input(0)?;
    let rank = e.facts.rank(x).ok_or("its shape is not known")?;
    let first = from_front(r.node.int("axis", -1), rank).ok_or("an axis that there is not")?;
    let axes: Vec<usize> = (first..rank).collect();
    let d = e.op("Mul", &[r.dy()?, r.input(1)?]);
    // Its own mean and inverse deviation, which it computes anyway.
    let plain = e.facts.element(x) == DataType::Float && r.node.int("stash_type", 1) == 1;
    if !plain {
        return Ok(vec![(0, normalised(e, x, &d, (&axes, r.node.float("epsilon", 1e-5))))]);
    }
    let (mean, inverse) = (e.output(r.node, 1), e.output(r.node, 2));
    let centred = e.op("Sub", &[x, &mean]);
    Ok(vec![(0, finish(e, (&centred, &inverse), &d, &axes))])
}

fn instance_normalisation(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    r.only_first()?;
    let x = r.input(0)?;
    let rank = e.facts.rank(x).filter(|rank| *rank >= 3).ok_or("its shape is not known")?;
    let axes: Vec<usize> = (2..rank).collect();
    let scale = of_each_channel(e, r.input(1)?, rank)?;
    let d = e.op("Mul", &[r.dy()?, &scale]);
    Ok(vec![(0, normalised(e, x, &d, (&axes, r.node.float("epsilon", 1e-5))))])
}

fn group_normalisation(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    r.only_first()?;
    let x = r.input(0)?;
    let sizes = e.facts.sizes(x).filter(|sizes| sizes.len() >= 3).ok_or("its shape is not known")?.clone();
    let groups = r.node.int("num_groups", 1);
    let per_channel = e.facts.size(r.input(1)?, 0) == sizes.get(1).copied().flatten().and_then(Dim::constant);
    if !per_channel || groups < 1 {
        return Err("a scale for each group".to_owned());
    }
    let scale = of_each_channel(e, r.input(1)?, sizes.len())?;
    let d = e.op("Mul", &[r.dy()?, &scale]);
    let rest = crate::differentiate::dim::product(sizes.get(1..).unwrap_or_default()).and_then(|count| count.over(Dim::of(groups)));
    let grouped: Sizes = vec![sizes.first().copied().flatten(), Some(Dim::of(groups)), rest];
    let (wide_x, wide_d) = (e.reshape(x, &grouped)?, e.reshape(&d, &grouped)?);
    let gradient = normalised(e, &wide_x, &wide_d, (&[2], r.node.float("epsilon", 1e-5)));
    Ok(vec![(0, e.reshape_like(&gradient, x))])
}

/// The gradient of (x − mean) / √(variance + ε) over `axes`, `d` being that of its value.
fn normalised(e: &mut Emitter, x: &str, d: &str, (axes, epsilon): (&[usize], f64)) -> String {
    let mean = e.mean(x, axes);
    let centred = e.op("Sub", &[x, &mean]);
    let square = e.op("Mul", &[&centred, &centred]);
    let variance = e.mean(&square, axes);
    let epsilon = e.number(x, epsilon);
    let guarded = e.op("Add", &[&variance, &epsilon]);
    let deviation = e.op("Sqrt", &[&guarded]);
    let inverse = e.op("Reciprocal", &[&deviation]);
    finish(e, (&centred, &inverse), d, axes)
}

/// (d − mean d − x̂ · mean(d x̂)) / σ, with x̂ = (x − mean) / σ.
fn finish(e: &mut Emitter, (centred, inverse): (&str, &str), d: &str, axes: &[usize]) -> String {
    let unit = e.op("Mul", &[centred, inverse]);
    let mean = e.mean(d, axes);
    let product = e.op("Mul", &[d, &unit]);
    let along = e.mean(&product, axes);
    let level = e.op("Sub", &[d, &mean]);
    let tilt = e.op("Mul", &[&unit, &along]);
    let difference = e.op("Sub", &[&level, &tilt]);
    e.op("Mul", &[inverse, &difference])
}
