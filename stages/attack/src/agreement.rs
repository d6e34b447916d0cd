//! Whether the network that gives gradients is the model that is judged.

use planish_contract::Failure;
use planish_formats::Split;
use planish_nn::Victim;

use crate::judge::Scorer;

/// How many images the two are compared on.
pub const COMPARED: usize = 32;

/// The bound on the difference of two logits where the export recorded none.
pub const DEFAULT_BOUND: f64 = 1e-3;

/// Compares the logits of victim and judge on the first images; returns the largest difference.
///
/// # Errors
/// [`Failure::Input`] when the shapes, the numbers of classes, or two logits by more than `bound` differ.
pub fn check_agreement(images: &Split, victim: &mut dyn Victim, scorer: &mut dyn Scorer, bound: f64) -> Result<f64, Failure> {
    const HINT: &str = "connect `gradients` to the checkpoint that the model was exported from";
    if victim.shape() != scorer.shape() || victim.classes() != scorer.classes() {
        let (ours, theirs) = ((victim.shape(), victim.classes()), (scorer.shape(), scorer.classes()));
        let message = format!(
            "the checkpoint of input `gradients` takes images {:?} and has {} classes, the model of input `model` takes {:?} and has {}",
            ours.0, ours.1, theirs.0, theirs.1
        );
        return Err(Failure::input_hint(message, HINT));
    }
    let sample = images.pixels(0..images.len().min(COMPARED));
    let (ours, theirs) = (victim.logits(&sample)?, scorer.logits(&sample)?);
    if ours.len() != theirs.len() {
        return Err(Failure::internal(format!("{} logits from the checkpoint, {} from the model", ours.len(), theirs.len())));
    }
    let mut largest = (0.0, 0);
    for (index, (a, b)) in ours.iter().zip(&theirs).enumerate() {
        let difference = (f64::from(*a) - f64::from(*b)).abs();
        // A difference that is not a number must not pass.
        if difference > largest.0 || difference.is_nan() {
            largest = (difference, index / victim.classes());
        }
    }
    if largest.0 <= bound {
        return Ok(largest.0);
    }
    let id = images.ids.get(largest.1).copied().unwrap_or_default();
    let message = format!(
        "the checkpoint of input `gradients` is not the model of input `model`: a logit of image {id} differs by {:.3e}, more than {bound:e}",
        largest.0
    );
    Err(Failure::input_hint(message, HINT))
}
