//! Max pooling on values and tangents, of burn's own operations on every device.

use burn::tensor::Tensor;
use burn::tensor::module::{max_pool2d, max_pool2d_with_indices};
use burn::tensor::ops::MaxPoolOptions;

/// The largest value of every window of `x` `[n, h, w, c]`: `[n, h', w', c]`. The first `values` rows are images; the rest are tangents of
/// the first rows, in order, and are read where their image is largest. Padding never wins.
pub(crate) fn max_pool(x: Tensor<4>, values: usize, options: MaxPoolOptions<2>) -> Tensor<4> {
    let x = x.permute([0, 3, 1, 2]);
    let [rows, channels, height, width] = x.dims();
    let tangents = rows - values;
    if tangents == 0 {
        return max_pool2d(x, options).permute([0, 2, 3, 1]);
    }
    let (pooled, places) = max_pool2d_with_indices(x.clone().narrow(0, 0, values), options);
    let [_, _, down, across] = pooled.dims();
    let places = places.narrow(0, 0, tangents).reshape([tangents, channels, down * across]);
    let moved = x.narrow(0, values, tangents).reshape([tangents, channels, height * width]).gather(2, places);
    Tensor::cat(vec![pooled, moved.reshape([tangents, channels, down, across])], 0).permute([0, 2, 3, 1])
}
