//! The linearity error g(δ; x) = |l(x+δ) − l(x) − δᵀ∇l(x)| of single images, on the host.

use planish_nn::vectors::linearity_error_slope;

use crate::input_gradient::Gradients;

/// Each image's signed residual l(x+δ) − l(x) − δᵀ∇l(x) at `images`, `[n]`; `clean` are the losses and gradients at the originals, `there` the losses at
/// `images`.
#[must_use]
pub fn residuals(original: &[f32], clean: &Gradients, images: &[f32], there: &[f32]) -> Vec<f64> {
    let size = (original.len() / clean.losses.len().max(1)).max(1);
    let rows = images.chunks_exact(size).zip(original.chunks_exact(size)).zip(clean.gradient.chunks_exact(size));
    let losses = there.iter().zip(&clean.losses);
    rows.zip(losses)
        .map(|(((image, original), slope), (loss, clean))| f64::from(*loss) - f64::from(*clean) - linear_term(image, original, slope))
        .collect()
}

/// Turns the gradients of the loss at the perturbed images into those of g: sign(residual)·(∇l(x+δ) − ∇l(x)).
pub fn ascent_direction(clean: &Gradients, residuals: &[f64], gradient: &mut [f32]) {
    let size = (gradient.len() / residuals.len().max(1)).max(1);
    for ((row, slope), residual) in gradient.chunks_exact_mut(size).zip(clean.gradient.chunks_exact(size)).zip(residuals) {
        linearity_error_slope(*residual, slope, row);
    }
}

/// δᵀ∇l(x) of one image, with δ = image − original.
fn linear_term(image: &[f32], original: &[f32], slope: &[f32]) -> f64 {
    let products = image.iter().zip(original).zip(slope).map(|((there, here), slope)| f64::from(there - here) * f64::from(*slope));
    products.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// l(x) = a·x² summed over two pixels, a = 1 for the first image and 3 for the second: g(δ) = a·‖δ‖², its gradient 2·a·δ.
    #[test]
    fn on_a_parabola_the_error_and_its_gradient_are_known() {
        let factors = [1.0_f32, 3.0];
        let at = |images: &[f32]| Gradients {
            losses: images.chunks(2).zip(factors).map(|(image, a)| a * (image[0].powi(2) + image[1].powi(2))).collect(),
            gradient: images.chunks(2).zip(factors).flat_map(|(image, a)| [2.0 * a * image[0], 2.0 * a * image[1]]).collect(),
        };
        let original = [0.5, 0.25, 0.0, 1.0];
        let images = [0.75, 0.25, 0.5, 0.5];
        let (clean, mut there) = (at(&original), at(&images));
        let found = residuals(&original, &clean, &images, &there.losses);
        assert!((found[0] - 0.0625).abs() < 1e-6 && (found[1] - 1.5).abs() < 1e-6, "{found:?}");
        ascent_direction(&clean, &found, &mut there.gradient);
        assert_eq!(there.gradient, [0.5, 0.0, 3.0, -3.0]);
        let negative: Vec<f64> = found.iter().map(|residual| -residual).collect();
        there = at(&images);
        ascent_direction(&clean, &negative, &mut there.gradient);
        assert_eq!(there.gradient, [-0.5, 0.0, -3.0, 3.0]);
    }
}
