//! What an attack sees of a classifier.

use planish_contract::Failure;

use crate::surrogate::{Aim, Surrogate};

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

    /// One forward and one backward pass of a standard loss; `aims` has one entry an image. A victim that can compute the
    /// loss beside the network saves what [`Victim::gradient`] spends on asking back.
    ///
    /// # Errors
    /// As [`Victim::gradient`]; [`Failure::Input`] when the loss needs more classes than there are, [`Failure::Internal`] when
    /// `aims` does not fit `images`.
    fn surrogate_gradient(&mut self, images: &[f32], surrogate: Surrogate, aims: &[Aim]) -> Result<GradientPass, Failure> {
        check_aims((self.shape(), self.classes()), images, surrogate, aims)?;
        self.gradient(images, &mut |image, logits, slope| aims.get(image).map_or(f32::NAN, |&aim| surrogate.value(logits, aim, slope)))
    }
}

/// Checks what [`Victim::surrogate_gradient`] is given, for a victim of that shape and number of classes.
///
/// # Errors
/// As there.
pub fn check_aims((shape, classes): ([usize; 3], usize), images: &[f32], surrogate: Surrogate, aims: &[Aim]) -> Result<(), Failure> {
    if classes < surrogate.least_classes() {
        let message = format!("the loss {surrogate:?} needs at least {} classes, the model has {classes}", surrogate.least_classes());
        return Err(Failure::input(message));
    }
    if aims.len() * shape.iter().product::<usize>() != images.len() {
        return Err(Failure::internal(format!("{} labels for {} values of images {shape:?}", aims.len(), images.len())));
    }
    let known = |aim: &Aim| (aim.label as usize) < classes && (!surrogate.is_targeted() || (aim.target as usize) < classes);
    match aims.iter().find(|aim| !known(aim)) {
        None => Ok(()),
        Some(aim) => Err(Failure::internal(format!("{aim:?} names a class that a model of {classes} classes does not have"))),
    }
}
