//! The images that are held out of the training, and what measures on them share.

use std::ops::Range;

use burn::tensor::Tensor;
use planish_contract::Failure;
use planish_formats::Split;
use planish_nn::{Ball, Device, Network};

use crate::ascent::{Start, StartKey};
use crate::objective::to_host;

/// What networks are measured on along a training.
pub(crate) struct HeldOut<'a> {
    /// The validation split; at least one image.
    pub(crate) split: &'a Split,
    /// The network.
    pub(crate) network: &'a Network,
    /// The full ball.
    pub(crate) ball: Ball,
    /// The training's seed.
    pub(crate) seed: u64,
    /// Images in a pass.
    pub(crate) batch_size: usize,
    /// Where tensors live, with automatic differentiation.
    pub(crate) device: &'a Device,
}

impl<'a> HeldOut<'a> {
    /// The first `images` images, as many at a time as go through the network together.
    pub(crate) fn rows(&self, images: usize) -> impl Iterator<Item = Rows<'a>> + use<'a> {
        let (split, size) = (self.split, self.batch_size.max(1));
        (0..images).step_by(size).map(move |start| Rows::of(split, start..images.min(start + size)))
    }

    /// Where a search begins, the same each time for a `purpose`.
    pub(crate) fn start(&self, rows: &Rows<'_>, purpose: &'static str) -> Vec<f32> {
        Start::Uniform.images(&rows.images, rows.ids, &self.ball, &StartKey { seed: self.seed, purpose, epoch: 0 })
    }
}

/// How many images are right both before an attack and after it.
pub(crate) fn in_both(before: &[bool], after: &[bool]) -> usize {
    before.iter().zip(after).filter(|(before, after)| **before && **after).count()
}

/// Some images of a split.
pub(crate) struct Rows<'a> {
    /// `[n, c, h, w]`, in `[0,1]`.
    pub(crate) images: Vec<f32>,
    /// The true classes, `[n]`.
    pub(crate) labels: &'a [u32],
    /// The images' indices in the official split, `[n]`.
    pub(crate) ids: &'a [u32],
}

impl<'a> Rows<'a> {
    /// The images of `range`, which lies within `split`.
    fn of(split: &'a Split, range: Range<usize>) -> Self {
        let labels = split.labels.get(range.clone()).unwrap_or_default();
        let ids = split.ids.get(range.clone()).unwrap_or_default();
        Rows { images: split.pixels(range), labels, ids }
    }

    /// The images and how many there are.
    pub(crate) fn original(&self) -> (&[f32], usize) {
        (&self.images, self.ids.len())
    }
}

/// Whether each row of the logits `[n, classes]` is largest at its label; of equal logits the first counts.
///
/// # Errors
/// [`Failure::Internal`] when the device does not give the numbers back.
pub(crate) fn correct(logits: Tensor<2>, labels: &[u32]) -> Result<Vec<bool>, Failure> {
    let classes = logits.dims()[1];
    let values = to_host(logits)?;
    let right = values.chunks_exact(classes.max(1)).zip(labels).map(|(row, label)| {
        let largest = row
            .iter()
            .enumerate()
            .fold((0, f32::NEG_INFINITY), |best, (class, value)| if *value > best.1 { (class, *value) } else { best });
        largest.0 == *label as usize
    });
    Ok(right.collect())
}
