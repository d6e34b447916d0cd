//! One training step on made-up images, to be timed.

use planish_contract::{Failure, Known, Work};
use planish_formats::DataFacts;
use planish_nn::{Ball, Network, device};

use crate::outlook;
use crate::parameters::{Execution, Parameters};
use crate::rehearsal::Rehearsal;

/// Search, gradients and descent on at most `images` images, no more than go through the network at once; what that came to.
///
/// # Errors
/// A device that can't be used, a network that does not fit the images; what the passes fail with.
pub(crate) fn trial(parameters: &Parameters, execution: &Execution, inputs: &Known, images: usize) -> Result<Option<Work>, Failure> {
    let Some(data) = DataFacts::of(inputs) else { return Ok(None) };
    let model = outlook::model(parameters, &data);
    let network = Network::new(model.architecture()?).with_precision(parameters.precision);
    let device = device::open(&execution.device)?;
    let images = images.clamp(1, parameters.batch_size.div_ceil(parameters.accumulate.max(1)).max(1));
    let ball = Ball::new(parameters.threat.norm, parameters.threat.eps.value());
    let mut rehearsal = Rehearsal::of(network, images, (ball, parameters.seed), &device);
    // At rate 0, so that made-up labels can't make the weights diverge.
    rehearsal.descend(&*parameters.objective, parameters.weight_perturbation_in(1), (&parameters.optimizer, 0.0))?;
    Ok(model.work_on(images as f64 * outlook::passes(parameters, 1), &device))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_trial_does_what_it_counts() {
        let data = json!({ "shape": [1, 28, 28], "classes": 10, "splits": { "train": 640 } });
        let inputs = Known::from([("data".to_owned(), data)]);
        for objective in [json!({ "nominal": {} }), json!({ "llr": { "steps": 1 } }), json!({ "trades": { "steps": 1 } })] {
            let written = json!({ "network": { "small-cnn": { "width": 4 } }, "epochs": 1, "batch_size": 4, "objective": objective });
            let parameters: Parameters = serde_json::from_value(written).unwrap();
            let work = |images| trial(&parameters, &Execution::default(), &inputs, images).unwrap().unwrap().amount;
            assert!((work(4) / work(2) - 2.0).abs() < 1e-9, "{objective}");
            assert!((work(99) - work(4)).abs() < 1.0, "no more than a batch: {objective}");
        }
        let nothing =
            serde_json::from_value(json!({ "network": { "small-cnn": {} }, "epochs": 1, "objective": { "nominal": {} } })).unwrap();
        assert_eq!(trial(&nothing, &Execution::default(), &Known::new(), 1).unwrap(), None);
    }
}
