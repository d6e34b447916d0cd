//! Weights in the order in which the tiles read them.

/// A matrix `[depth, columns]` cut into panels of a few vector registers' width, each row by row; the last
/// panels are filled up with zeros.
pub(crate) struct Panels {
    values: Vec<f32>,
    depth: usize,
    columns: usize,
    lanes: usize,
}

/// One panel.
pub(crate) struct Panel<'a> {
    /// `[depth, registers · lanes]`.
    pub(crate) values: &'a [f32],
    /// The first column.
    pub(crate) first: usize,
    /// How many columns are not filling.
    pub(crate) valid: usize,
    /// How many registers wide it is: 1 or 2.
    pub(crate) registers: usize,
}

/// (first column, registers) of every panel.
pub(crate) fn panel_starts(columns: usize, lanes: usize) -> impl Iterator<Item = (usize, usize)> {
    let vectors = columns.div_ceil(lanes);
    (0..vectors).step_by(2).map(move |vector| (vector * lanes, (vectors - vector).min(2)))
}

impl Panels {
    /// Packs the matrix whose entry at (depth, column) is `entry(depth, column)`.
    pub(crate) fn new(depth: usize, columns: usize, lanes: usize, entry: impl Fn(usize, usize) -> f32) -> Self {
        let mut values = Vec::with_capacity(depth * columns.next_multiple_of(lanes));
        for (first, registers) in panel_starts(columns, lanes) {
            for row in 0..depth {
                values.extend((first..first + registers * lanes).map(|column| if column < columns { entry(row, column) } else { 0.0 }));
            }
        }
        Panels { values, depth, columns, lanes }
    }

    /// The columns of the matrix.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// All panels.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Panel<'_>> {
        panel_starts(self.columns, self.lanes).map(|(first, registers)| Panel {
            values: &self.values[first * self.depth..(first + registers * self.lanes) * self.depth],
            first,
            valid: (self.columns - first).min(registers * self.lanes),
            registers,
        })
    }
}

/// A kernel `[f, c, k, k]` as the matrix [(row, column, channel), filter] that a forward pass multiplies by.
pub(crate) fn forward(weight: &[f32], [filters, channels, kernel]: [usize; 3], lanes: usize) -> Panels {
    let area = kernel * kernel;
    Panels::new(area * channels, filters, lanes, |depth, filter| {
        let (tap, channel) = (depth / channels, depth % channels);
        weight[(filter * channels + channel) * area + tap]
    })
}

/// The matrix [(row, column, filter), channel] of the turned kernel: the gradient with respect to the input of a convolution of stride 1.
pub(crate) fn turned(weight: &[f32], [filters, channels, kernel]: [usize; 3], lanes: usize) -> Panels {
    let area = kernel * kernel;
    Panels::new(area * filters, channels, lanes, |depth, channel| {
        let (tap, filter) = (depth / filters, depth % filters);
        weight[(filter * channels + channel) * area + area - 1 - tap]
    })
}

/// The matrix [filter, (row, column, channel)]: what an output position's gradient is spread by.
pub(crate) fn spread(weight: &[f32], [filters, channels, kernel]: [usize; 3], lanes: usize) -> Panels {
    let area = kernel * kernel;
    Panels::new(filters, area * channels, lanes, |filter, column| {
        let (tap, channel) = (column / channels, column % channels);
        weight[(filter * channels + channel) * area + tap]
    })
}
