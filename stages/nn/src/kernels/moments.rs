//! Means and variances of channels.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::affine::{self, Rows};
use super::blocks::{BLOCK, Block, block, gather, load, spread, stretch};
use crate::Activation;

/// Mean and biased variance of every channel of `x`, rows of `plane` numbers whose last dimension is the channel: `[2, channels]`.
///
/// Each image's sums are taken in single precision about its own mean and combined in double precision, in order.
pub(crate) fn forward(x: &[f32], plane: usize, channels: usize) -> Vec<f32> {
    let arch = Arch::new();
    let images: Vec<(Vec<f32>, Vec<f32>)> = x.par_chunks_exact(plane).map(|image| arch.dispatch(Image { image, channels })).collect();
    let (count, positions) = (images.len() as f64, (plane / channels) as f64);
    let mut moments = vec![0.0f32; 2 * channels];
    let (means, variances) = moments.split_at_mut(channels);
    for (channel, (mean, variance)) in means.iter_mut().zip(variances).enumerate() {
        let average = images.iter().map(|(means, _)| f64::from(means[channel])).sum::<f64>() / count;
        let within: f64 = images.iter().map(|(_, squares)| f64::from(squares[channel])).sum();
        let between: f64 = images.iter().map(|(means, _)| (f64::from(means[channel]) - average).powi(2)).sum();
        *mean = average as f32;
        *variance = ((within / positions + between) / count) as f32;
    }
    moments
}

/// The gradient with respect to `x`, from `gradient` `[2, channels]` with respect to `moments`. Rows after the first `rows.values` had no part in them.
pub(crate) fn backward(x: &[f32], moments: &[f32], gradient: &[f32], rows: Rows) -> Vec<f32> {
    let channels = moments.len() / 2;
    let count = (rows.values * rows.plane / channels) as f32;
    let (to_mean, to_variance) = gradient.split_at(channels);
    let mut coefficients = moments[..channels].to_vec();
    coefficients.extend(to_variance.iter().map(|g| 2.0 * g / count));
    coefficients.extend(to_mean.iter().map(|g| g / count));
    let mut dx = affine::forward(&x[..rows.values * rows.plane], &coefficients, rows, Activation::Identity);
    dx.resize(x.len(), 0.0);
    dx
}

/// The mean and the sum of squared deviations from it, for every channel of one image.
struct Image<'a> {
    image: &'a [f32],
    channels: usize,
}

impl WithSimd for Image<'_> {
    type Output = (Vec<f32>, Vec<f32>);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let Image { image, channels } = self;
        let zero = vec![[0.0f32; BLOCK]; stretch(channels) / BLOCK];
        let mut sums = zero.clone();
        for part in image.chunks(stretch(channels)) {
            for (sum, values) in sums.iter_mut().zip(part.chunks(BLOCK)) {
                let values = load(values);
                *sum = block!(j => sum[j] + values[j]);
            }
        }
        let share = channels as f32 / image.len() as f32;
        let means: Vec<f32> = gather(&sums, channels).into_iter().map(|sum| sum * share).collect();
        let mut squares = zero;
        let centres = spread(&means);
        for part in image.chunks(stretch(channels)) {
            for ((sum, centre), values) in squares.iter_mut().zip(&centres).zip(part.chunks(BLOCK)) {
                add_squares(sum, centre, values);
            }
        }
        (means, gather(&squares, channels))
    }
}

#[inline(always)]
fn add_squares(sum: &mut Block, centre: &Block, values: &[f32]) {
    let numbers = load(values);
    let mut deviation: Block = block!(j => numbers[j] - centre[j]);
    // What the last block lacks must not count as 0.
    deviation[values.len()..].fill(0.0);
    *sum = block!(j => deviation[j].mul_add(deviation[j], sum[j]));
}
