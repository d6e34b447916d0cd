//! Training batches: which images, in which order, changed how.

use std::borrow::Cow;

use planish_formats::Split;
use planish_nn::Stream;

use crate::augmentation::Augmentation;

/// Images of one step, on the host.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// `[n, c, h, w]`, in `[0,1]`.
    pub images: Vec<f32>,
    /// `[n]`, the true classes.
    pub labels: Vec<u32>,
    /// `[n]`, the images' indices in the official split.
    pub ids: Vec<u32>,
}

impl Batch {
    /// The number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The images in `parts` parts (at least one) of sizes that differ by one at most, in their order.
    #[must_use]
    pub fn parts(&self, parts: usize) -> Cow<'_, [Batch]> {
        let (n, size) = (self.len(), self.images.len() / self.len().max(1));
        let parts = parts.clamp(1, n.max(1));
        if parts == 1 {
            return Cow::Borrowed(std::slice::from_ref(self));
        }
        let bounds = (0..parts).map(|part| part * n / parts..(part + 1) * n / parts);
        let of = |range: std::ops::Range<usize>| Batch {
            images: self.images.get(range.start * size..range.end * size).unwrap_or_default().to_vec(),
            labels: self.labels.get(range.clone()).unwrap_or_default().to_vec(),
            ids: self.ids.get(range).unwrap_or_default().to_vec(),
        };
        bounds.map(of).collect()
    }
}

/// How a split is cut into batches.
///
/// Every epoch has its own order, keyed by (seed, epoch). The images that are left over after the last whole batch sit that epoch out
/// (batch statistics of a handful of images are poor ones); a split smaller than a batch is one batch.
#[derive(Clone, Copy, Debug)]
pub struct Batches<'a> {
    split: &'a Split,
    augmentation: Augmentation,
    seed: u64,
    size: usize,
}

impl<'a> Batches<'a> {
    /// Batches of `size` images of `split`, which holds at least one.
    #[must_use]
    pub fn new(split: &'a Split, augmentation: Augmentation, seed: u64, size: usize) -> Self {
        Batches { split, augmentation, seed, size: size.clamp(1, split.len().max(1)) }
    }

    /// How many batches an epoch has.
    #[must_use]
    pub fn per_epoch(&self) -> u64 {
        (self.split.len() / self.size) as u64
    }

    /// How many images an epoch uses.
    #[must_use]
    pub fn images_per_epoch(&self) -> u64 {
        self.per_epoch() * self.size as u64
    }

    /// The batches of epoch `epoch` (from 1), made one at a time.
    pub fn epoch(self, epoch: u32) -> impl Iterator<Item = Batch> + use<'a> {
        let mut order: Vec<usize> = (0..self.split.len()).collect();
        Stream::new(self.seed, "data order", &[u64::from(epoch)]).shuffle(&mut order);
        (0..self.per_epoch() as usize).map(move |index| {
            let rows = order.iter().skip(index * self.size).take(self.size);
            self.batch(rows, epoch)
        })
    }

    fn batch<'r>(&self, rows: impl Iterator<Item = &'r usize>, epoch: u32) -> Batch {
        let mut batch = Batch::default();
        for &row in rows {
            let (Some(&label), Some(&id)) = (self.split.labels.get(row), self.split.ids.get(row)) else { continue };
            self.augmentation.append(self.split.image(row), self.split.shape, (self.seed, epoch, id), &mut batch.images);
            batch.labels.push(label);
            batch.ids.push(id);
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(n: u32) -> Split {
        Split {
            shape: [1, 2, 2],
            images: (0..n).flat_map(|i| [i as u8; 4]).collect(),
            labels: (0..n).map(|i| i % 3).collect(),
            ids: (0..n).map(|i| 100 + i).collect(),
        }
    }

    #[test]
    fn an_epoch_uses_every_image_at_most_once_and_images_stay_with_their_labels() {
        let split = split(23);
        let batches = Batches::new(&split, Augmentation::NONE, 5, 4);
        let all: Vec<Batch> = batches.epoch(1).collect();
        assert_eq!((all.len() as u64, batches.per_epoch(), batches.images_per_epoch()), (5, 5, 20));
        let mut seen = Vec::new();
        for batch in &all {
            assert_eq!((batch.len(), batch.images.len()), (4, 16));
            for ((id, label), image) in batch.ids.iter().zip(&batch.labels).zip(batch.images.chunks_exact(4)) {
                assert_eq!(*label, (id - 100) % 3);
                assert!(image.iter().all(|pixel| (pixel * 255.0 - (id - 100) as f32).abs() < 1e-4));
                seen.push(*id);
            }
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 20);
    }

    #[test]
    fn orders_differ_between_epochs_and_seeds_and_repeat_otherwise() {
        let split = split(20);
        let ids =
            |seed, epoch| -> Vec<u32> { Batches::new(&split, Augmentation::NONE, seed, 5).epoch(epoch).flat_map(|b| b.ids).collect() };
        assert_eq!(ids(1, 1), ids(1, 1));
        assert_ne!(ids(1, 1), ids(1, 2));
        assert_ne!(ids(1, 1), ids(2, 1));
    }

    #[test]
    fn parts_are_the_batch_in_pieces() {
        let split = split(7);
        let batch = Batches::new(&split, Augmentation::NONE, 1, 7).epoch(1).next().unwrap();
        let parts = batch.parts(3);
        assert_eq!(parts.iter().map(Batch::len).collect::<Vec<_>>(), [2, 2, 3]);
        assert_eq!(parts.iter().flat_map(|part| part.ids.clone()).collect::<Vec<_>>(), batch.ids);
        assert_eq!(parts.iter().flat_map(|part| part.images.clone()).collect::<Vec<_>>(), batch.images);
        assert_eq!(batch.parts(1)[0].images, batch.images);
    }

    #[test]
    fn a_split_smaller_than_a_batch_is_one_batch() {
        let split = split(3);
        let batches = Batches::new(&split, Augmentation::NONE, 1, 64);
        assert_eq!(batches.epoch(1).map(|b| b.len()).collect::<Vec<_>>(), [3]);
    }
}
