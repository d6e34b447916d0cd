//! Squares of a perturbation, in each norm.

use planish_formats::Norm;
use planish_nn::{Ball, Stream};

use crate::search::slice;

/// The geometry of an image and of its threat model.
pub(super) struct Windows {
    pub(super) norm: Norm,
    pub(super) eps: f32,
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

/// A window: its corner and its side.
#[derive(Clone, Copy)]
struct Window {
    top: usize,
    left: usize,
    side: usize,
}

impl Windows {
    fn area(&self) -> usize {
        self.height * self.width
    }

    fn at(&self, channel: usize, row: usize, column: usize) -> usize {
        (channel * self.height + row) * self.width + column
    }

    /// Where the search starts. L∞: vertical stripes of ±ε; otherwise a tiling of small bumps at distance ε.
    pub(super) fn start(&self, ball: Ball, stream: &mut Stream, original: &[f32]) -> Vec<f32> {
        let mut change = vec![0.0; original.len()];
        if self.norm == Norm::Linf {
            for channel in 0..self.channels {
                for column in 0..self.width {
                    let value = self.eps * sign(stream);
                    for row in 0..self.height {
                        set(&mut change, self.at(channel, row, column), value);
                    }
                }
            }
        } else {
            let side = (self.height / 5).max(1);
            let margin = self.height.saturating_sub(side * 5) / 2;
            for down in 0..self.height / side {
                for across in 0..self.width / side {
                    let window = Window { top: margin + down * side, left: margin + across * side, side };
                    self.add_bump(stream, window, &mut change);
                }
            }
        }
        self.place(ball, original, &change)
    }

    /// The perturbation of `kept` with a square that covers `share` of the image replaced; never further than ε from the original.
    pub(super) fn replace(&self, ball: Ball, stream: &mut Stream, (original, kept): (&[f32], &[f32]), share: f64) -> Vec<f32> {
        let side = (share * self.area() as f64).sqrt();
        let most = self.height.min(self.width);
        if self.norm == Norm::Linf {
            let window = self.window(stream, (round(side) as usize).max(1).min(most));
            return self.recolour(ball, stream, (original, kept), window);
        }
        let side = (round(side) as usize).max(3);
        // Bumps have a centre.
        let side = if side.is_multiple_of(2) { side + 1 } else { side }.min(most);
        let (here, there) = (self.window(stream, side), self.window(stream, side));
        let mut change: Vec<f32> = kept.iter().zip(original).map(|(a, x)| a - x).collect();
        let signs: Vec<f32> = (0..self.channels).map(|_| sign(stream)).collect();
        let bump = self.bump(stream, side);
        let left = self.left_over(&change);
        for (channel, sign) in signs.into_iter().enumerate() {
            self.move_weight(&mut change, (here, there), (channel, sign, &bump), left);
        }
        self.place(ball, original, &change)
    }

    /// L∞: the square of `kept` moves by ±2ε, one sign a channel, and is clipped to ±ε.
    fn recolour(&self, ball: Ball, stream: &mut Stream, (original, kept): (&[f32], &[f32]), window: Window) -> Vec<f32> {
        let mut image = kept.to_vec();
        for channel in 0..self.channels {
            let value = 2.0 * self.eps * sign(stream);
            for row in window.top..(window.top + window.side).min(self.height) {
                // Outside the square everything is where it was.
                let start = self.at(channel, row, window.left);
                let cells = start..start + window.side.min(self.width - window.left);
                if let (Some(moved), Some(original)) = (image.get_mut(cells.clone()), original.get(cells)) {
                    for pixel in moved.iter_mut() {
                        *pixel += value;
                    }
                    ball.project(moved, original);
                }
            }
        }
        image
    }

    /// A corner drawn uniformly; as in the official code the last row and column of corners are never drawn.
    fn window(&self, stream: &mut Stream, side: usize) -> Window {
        let mut corner = |length: usize| stream.below(length.saturating_sub(side) as u64) as usize;
        Window { top: corner(self.height), left: corner(self.width), side }
    }

    fn cells(&self, channel: usize, window: Window) -> impl Iterator<Item = usize> + '_ {
        let rows = window.top..(window.top + window.side).min(self.height);
        let columns = window.left..(window.left + window.side).min(self.width);
        rows.flat_map(move |row| columns.clone().map(move |column| self.at(channel, row, column)))
    }

    /// What is left of the radius, in the norm's own measure (ε² − ‖δ‖² or ε − ‖δ‖₁), for one channel.
    fn left_over(&self, change: &[f32]) -> f64 {
        let (eps, used) = (self.measure(&[self.eps]), self.measure(change));
        (eps - used).max(0.0) / self.channels.max(1) as f64
    }

    /// Σ d² in L2, Σ |d| in L1.
    fn measure(&self, values: &[f32]) -> f64 {
        values.iter().map(|&v| self.weight(f64::from(v))).sum()
    }

    fn weight(&self, value: f64) -> f64 {
        if self.norm == Norm::L2 { value * value } else { value.abs() }
    }

    /// In one channel: the perturbation of both windows is taken away, and a bump mixed with the old content of the first is put into it, with
    /// as much weight as both had and what is left over.
    fn move_weight(&self, change: &mut [f32], (here, there): (Window, Window), (channel, sign, bump): (usize, f32, &[f32]), left: f64) {
        let values = |change: &[f32], cells: &[usize]| -> Vec<f32> { cells.iter().filter_map(|&at| change.get(at).copied()).collect() };
        let (first, second): (Vec<usize>, Vec<usize>) = (self.cells(channel, here).collect(), self.cells(channel, there).collect());
        let mut both: Vec<usize> = first.iter().chain(&second).copied().collect();
        both.sort_unstable();
        both.dedup();
        let (in_both, old) = (self.measure(&values(change, &both)), values(change, &first));
        let old_norm = self.root(self.measure(&old));
        let mixed: Vec<f64> =
            old.iter().zip(bump).map(|(old, bump)| f64::from(sign * bump) + f64::from(*old) / (1e-12 + old_norm)).collect();
        let mixed_norm = self.root(mixed.iter().map(|v| self.weight(*v)).sum());
        // The official code multiplies the weight by the number of channels in L1, and leaves the excess to the projection.
        let total = if self.norm == Norm::L2 { (left + in_both).sqrt() } else { (left + in_both) * self.channels as f64 };
        for &at in &second {
            set(change, at, 0.0);
        }
        for (&at, value) in first.iter().zip(mixed) {
            set(change, at, (value / (1e-12 + mixed_norm) * total) as f32);
        }
    }

    fn root(&self, measure: f64) -> f64 {
        if self.norm == Norm::L2 { measure.sqrt() } else { measure }
    }

    /// The image at `change`: in L2 stretched to distance ε, in L1 projected; then clipped to `[0,1]`.
    fn place(&self, ball: Ball, original: &[f32], change: &[f32]) -> Vec<f32> {
        let factor = if self.norm == Norm::L2 { f64::from(self.eps) / (self.root(self.measure(change)) + 1e-12) } else { 1.0 };
        let mut image: Vec<f32> = original.iter().zip(change).map(|(x, d)| (f64::from(*x) + f64::from(*d) * factor) as f32).collect();
        ball.project(&mut image, original);
        image
    }

    fn add_bump(&self, stream: &mut Stream, window: Window, change: &mut [f32]) {
        let bump = self.bump(stream, window.side);
        for channel in 0..self.channels {
            let sign = sign(stream);
            // At the border of an image that is not square a bump is cut off.
            for (at, row) in (window.top..window.top + window.side).enumerate().filter(|(_, row)| *row < self.height) {
                let columns = window.left..(window.left + window.side).min(self.width);
                for (column, value) in columns.zip(slice(&bump, at, window.side)) {
                    add(change, self.at(channel, row, column), sign * value);
                }
            }
        }
    }

    /// A positive and a negative pyramid beside each other, of norm 1, lying or standing by chance: `[side, side]`.
    fn bump(&self, stream: &mut Stream, side: usize) -> Vec<f32> {
        let (upper, lower) = (self.pyramid(side / 2, side), self.pyramid(side - side / 2, side));
        let mut bump: Vec<f64> = upper.into_iter().chain(lower.into_iter().map(|v| -v)).collect();
        let length = self.root(bump.iter().map(|v| self.weight(*v)).sum()).max(f64::MIN_POSITIVE);
        for value in &mut bump {
            *value /= length;
        }
        let transposed = stream.uniform(0.0, 1.0) > 0.5;
        let value = |at: usize| {
            let (row, column) = (at / side, at % side);
            bump.get(if transposed { column * side + row } else { at }).copied().unwrap_or_default() as f32
        };
        (0..side * side).map(value).collect()
    }

    /// A pyramid over `[rows, columns]` of norm 1: nested rectangles whose heights fall with the square (L2) or fourth power (L1) of their number.
    fn pyramid(&self, rows: usize, columns: usize) -> Vec<f64> {
        let power = if self.norm == Norm::L2 { 2 } else { 4 };
        let mut values = vec![0.0; rows * columns];
        let (top, left) = (rows / 2, columns / 2);
        for number in 0..(rows / 2 + 1).max(columns / 2 + 1) {
            let height = 1.0 / ((number + 1) as f64).powi(power);
            for row in top.saturating_sub(number)..(top + number + 1).min(rows) {
                for column in left.saturating_sub(number)..(left + number + 1).min(columns) {
                    if let Some(value) = values.get_mut(row * columns + column) {
                        *value += height;
                    }
                }
            }
        }
        let length = self.root(values.iter().map(|v| self.weight(*v)).sum());
        if length > 0.0 {
            for value in &mut values {
                *value /= length;
            }
        }
        values
    }
}

/// Half to even, as Python does.
fn round(value: f64) -> f64 {
    value.round_ties_even()
}

fn sign(stream: &mut Stream) -> f32 {
    if stream.below(2) == 0 { -1.0 } else { 1.0 }
}

fn set(values: &mut [f32], at: usize, value: f32) {
    if let Some(entry) = values.get_mut(at) {
        *entry = value;
    }
}

fn add(values: &mut [f32], at: usize, value: f32) {
    if let Some(entry) = values.get_mut(at) {
        *entry += value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pyramids_are_those_of_the_official_code() {
        // eta_rectangles(2, 3) of square.py in L2, before and after normalisation: heights 1, then 1/4.
        let windows = Windows { norm: Norm::L2, eps: 1.0, channels: 1, height: 8, width: 8 };
        let raw = [0.25, 0.25, 0.25, 0.25, 1.25, 0.25];
        let length = raw.iter().map(|v: &f64| v * v).sum::<f64>().sqrt();
        for (found, expected) in windows.pyramid(2, 3).iter().zip(raw) {
            assert!((found - expected / length).abs() < 1e-12);
        }
        let bump = windows.bump(&mut Stream::new(1, "bump", &[]), 5);
        assert!((bump.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-5);
        assert!(bump.iter().sum::<f32>().abs() < 1.0 && bump.iter().any(|v| *v > 0.0) && bump.iter().any(|v| *v < 0.0));
    }

    #[test]
    fn what_is_tried_lies_within_the_threat_model() {
        for (norm, eps) in [(Norm::Linf, 0.1), (Norm::L2, 0.5), (Norm::L1, 4.0)] {
            let ball = Ball::new(norm, eps);
            let mut stream = Stream::new(2, "tries", &[]);
            for (height, width) in [(8, 8), (4, 4), (9, 6), (3, 3), (1, 5)] {
                let windows = Windows { norm, eps: ball.eps, channels: 2, height, width };
                let original: Vec<f32> = (0..2 * height * width).map(|_| stream.uniform(0.0, 1.0)).collect();
                let mut kept = windows.start(ball, &mut stream, &original);
                for share in [0.8, 0.4, 0.1, 0.01] {
                    assert!(ball.distance(&kept, &original) <= eps && kept.iter().all(|v| (0.0..=1.0).contains(v)), "{norm}");
                    kept = windows.replace(ball, &mut stream, (&original, &kept), share);
                }
                assert!(kept != original, "{norm} {height} {width}");
            }
        }
    }
}
