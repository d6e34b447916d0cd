//! How much work a training is, for estimates of time.

use planish_contract::{Known, Outlook};
use planish_formats::{DataFacts, SplitName};
use planish_nn::ModelFacts;

use crate::parameters::Parameters;

/// What is known of a training on the data set that is connected.
pub(crate) fn outlook(parameters: &Parameters, inputs: &Known) -> Outlook {
    let Some(data) = DataFacts::of(inputs) else { return Outlook::default() };
    let model = model(parameters, &data);
    let sizes = Sizes { train: data.images(SplitName::Train, None), validation: data.images(SplitName::Validation, None) };
    Outlook::of(model.work(passes_after(parameters, sizes, 0)), &model)
}

/// The network that is trained.
pub(crate) fn model(parameters: &Parameters, data: &DataFacts) -> ModelFacts {
    ModelFacts { network: parameters.network.clone(), input: data.shape, classes: data.classes }
}

/// How many images there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// To train on.
    pub(crate) train: usize,
    /// To validate on.
    pub(crate) validation: usize,
}

/// What the epochs after the `done`-th count for, in forward passes of one image.
pub(crate) fn passes_after(parameters: &Parameters, sizes: Sizes, done: u32) -> f64 {
    let epochs = f64::from(parameters.epochs.saturating_sub(done));
    let trained: f64 = (done..parameters.epochs).map(|epoch| sizes.train as f64 * passes(parameters, epoch + 1)).sum();
    let selection = &parameters.selection;
    let attacked = f64::from(selection.steps) * ModelFacts::INPUT_GRADIENT + ModelFacts::FORWARD;
    let once = sizes.validation as f64 * ModelFacts::FORWARD + selection.images.min(sizes.validation) as f64 * attacked;
    let validated = once * (epochs / f64::from(selection.every.max(1))).ceil().max(1.0);
    trained + validated + probed(parameters, sizes, epochs)
}

/// What one training image counts for in an epoch, in forward passes.
pub(crate) fn passes(parameters: &Parameters, epoch: u32) -> f64 {
    let (search, outer) = parameters.gradients_per_image(epoch);
    search as f64 * ModelFacts::INPUT_GRADIENT + outer as f64 * ModelFacts::WEIGHT_GRADIENT
}

/// What the probes of so many epochs count for.
fn probed(parameters: &Parameters, sizes: Sizes, epochs: f64) -> f64 {
    let Some(probe) = &parameters.probe else { return 0.0 };
    let steps = epochs * (sizes.train / parameters.batch_size.max(1)) as f64;
    // Two searches, and the images at their beginnings and ends.
    let once = 2.0 * (f64::from(probe.steps) + 1.0) * ModelFacts::INPUT_GRADIENT;
    (steps / probe.every.max(1) as f64).ceil() * probe.images.min(sizes.validation) as f64 * once
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn amount(objective: &serde_json::Value, epochs: u32, done: u32) -> f64 {
        let written =
            json!({ "network": { "small-cnn": { "width": 4 } }, "epochs": epochs, "objective": objective, "selection": { "images": 0 } });
        let parameters: Parameters = serde_json::from_value(written).unwrap();
        passes_after(&parameters, Sizes { train: 640, validation: 0 }, done) / 640.0
    }

    #[test]
    fn work_follows_epochs_and_gradients() {
        assert!((amount(&json!({ "nominal": {} }), 1, 0) - 3.0).abs() < 1e-9);
        assert!((amount(&json!({ "nominal": {} }), 4, 0) - 12.0).abs() < 1e-9);
        assert!((amount(&json!({ "nominal": {} }), 4, 3) - 3.0).abs() < 1e-9, "what an earlier process did is not counted");
        assert!((amount(&json!({ "adv": { "steps": 7 } }), 1, 0) - (7.0 * 2.0 + 3.0)).abs() < 1e-9);
        // x, x+δ and tangents, with weights; the search's steps and one clean gradient.
        assert!((amount(&json!({ "llr": { "steps": 2 } }), 1, 0) - (3.0 * 2.0 + 9.0)).abs() < 1e-9);
    }

    #[test]
    fn nothing_is_known_without_data() {
        let parameters: Parameters =
            serde_json::from_value(json!({ "network": { "small-cnn": {} }, "epochs": 1, "objective": { "nominal": {} } })).unwrap();
        assert_eq!(outlook(&parameters, &Known::new()), Outlook::default());
    }
}
