//! Sliding windows of convolutions and pools.

use super::attribute::ints;
use super::dim::Dim;
use super::facts::{Facts, Sizes};
use super::node::Reading;
use crate::proto::{AttributeProto, NodeProto};

/// A window, one entry a spatial axis in each list; padding is explicit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) kernel: Vec<i64>,
    pub(crate) strides: Vec<i64>,
    pub(crate) dilations: Vec<i64>,
    /// Padding before the first and behind the last entry.
    pub(crate) begin: Vec<i64>,
    pub(crate) end: Vec<i64>,
    /// Whether a window may begin inside and end behind the padding.
    pub(crate) ceil: bool,
}

impl Window {
    /// The window of a convolution: the kernel's size is that of the weights where the node does not say it.
    pub(crate) fn of_convolution(facts: &Facts, node: &NodeProto) -> Option<Window> {
        let weights = facts.of_input(node, 1)?.sizes.as_ref()?;
        let kernel: Option<Vec<i64>> = weights.get(2..)?.iter().map(|size| (*size)?.constant()).collect();
        Window::new(facts, node, kernel?)
    }

    /// The window of a pool.
    pub(crate) fn of_pool(facts: &Facts, node: &NodeProto) -> Option<Window> {
        Window::new(facts, node, node.ints("kernel_shape")?.to_vec())
    }

    fn new(facts: &Facts, node: &NodeProto, kernel: Vec<i64>) -> Option<Window> {
        let axes = kernel.len();
        let all = |name: &str, default: i64, least: i64| {
            let values = node.ints(name).filter(|values| !values.is_empty()).map_or_else(|| vec![default; axes], <[i64]>::to_vec);
            (values.len() == axes && values.iter().all(|&value| value >= least)).then_some(values)
        };
        if axes == 0 || axes > 3 || kernel.iter().any(|&size| size < 1) {
            return None;
        }
        let (strides, dilations) = (all("strides", 1, 1)?, all("dilations", 1, 1)?);
        let pads = node.ints("pads").filter(|pads| !pads.is_empty()).map_or_else(|| vec![0; 2 * axes], <[i64]>::to_vec);
        let (begin, end) = pads.split_at_checked(axes)?;
        let mut window =
            Window { kernel, strides, dilations, begin: begin.to_vec(), end: end.to_vec(), ceil: node.int("ceil_mode", 0) != 0 };
        if window.end.len() != axes || pads.iter().any(|&pad| pad < 0) {
            return None;
        }
        match node.text("auto_pad").unwrap_or("NOTSET") {
            "NOTSET" | "" => {}
            "VALID" => (window.begin, window.end) = (vec![0; axes], vec![0; axes]),
            "SAME_UPPER" if node.op_type() != "ConvTranspose" => window.pad_same(facts, node, false)?,
            "SAME_LOWER" if node.op_type() != "ConvTranspose" => window.pad_same(facts, node, true)?,
            _ => return None,
        }
        Some(window)
    }

    /// Padding after which there are `⌈size / stride⌉` windows.
    fn pad_same(&mut self, facts: &Facts, node: &NodeProto, lower: bool) -> Option<()> {
        let x = node.input_name(0)?;
        for axis in 0..self.kernel.len() {
            let (size, stride) = (facts.size(x, axis + 2)?, *self.strides.get(axis)?);
            let windows = size.checked_add(stride - 1)?.checked_div(stride)?;
            let total = windows.checked_sub(1)?.checked_mul(stride)?.checked_add(self.reach(axis)?)?.checked_sub(size)?.max(0);
            let small = total / 2;
            (*self.begin.get_mut(axis)?, *self.end.get_mut(axis)?) = if lower { (total - small, small) } else { (small, total - small) };
        }
        Some(())
    }

    /// From the first entry that a window covers to behind the last.
    pub(crate) fn reach(&self, axis: usize) -> Option<i64> {
        self.kernel.get(axis)?.checked_sub(1)?.checked_mul(*self.dilations.get(axis)?)?.checked_add(1)
    }

    /// How many windows there are along each axis.
    pub(crate) fn outputs(&self, sizes: &[Option<Dim>]) -> Option<Sizes> {
        if sizes.len() != self.kernel.len() {
            return None;
        }
        sizes.iter().enumerate().map(|(axis, size)| Some(Some(Dim::of(self.count(axis, (*size)?.constant()?)?)))).collect()
    }

    /// How many windows there are along an axis of `size` entries.
    pub(crate) fn count(&self, axis: usize, size: i64) -> Option<i64> {
        let (begin, end, stride) = (*self.begin.get(axis)?, *self.end.get(axis)?, *self.strides.get(axis)?);
        let room = size.checked_add(begin)?.checked_add(end)?.checked_sub(self.reach(axis)?)?;
        if room < 0 {
            return None;
        }
        let mut count = room / stride + 1;
        if self.ceil && room % stride != 0 {
            // A window must begin inside the entries or the padding before them.
            count += i64::from(count.checked_mul(stride)? < size.checked_add(begin)?);
        }
        Some(count)
    }

    /// The padding with which a convolution of stride one undoes this one; `None` where it would be negative.
    pub(crate) fn turned_pads(&self) -> Option<Vec<i64>> {
        let turn = |pads: &[i64]| -> Option<Vec<i64>> {
            pads.iter().enumerate().map(|(axis, pad)| self.reach(axis)?.checked_sub(1)?.checked_sub(*pad).filter(|pad| *pad >= 0)).collect()
        };
        Some([turn(&self.begin)?, turn(&self.end)?].concat())
    }

    /// As attributes of a convolution.
    pub(crate) fn attributes(&self) -> Vec<AttributeProto> {
        vec![
            ints("kernel_shape", &self.kernel),
            ints("strides", &self.strides),
            ints("dilations", &self.dilations),
            ints("pads", &[self.begin.as_slice(), &self.end].concat()),
        ]
    }
}
