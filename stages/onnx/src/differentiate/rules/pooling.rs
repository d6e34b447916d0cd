//! Pools.

use super::convolution::output_padding;
use super::{Operator, Reverse, operator};
use crate::differentiate::attribute::{int, text};
use crate::differentiate::dim::Dim;
use crate::differentiate::emitter::{Emitter, Reason};
use crate::differentiate::facts::{Fact, Facts, Sizes};
use crate::differentiate::node::Reading;
use crate::differentiate::tensor;
use crate::differentiate::window::Window;
use crate::proto::NodeProto;

type Gradients = Result<Vec<(usize, String)>, Reason>;

pub(super) const OPERATORS: &[Operator] = &[
    operator("MaxPool", pooled, max_pool),
    operator("AveragePool", pooled, average_pool),
    operator("GlobalAveragePool", pooled_to_one, |e, r| {
        let (x, axes) = spatial(e, r)?;
        let count = axes.iter().try_fold(1.0, |count, &axis| Some(count * e.facts.size(&x, axis)? as f64));
        let share = e.number(&x, 1.0 / count.ok_or("the sizes of its images are not known")?);
        let scaled = e.op("Mul", &[r.dy()?, &share]);
        Ok(vec![(0, e.spread(&scaled, &x, &axes))])
    }),
    operator("GlobalMaxPool", pooled_to_one, |e, r| {
        let (x, axes) = spatial(e, r)?;
        Ok(vec![(0, super::reduction::share_among_equal(e, (&x, r.output()?), r.dy()?, &axes))])
    }),
];

fn spatial(e: &Emitter, r: &Reverse<'_>) -> Result<(String, Vec<usize>), Reason> {
    let x = r.input(0)?.to_owned();
    let rank = e.facts.rank(&x).ok_or("its shape is not known")?;
    Ok((x, (2..rank).collect()))
}

fn pooled(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let x = facts.of_input(node, 0)?;
    let sizes = x.sizes.as_ref()?;
    let mut shape: Sizes = sizes.get(..2)?.to_vec();
    shape.extend(Window::of_pool(facts, node)?.outputs(sizes.get(2..)?)?);
    let indices = Fact::new(crate::proto::tensor_proto::DataType::Int64, Some(shape.clone()));
    Some(vec![Fact::new(x.element, Some(shape)), indices])
}

fn pooled_to_one(facts: &Facts, node: &NodeProto) -> Option<Vec<Fact>> {
    let x = facts.of_input(node, 0)?;
    let one = Some(Dim::of(1));
    let sizes = x.sizes.as_ref()?.iter().enumerate().map(|(axis, size)| if axis < 2 { *size } else { one }).collect();
    Some(vec![Fact::new(x.element, Some(sizes))])
}

/// Each gradient goes to the entry that was the largest of its window; the pool's second output says which one that is.
fn max_pool(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    if r.node.int("storage_order", 0) != 0 {
        return Err("the attribute `storage_order`".to_owned());
    }
    let x = r.input(0)?;
    let indices = e.output(r.node, 1);
    let one_axis = e.list(&[-1]);
    let flat_indices = e.op("Reshape", &[&indices, &one_axis]);
    let flat = e.op("Reshape", &[r.dy()?, &one_axis]);
    let shape = e.shape_of(x);
    let count = e.with("ReduceProd", &[&shape], vec![int("keepdims", 1)]);
    let element = e.facts.element(x);
    let zeros = e.zeros_of_shape(&count, element);
    let scattered = e.with("ScatterElements", &[&zeros, &flat_indices, &flat], vec![int("axis", 0), text("reduction", "add")]);
    Ok(vec![(0, e.reshape_like(&scattered, x))])
}

/// A transposed convolution of each channel with the weights of the mean. Windows that hang over the edge divide by the number of
/// entries that they cover.
fn average_pool(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    let (x, y) = (r.input(0)?, r.output()?);
    let unknown = "the sizes of its images are not known";
    let mut window = Window::of_pool(&e.facts, r.node).ok_or("its window is not known")?;
    let (axes, channels) = (window.kernel.len(), e.facts.size(x, 1).ok_or(unknown)?);
    let inputs: Vec<i64> = (0..axes).map(|axis| e.facts.size(x, axis + 2)).collect::<Option<_>>().ok_or(unknown)?;
    let outputs: Vec<i64> = (0..axes).map(|axis| e.facts.size(y, axis + 2)).collect::<Option<_>>().ok_or(unknown)?;
    let padded = r.node.int("count_include_pad", 0) != 0;
    let counts = (0..axes).map(|axis| covered(&window, axis, (at(&inputs, axis), at(&outputs, axis)), padded));
    let counts: Vec<Vec<i64>> = counts.collect::<Option<_>>().ok_or(TOO_LARGE)?;
    let shares = shares(&counts).ok_or("it has a window that covers nothing, or too many windows")?;
    let element = e.facts.element(y);
    let scale = e.constant(tensor::of_floats(element, &[&[1, 1], outputs.as_slice()].concat(), &shares));
    let scaled = e.op("Mul", &[r.dy()?, &scale]);
    let kernel = window.kernel.iter().try_fold(1_i64, |product, &size| product.checked_mul(size)).ok_or(TOO_LARGE)?;
    let ones = usize::try_from(channels.checked_mul(kernel).filter(|count| *count < MOST).ok_or(TOO_LARGE)?).map_err(|_| unknown)?;
    let weights = e.constant(tensor::of_floats(element, &[&[channels, 1], window.kernel.as_slice()].concat(), &vec![1.0; ones]));
    window.hang_over(&inputs, &outputs).ok_or(unknown)?;
    let mut attributes = window.attributes();
    attributes.push(int("group", channels));
    attributes.push(output_padding(&e.facts, &window, (x, y))?);
    Ok(vec![(0, e.with("ConvTranspose", &[&scaled, &weights], attributes))])
}

fn at(values: &[i64], axis: usize) -> i64 {
    values.get(axis).copied().unwrap_or(0)
}

/// The most weights of a window over all channels, windows, and entries that windows along an axis cover, that are looked at.
const MOST: i64 = 1 << 22;
const TOO_LARGE: &str = "its windows are too large";

/// How many entries each window along `axis` covers, with or without padding.
fn covered(window: &Window, axis: usize, (input, outputs): (i64, i64), padded: bool) -> Option<Vec<i64>> {
    at(&window.kernel, axis).checked_mul(outputs).filter(|entries| *entries <= MOST)?;
    let (begin, end) = (at(&window.begin, axis), at(&window.end, axis));
    let (low, high) = if padded { (-begin, input.saturating_add(end)) } else { (0, input) };
    let windows = (0..outputs).map(|window_index| {
        let first = window_index.saturating_mul(at(&window.strides, axis)) - begin;
        let entry = |k: i64| first.saturating_add(k.saturating_mul(at(&window.dilations, axis)));
        tensor::signed((0..at(&window.kernel, axis)).filter(|&k| (low..high).contains(&entry(k))).count())
    });
    Some(windows.collect())
}

/// One over the number of covered entries of each window.
fn shares(counts: &[Vec<i64>]) -> Option<Vec<f64>> {
    let total = counts.iter().try_fold(1usize, |total, counts| total.checked_mul(counts.len()))?;
    if tensor::signed(total) > MOST {
        return None;
    }
    let products = counts.iter().fold(vec![1_i64], |products, counts| {
        products.iter().flat_map(|product| counts.iter().map(move |count| product.saturating_mul(*count))).collect()
    });
    products.into_iter().map(|count| (count > 0).then(|| 1.0 / count as f64)).collect()
}

impl Window {
    /// Makes the padding behind reach as far as the last window does.
    fn hang_over(&mut self, inputs: &[i64], outputs: &[i64]) -> Option<()> {
        for axis in 0..self.kernel.len() {
            let last = at(outputs, axis).checked_sub(1)?.checked_mul(at(&self.strides, axis))?.checked_add(self.reach(axis)?)?;
            let over = last.checked_sub(at(inputs, axis))?.checked_sub(at(&self.begin, axis))?;
            let end = self.end.get_mut(axis)?;
            *end = (*end).max(over);
        }
        Some(())
    }
}
