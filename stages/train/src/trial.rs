//! One training step on made-up images, to be timed.

use planish_contract::{Failure, Known, Work};
use planish_formats::DataFacts;
use planish_nn::{Ball, Network, Parameters as Weights, Statistics, Stream, device};

use crate::batches::Batch;
use crate::gradients::Parts;
use crate::objective::Step;
use crate::outlook;
use crate::parameters::{Execution, Parameters};
use crate::sgd::at_rest;

/// Search, gradients and descent on at most `images` images, no more than go through the network at once; what that came to.
///
/// # Errors
/// A device that can't be used, a network that does not fit the images; what the passes fail with.
pub(crate) fn trial(parameters: &Parameters, execution: &Execution, inputs: &Known, images: usize) -> Result<Option<Work>, Failure> {
    let Some(data) = DataFacts::of(inputs) else { return Ok(None) };
    let model = outlook::model(parameters, &data);
    let network = Network::new(model.architecture()?).with_precision(parameters.precision);
    let plain = device::open(&execution.device)?;
    let batch = made_up(&data, images.clamp(1, parameters.batch_size.div_ceil(parameters.accumulate.max(1)).max(1)));
    let weights = Weights::initialise(&network.architecture, parameters.seed, &plain);
    let running = Statistics::initial(&network.architecture, &plain);
    let device = plain.clone().autodiff();
    let (tracked, frozen) = (weights.tracked(), weights.constant_on_autodiff());
    let step = |_, batch| Step {
        network: &network,
        tracked: &tracked,
        frozen: &frozen,
        running: &running,
        batch,
        ball: Ball::new(parameters.threat.norm, parameters.threat.eps.value()),
        seed: parameters.seed,
        epoch: 1,
        device: &device,
    };
    let objective = &*parameters.objective;
    let parts = Parts::search(objective, std::slice::from_ref(&batch), 1, step)?;
    let (_, gradients) = match &parameters.weight_perturbation {
        Some(perturbation) if perturbation.active(1) => perturbation.evaluate(objective, &parts)?,
        _ => parts.evaluate(objective, None)?,
    };
    let _ = parameters.optimizer.step(&weights, &at_rest(&weights), gradients, 0.0);
    device.sync().map_err(|error| Failure::internal(format!("the device failed: {error:?}")))?;
    Ok(model.work_on(batch.len() as f64 * outlook::passes(parameters, 1), &plain))
}

/// Random images of every class in turn.
fn made_up(data: &DataFacts, count: usize) -> Batch {
    let mut images = vec![0.0; count * data.shape.iter().product::<usize>()];
    Stream::new(0, "trial", &[]).fill_uniform(&mut images, 0.0, 1.0);
    let labels = (0..data.classes.max(1) as u32).cycle().take(count).collect();
    Batch { images, labels, ids: (0..count as u32).collect() }
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
