//! What an attack sees of a classifier.

use planish_contract::Failure;

/// A loss on logits: given an image's index and logits, it returns the loss and writes the derivative into the last argument.
pub type LogitLoss<'a> = &'a mut dyn FnMut(usize, &[f32], &mut [f32]) -> f32;

/// What one forward and one backward pass give.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientPass {
    /// The loss of each image, `[n]`.
    pub losses: Vec<f32>,
    /// The logits, `[n, classes]` row-major.
    pub logits: Vec<f32>,
    /// The gradient of each image's loss with respect to that image, `[n, c, h, w]` row-major.
    pub gradient: Vec<f32>,
}

/// A classifier under attack. Images are `[n, c, h, w]` row-major slices of numbers in `[0,1]`; a
/// result for an image depends on that image alone.
pub trait Victim {
    /// The shape of an image: channels, height, width.
    fn shape(&self) -> [usize; 3];

    /// The number of classes.
    fn classes(&self) -> usize;

    /// The logits of `images`, `[n, classes]` row-major.
    ///
    /// # Errors
    /// [`Failure::Internal`] when `images` is not a whole number of images; [`Failure::Diverged`] when a logit is not finite.
    fn logits(&mut self, images: &[f32]) -> Result<Vec<f32>, Failure>;

    /// One forward and one backward pass. `loss` is given an image's index and logits, returns its
    /// loss, and writes the loss's derivative with respect to the logits into its last argument (zeros on entry).
    /// It is called once for each image, in order.
    ///
    /// # Errors
    /// As [`Victim::logits`]; also when a gradient is not finite.
    fn gradient(&mut self, images: &[f32], loss: LogitLoss<'_>) -> Result<GradientPass, Failure>;
}
