//! The kernels against burn's own operations and against finite differences.

use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Tensor, TensorData};

use super::{affine_activation, composite, convolution, max_pool, moments};
use crate::{Activation, Device, Stream};

const ACTIVATIONS: [Activation; 4] = [Activation::Identity, Activation::Relu, Activation::Softplus, Activation::Silu];

fn random<const D: usize>(shape: [usize; D], key: u64) -> Tensor<D> {
    let mut values = vec![0.0; shape.iter().product()];
    Stream::new(1, "ops test", &[key]).fill_uniform(&mut values, -1.0, 1.0);
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn host<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.clone().try_to_vec_as::<f32>().unwrap().into_iter().map(f64::from).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[track_caller]
fn assert_close(got: &[f64], want: &[f64], what: &str) {
    let norm = dot(want, want).sqrt();
    let difference: f64 = got.iter().zip(want).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    assert_eq!(got.len(), want.len(), "{what}");
    assert!(difference <= 2e-6 * norm.max(1e-3), "{what}: relative difference {}", difference / norm);
}

/// A function of two tensors: the output, and the gradients of its product with fixed random numbers.
fn run<const A: usize, const B: usize, const C: usize>(
    a: &Tensor<A>,
    b: &Tensor<B>,
    function: impl Fn(Tensor<A>, Tensor<B>) -> Tensor<C>,
) -> [Vec<f64>; 3] {
    let (a, b) = (a.clone().autodiff().require_grad(), b.clone().autodiff().require_grad());
    let output = function(a.clone(), b.clone());
    let mut gradients = (output.clone() * random(output.dims(), 99)).sum().backward();
    let zero_or = |gradient: Option<Vec<f64>>, length: usize| gradient.unwrap_or_else(|| vec![0.0; length]);
    let to_a = zero_or(a.grad_remove(&mut gradients).map(|gradient| host(&gradient)), a.shape().num_elements());
    let to_b = zero_or(b.grad_remove(&mut gradients).map(|gradient| host(&gradient)), b.shape().num_elements());
    [host(&output), to_a, to_b]
}

#[track_caller]
fn compare(got: &[Vec<f64>; 3], want: &[Vec<f64>; 3], what: &str) {
    for ((got, want), part) in got.iter().zip(want).zip(["output", "first gradient", "second gradient"]) {
        assert_close(got, want, &format!("{what}, {part}"));
    }
}

/// (height, width, channels, filters, kernel, stride, padding)
const CONVOLUTIONS: [[usize; 7]; 12] = [
    [28, 28, 1, 16, 3, 2, 1],
    [14, 14, 16, 32, 3, 1, 1],
    [7, 7, 32, 64, 3, 1, 1],
    [8, 8, 64, 48, 3, 2, 1],
    [9, 6, 3, 10, 3, 2, 1],
    [32, 32, 3, 32, 3, 1, 1],
    [16, 16, 32, 64, 1, 2, 0],
    [8, 8, 17, 33, 1, 1, 0],
    [1, 1, 40, 10, 1, 1, 0],
    [6, 5, 4, 7, 5, 1, 2],
    [7, 9, 20, 20, 2, 2, 0],
    [5, 5, 18, 18, 3, 1, 0],
];

#[test]
fn convolutions_agree_with_burn() {
    for sizes @ [height, width, channels, filters, kernel, stride, padding] in CONVOLUTIONS {
        for images in [1, 5] {
            let (x, weight) = (random([images, height, width, channels], 1), random([filters, channels, kernel, kernel], 2));
            let got = run(&x, &weight, |x, weight| convolution(x, weight, stride, padding));
            let want = run(&x, &weight, |x, weight| composite::convolution(x, weight, stride, padding));
            compare(&got, &want, &format!("{images} images, {sizes:?}"));
        }
    }
}

#[test]
fn a_convolution_is_the_sum_that_defines_it() {
    let (x, weight) = (random([2, 5, 6, 3], 1), random([4, 3, 3, 3], 2));
    let got = host(&convolution(x.clone(), weight.clone(), 2, 1));
    let (x, weight) = (host(&x), host(&weight));
    let mut want = Vec::new();
    for (image, y, column, filter) in
        (0..2).flat_map(|i| (0..3).flat_map(move |y| (0..3).flat_map(move |c| (0..4).map(move |f| (i, y, c, f)))))
    {
        let mut sum = 0.0;
        for (dy, dx, channel) in (0..3).flat_map(|dy| (0..3).flat_map(move |dx| (0..3).map(move |c| (dy, dx, c)))) {
            let (row, place): (usize, usize) = (2 * y + dy, 2 * column + dx);
            let (row, place) = (row.wrapping_sub(1), place.wrapping_sub(1));
            if row < 5 && place < 6 {
                sum += x[((image * 5 + row) * 6 + place) * 3 + channel] * weight[((filter * 3 + channel) * 3 + dy) * 3 + dx];
            }
        }
        want.push(sum);
    }
    assert_close(&got, &want, "definition");
}

#[test]
fn gradients_are_taken_only_where_asked() {
    let (x, weight) = (random([2, 6, 6, 4], 1), random([8, 4, 3, 3], 2));
    let (x_leaf, weight_leaf) = (x.clone().autodiff().require_grad(), weight.clone().autodiff().require_grad());
    let both = run(&x, &weight, |x, weight| convolution(x, weight, 1, 1));
    let mut only_x = (convolution(x_leaf.clone(), weight, 1, 1) * random([2, 6, 6, 8], 99)).sum().backward();
    assert_eq!(host(&x_leaf.grad_remove(&mut only_x).unwrap()), both[1]);
    assert!(weight_leaf.grad_remove(&mut only_x).is_none());
    let mut only_weight = (convolution(x, weight_leaf.clone(), 1, 1) * random([2, 6, 6, 8], 99)).sum().backward();
    assert_eq!(host(&weight_leaf.grad_remove(&mut only_weight).unwrap()), both[2]);
}

#[test]
fn moments_agree_with_burn() {
    for channels in [1, 3, 16, 20, 64] {
        for rows in [1, 4, 6] {
            // A mean far from 0 must not hurt the variance.
            let x = random([6, 5, 7, channels], 3) + 10.0;
            let unused = random([1], 0);
            let got = run(&x, &unused, |x, _| moments(x, rows));
            let want = run(&x, &unused, |x, _| composite::moments(x, rows));
            compare(&got, &want, &format!("{channels} channels, {rows} rows"));
        }
    }
}

/// (values, tangents)
const LAYOUTS: [(usize, usize); 4] = [(5, 0), (3, 3), (5, 2), (1, 1)];

#[test]
fn affine_activations_agree_with_burn() {
    for activation in ACTIVATIONS {
        for (values, tangents) in LAYOUTS {
            for channels in [1, 3, 16, 24] {
                let x = random([values + tangents, 5, 7, channels], 4) * 3.0;
                let coefficients = random([3, channels], 5);
                let got = run(&x, &coefficients, |x, c| affine_activation(x, c, values, activation));
                let want = run(&x, &coefficients, |x, c| composite::affine_activation(x, &c, values, activation));
                compare(&got, &want, &format!("{activation:?}, {values} + {tangents} rows, {channels} channels"));
            }
        }
    }
}

/// Compares the gradients with central differences along random directions.
fn differentiate<const A: usize, const B: usize, const C: usize>(
    a: &Tensor<A>,
    b: &Tensor<B>,
    function: impl Fn(Tensor<A>, Tensor<B>) -> Tensor<C>,
    what: &str,
) {
    let [output, to_a, to_b] = run(a, b, &function);
    let factors = host(&random(function(a.clone(), b.clone()).dims(), 99));
    assert_eq!(output.len(), factors.len());
    let (along_a, along_b) = (random(a.dims(), 11), random(b.dims(), 12));
    let step = 4e-3;
    let at = |sign: f64| {
        dot(&host(&function(a.clone() + along_a.clone() * (sign * step), b.clone() + along_b.clone() * (sign * step))), &factors)
    };
    let difference = (at(1.0) - at(-1.0)) / (2.0 * step);
    let derivative = dot(&to_a, &host(&along_a)) + dot(&to_b, &host(&along_b));
    let scale = (dot(&to_a, &to_a) + dot(&to_b, &to_b)).sqrt();
    assert!((difference - derivative).abs() < 1e-3 * scale, "{what}: {difference} instead of {derivative}");
}

#[test]
fn gradients_agree_with_finite_differences() {
    let x = random([4, 6, 6, 8], 6);
    differentiate(&x, &random([5, 8, 3, 3], 7), |x, weight| convolution(x, weight, 2, 1), "convolution");
    differentiate(&x, &random([1], 0), |x, _| moments(x, 3), "moments");
    for activation in [Activation::Identity, Activation::Softplus, Activation::Silu] {
        differentiate(&x, &random([3, 8], 8), |x, c| affine_activation(x, c, 2, activation), &format!("dual {activation:?}"));
    }
}

#[test]
fn a_max_pool_takes_the_largest_value_and_the_tangent_that_stands_there() {
    let options = || MaxPoolOptions::new([3, 3]).with_stride([2, 2]).with_padding([1, 1]);
    let x = random([3, 7, 6, 2], 21);
    let (values, tangents) = (host(&x.clone().narrow(0, 0, 2)), host(&x.clone().narrow(0, 2, 1)));
    let got = max_pool(x.clone(), 2, options());
    assert_eq!(got.dims(), [3, 4, 3, 2]);
    let got = host(&got);
    for (image, down, across, channel) in
        (0..2).flat_map(|i| (0..4).flat_map(move |y| (0..3).flat_map(move |x| (0..2).map(move |c| (i, y, x, c)))))
    {
        let rows = (2 * down as usize).saturating_sub(1)..(2 * down as usize + 2).min(7);
        let places = rows.flat_map(|y| ((2 * across as usize).saturating_sub(1)..(2 * across as usize + 2).min(6)).map(move |x| (y, x)));
        let at = |(y, x): (usize, usize)| (image * 7 * 6 + y * 6 + x) * 2 + channel;
        let best = places.max_by(|a, b| values[at(*a)].total_cmp(&values[at(*b)])).unwrap();
        let place = ((image * 4 + down as usize) * 3 + across as usize) * 2 + channel;
        assert!((got[place] - values[at(best)]).abs() < 1e-7);
        if image == 0 {
            assert!((got[2 * 4 * 3 * 2 + place] - tangents[at(best)]).abs() < 1e-7);
        }
    }
    // Values far enough from each other that a finite difference crosses no kink.
    let mut order: Vec<usize> = (0..3 * 7 * 6 * 2).collect();
    Stream::new(1, "max pool", &[]).shuffle(&mut order);
    let values: Vec<f32> = order.into_iter().map(|place| place as f32 / 20.0).collect();
    let x = Tensor::from_data(TensorData::new(values, [3, 7, 6, 2]), &Device::flex());
    differentiate(&x, &random([1], 0), |x, _| max_pool(x, 2, options()), "dual max pool");
    differentiate(&x, &random([1], 0), |x, _| max_pool(x, 3, options()), "max pool");
}
