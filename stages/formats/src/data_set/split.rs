//! The images of a data set that belong together.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::Pixels;

/// Which part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SplitName {
    /// What networks are trained on.
    Train,
    /// What choices are made on; taken out of the official training split.
    Validation,
    /// What results are reported on; never used for anything else.
    Test,
}

impl SplitName {
    /// All of them.
    pub const ALL: [SplitName; 3] = [SplitName::Train, SplitName::Validation, SplitName::Test];

    /// The name, as in TOML and in file names.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SplitName::Train => "train",
            SplitName::Validation => "validation",
            SplitName::Test => "test",
        }
    }
}

impl std::fmt::Display for SplitName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Images with their labels, in a fixed order of which every prefix is a selection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// The images `[n, c, h, w]`, 0 to 255; those of a split that was read lie in its file.
    pub images: Pixels,
    /// The class of each image.
    pub labels: Vec<u32>,
    /// The index of each image in its official split.
    pub ids: Vec<u32>,
}

impl Split {
    /// How many images there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The number of values of an image: c · h · w.
    #[must_use]
    pub fn image_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Image `index` `[c, h, w]`, 0 to 255; empty when there is no such image.
    #[must_use]
    pub fn image(&self, index: usize) -> &[u8] {
        self.images.within(self.bytes_of(&(index..index.saturating_add(1)))).unwrap_or_default()
    }

    /// The first `n` images, or all when there are fewer.
    #[must_use]
    pub fn first(&self, n: usize) -> Split {
        let n = n.min(self.len());
        Split {
            shape: self.shape,
            images: self.images.first(n.saturating_mul(self.image_len())),
            labels: self.labels.iter().take(n).copied().collect(),
            ids: self.ids.iter().take(n).copied().collect(),
        }
    }

    /// The images of `range` `[n, c, h, w]` as floats in `[0,1]`; empty when the range is not within the split.
    #[must_use]
    pub fn pixels(&self, range: Range<usize>) -> Vec<f32> {
        let bytes = self.values_of(&range).unwrap_or_default();
        bytes.iter().map(|&value| f32::from(value) / 255.0).collect()
    }

    /// The images of `rows` `[n, c, h, w]`, 0 to 255; `None` when there are fewer.
    #[must_use]
    pub fn values_of(&self, rows: &Range<usize>) -> Option<Cow<'_, [u8]>> {
        self.images.get(self.bytes_of(rows))
    }

    /// The images of several files, in their order; `None` unless all files but the last hold equally many, and the last no more.
    pub(super) fn joined(shape: [usize; 3], files: Vec<Split>) -> Option<Split> {
        let labels = files.iter().flat_map(|file| &file.labels).copied().collect();
        let ids = files.iter().flat_map(|file| &file.ids).copied().collect();
        let images = Pixels::joined(files.into_iter().map(|file| file.images))?;
        Some(Split { shape, images, labels, ids })
    }

    /// Where the values of some images are.
    fn bytes_of(&self, rows: &Range<usize>) -> Range<usize> {
        let len = self.image_len();
        rows.start.saturating_mul(len)..rows.end.saturating_mul(len)
    }
}
