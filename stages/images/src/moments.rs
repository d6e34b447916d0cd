//! Mean and standard deviation of each channel, summed up exactly, so that the order does not matter.

/// Sums over images.
pub(crate) struct Moments {
    /// Pixels of an image.
    area: usize,
    /// How many images.
    images: usize,
    /// The values and their squares, a pair a channel; 2^64 holds 2^48 squares of bytes.
    sums: Vec<(u64, u64)>,
}

impl Moments {
    /// Of no images yet, of shape `[c, h, w]`.
    pub(crate) fn of([channels, height, width]: [usize; 3]) -> Self {
        Moments { area: (height * width).max(1), images: 0, sums: vec![(0, 0); channels] }
    }

    /// Adds images `[n, c, h, w]`.
    pub(crate) fn add(&mut self, images: &[u8]) {
        for image in images.chunks_exact((self.area * self.sums.len()).max(1)) {
            self.images += 1;
            for (plane, (sum, squares)) in image.chunks_exact(self.area).zip(&mut self.sums) {
                *sum += plane.iter().map(|&value| u64::from(value)).sum::<u64>();
                *squares += plane.iter().map(|&value| u64::from(value) * u64::from(value)).sum::<u64>();
            }
        }
    }

    /// The mean and the standard deviation of each channel, values in `[0,1]`.
    pub(crate) fn mean_and_std(&self) -> (Vec<f64>, Vec<f64>) {
        let values = (self.images * self.area).max(1) as f64;
        let of = |&(sum, squares): &(u64, u64)| {
            let mean = sum as f64 / values / 255.0;
            let std = (squares as f64 / values / (255.0 * 255.0) - mean * mean).max(0.0).sqrt();
            // A channel that never changes needs no scaling.
            (mean, if std < 1e-6 { 1.0 } else { std })
        };
        self.sums.iter().map(of).unzip()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_two_channels() {
        let mut moments = Moments::of([2, 1, 2]);
        moments.add(&[0, 255, 9, 9]);
        moments.add(&[0, 255, 9, 9]);
        let (mean, std) = moments.mean_and_std();
        assert!((mean[0] - 0.5).abs() < 1e-12 && (std[0] - 0.5).abs() < 1e-12);
        assert!((mean[1] - 9.0 / 255.0).abs() < 1e-12 && (std[1] - 1.0).abs() < 1e-12);
    }
}
