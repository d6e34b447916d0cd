//! The sizes of one convolution.

/// A convolution of images laid out `[height, width, channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Height and width of an input image.
    pub(crate) size: [usize; 2],
    /// Input channels.
    pub(crate) channels: usize,
    /// Output channels.
    pub(crate) filters: usize,
    /// Height and width of the kernel.
    pub(crate) kernel: usize,
    /// Step in both directions.
    pub(crate) stride: usize,
    /// Zeros added on each side.
    pub(crate) padding: usize,
}

impl Geometry {
    /// Height and width of an output image.
    pub(crate) fn output(&self) -> [usize; 2] {
        self.size.map(|side| (side + 2 * self.padding - self.kernel) / self.stride + 1)
    }

    /// Positions in an output image.
    pub(crate) fn positions(&self) -> usize {
        self.output().iter().product()
    }

    /// Numbers in an input image.
    pub(crate) fn input_len(&self) -> usize {
        self.size.iter().product::<usize>() * self.channels
    }

    /// Numbers in an output image.
    pub(crate) fn output_len(&self) -> usize {
        self.positions() * self.filters
    }

    /// Numbers in the part of one kernel row that lies next to each other in an image: (column, channel).
    pub(crate) fn run(&self) -> usize {
        self.kernel * self.channels
    }

    /// Numbers in one row of a padded image.
    pub(crate) fn padded_row(&self) -> usize {
        (self.size[1] + 2 * self.padding) * self.channels
    }

    /// Numbers in a padded image.
    pub(crate) fn padded_len(&self) -> usize {
        (self.size[0] + 2 * self.padding) * self.padded_row()
    }

    /// Where the kernel's first number lies in a padded image, for every output position.
    pub(crate) fn bases(&self) -> Vec<usize> {
        let [height, width] = self.output();
        let (row, column) = (self.stride * self.padded_row(), self.stride * self.channels);
        (0..height).flat_map(|y| (0..width).map(move |x| y * row + x * column)).collect()
    }

    /// Whether each output position depends on one input position: then rows of numbers are multiplied by a matrix.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == 0
    }

    /// The geometry of the gradient with respect to the input when the stride is 1: a convolution of the output's gradient.
    pub(crate) fn transposed(&self) -> Geometry {
        Geometry { size: self.output(), channels: self.filters, filters: self.channels, padding: self.kernel - 1 - self.padding, ..*self }
    }

    /// Copies an image into the middle of `padded`, whose border is zero already.
    pub(crate) fn pad(&self, image: &[f32], padded: &mut [f32]) {
        let (row, offset) = (self.size[1] * self.channels, self.padding * self.channels);
        let rows = padded.chunks_exact_mut(self.padded_row()).skip(self.padding);
        for (from, to) in image.chunks_exact(row).zip(rows) {
            to[offset..offset + row].copy_from_slice(from);
        }
    }

    /// Copies the middle of `padded` into `image`.
    pub(crate) fn unpad(&self, padded: &[f32], image: &mut [f32]) {
        let (row, offset) = (self.size[1] * self.channels, self.padding * self.channels);
        let rows = padded.chunks_exact(self.padded_row()).skip(self.padding);
        for (to, from) in image.chunks_exact_mut(row).zip(rows) {
            to.copy_from_slice(&from[offset..offset + row]);
        }
    }
}
