//! Convolutions.

use super::{Operator, Reverse, operator};
use crate::differentiate::attribute::{int, ints};
use crate::differentiate::dim::Dim;
use crate::differentiate::emitter::{Emitter, Reason};
use crate::differentiate::facts::{Fact, Facts, Sizes};
use crate::differentiate::node::Reading;
use crate::differentiate::tensor;
use crate::differentiate::tensor::signed;
use crate::differentiate::window::Window;
use crate::proto::tensor_proto::DataType;
use crate::proto::{AttributeProto, NodeProto, TensorProto};

type Gradients = Result<Vec<(usize, String)>, Reason>;

pub(super) const OPERATORS: &[Operator] =
    &[operator("Conv", convolved, convolution), operator("ConvTranspose", transposed, transposed_convolution)];

fn convolved(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let (x, w) = (facts.of_input(node, 0)?, facts.of_input(node, 1)?);
    let window = Window::of_convolution(facts, node)?;
    let sizes = x.sizes.as_ref()?;
    let mut shape: Sizes = vec![*sizes.first()?, *w.sizes.as_ref()?.first()?];
    shape.extend(window.outputs(sizes.get(2..)?)?);
    Some(vec![Fact::new(x.element, Some(shape))])
}

fn transposed(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let (x, w) = (facts.of_input(node, 0)?, facts.of_input(node, 1)?);
    let window = Window::of_convolution(facts, node)?;
    let (sizes, weights) = (x.sizes.as_ref()?, w.sizes.as_ref()?);
    if node.ints("output_shape").is_some() {
        return None;
    }
    let channels = weights.get(1).copied()??.times(Dim::of(node.int("group", 1)))?;
    let mut shape: Sizes = vec![*sizes.first()?, Some(channels)];
    for (axis, size) in sizes.get(2..)?.iter().enumerate() {
        let extra = node.ints("output_padding").and_then(|extra| extra.get(axis).copied()).unwrap_or(0);
        let size = (*size)?.constant()?;
        let grown = size.checked_sub(1)?.checked_mul(*window.strides.get(axis)?)?.checked_add(window.reach(axis)?)?;
        let cut = window.begin.get(axis)?.checked_add(*window.end.get(axis)?)?;
        shape.push(Some(Dim::of(grown.checked_sub(cut)?.checked_add(extra)?)));
    }
    Some(vec![Fact::new(x.element, Some(shape))])
}

/// A convolution's gradient is a transposed convolution. With stride one that is a convolution with the weights turned round, for
/// which ONNX Runtime has quicker code.
fn convolution(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    r.only_first()?;
    let (x, w, dy) = (r.input(0)?, r.input(1)?, r.dy()?);
    let window = Window::of_convolution(&e.facts, r.node).ok_or("its window is not known")?;
    let group = r.node.int("group", 1);
    let simple = window.strides.iter().all(|&stride| stride == 1);
    let turned_pads = window.turned_pads();
    if let (true, Some(pads), Some(turned)) = (simple, turned_pads, e.facts.constant(w).and_then(|weights| turn(weights, group))) {
        let weights = e.constant(turned);
        let attributes =
            vec![ints("kernel_shape", &window.kernel), ints("pads", &pads), ints("dilations", &window.dilations), int("group", group)];
        return Ok(vec![(0, e.with("Conv", &[dy, &weights], attributes))]);
    }
    let mut attributes = window.attributes();
    attributes.push(int("group", group));
    attributes.push(output_padding(&e.facts, &window, (x, r.output()?))?);
    Ok(vec![(0, e.with("ConvTranspose", &[dy, w], attributes))])
}

/// What a transposed convolution must add behind, so that its result has the sizes of `x`.
pub(super) fn output_padding(facts: &Facts, window: &Window, (x, y): (&str, &str)) -> Result<AttributeProto, Reason> {
    let extra = |axis: usize| {
        let (x, y) = (facts.size(x, axis + 2)?, facts.size(y, axis + 2)?);
        let reached = y.checked_sub(1)?.checked_mul(*window.strides.get(axis)?)?.checked_add(window.reach(axis)?)?;
        x.checked_sub(reached.checked_sub(window.begin.get(axis)?.checked_add(*window.end.get(axis)?)?)?)
    };
    let extra: Option<Vec<i64>> = (0..window.kernel.len()).map(extra).collect();
    let extra = extra.ok_or("the sizes of its images are not known")?;
    if extra.iter().any(|&extra| extra < 0) {
        return Err("its sizes contradict each other".to_owned());
    }
    Ok(ints("output_padding", &extra))
}

/// Weights `[o, i / g, …]` as `[i, o / g, …]` with the kernel turned round.
fn turn(weights: &TensorProto, group: i64) -> Option<TensorProto> {
    let dims: Vec<usize> = weights.dims.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<_>>()?;
    let (&outputs, &inputs) = (dims.first()?, dims.get(1)?);
    let groups = usize::try_from(group).ok().filter(|&groups| groups > 0 && outputs.is_multiple_of(groups))?;
    let kernel: usize = dims.get(2..)?.iter().product();
    let element = DataType::try_from(weights.data_type()).ok()?;
    let values = tensor::floats(weights)?;
    let per_group = outputs / groups;
    let mut turned = Vec::with_capacity(values.len());
    for g in 0..groups {
        for i in 0..inputs {
            for o in 0..per_group {
                let start = ((g * per_group + o) * inputs + i) * kernel;
                turned.extend(values.get(start..start + kernel)?.iter().rev());
            }
        }
    }
    let mut shape = vec![i64::try_from(groups * inputs).ok()?, i64::try_from(per_group).ok()?];
    shape.extend(weights.dims.get(2..)?);
    Some(tensor::of_floats(element, &shape, &turned))
}

/// The gradient of a transposed convolution is the convolution that it transposes.
fn transposed_convolution(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    r.only_first()?;
    let window = Window::of_convolution(&e.facts, r.node).ok_or("its window is not known")?;
    if r.node.ints("output_shape").is_some() {
        return Err("the attribute `output_shape`".to_owned());
    }
    let mut attributes = window.attributes();
    attributes.push(int("group", r.node.int("group", 1)));
    let whole = e.with("Conv", &[r.dy()?, r.input(1)?], attributes);
    // With an output padding of a whole stride or more the convolution reaches further than the input does.
    let rank = e.facts.rank(r.input(0)?).ok_or("its shape is not known")?;
    let axes: Vec<i64> = (2..signed(rank)).collect();
    let ends: Option<Vec<i64>> = (2..rank).map(|axis| e.facts.size(r.input(0).ok()?, axis)).collect();
    let ends = ends.ok_or("the sizes of its images are not known")?;
    Ok(vec![(0, e.slice(&whole, (&vec![0; axes.len()], &ends, &axes)))])
}
