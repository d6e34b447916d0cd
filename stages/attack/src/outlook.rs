//! How much work an evaluation is, for estimates of time.

use planish_contract::{Context, Failure, Known, Outlook, Work};
use planish_formats::{CheckpointFiles, DataFacts, NETWORK};
use planish_nn::{DeviceName, ModelFacts, NetworkConfig};
use serde::Deserialize;

use crate::AttackParameters;
use crate::attack::Cost;
use crate::evaluate::{Outcome, cost};

/// What is known of the checkpoint that gives gradients.
pub(crate) fn model(inputs: &Known) -> Option<ModelFacts> {
    ModelFacts::deserialize(inputs.get("gradients")?).ok()
}

/// What is known of an evaluation; its attacks go on as long as an image stands, so the work is the most that it can be.
pub(crate) fn outlook(parameters: &AttackParameters, inputs: &Known) -> Outlook {
    let known = model(inputs).zip(DataFacts::of(inputs));
    let work = known.and_then(|(model, data)| {
        let images = data.images(parameters.split, parameters.images);
        let attacks = parameters.attack.named(parameters.threat.norm);
        let passes: f64 = attacks.iter().map(|named| passes(cost(named, model.classes))).sum();
        model.work(passes * images as f64).map(|work| Work { at_most: true, ..work })
    });
    Outlook { work, ..Outlook::default() }
}

/// What so many passes count for, in forward passes.
fn passes(cost: Cost) -> f64 {
    cost.gradients as f64 * ModelFacts::INPUT_GRADIENT + cost.queries as f64 * ModelFacts::FORWARD
}

/// Records the passes that this process made, where a checkpoint gave the gradients. Of what kind they were is told by all trials, those that
/// were looked up included.
///
/// # Errors
/// A checkpoint that can't be read, a device that can't be used.
pub(crate) fn record(context: &Context, device: &DeviceName, outcome: &Outcome) -> Result<(), Failure> {
    let Some(folder) = context.optional_input("gradients")?.filter(|folder| folder.has(NETWORK)) else { return Ok(()) };
    let config: NetworkConfig = CheckpointFiles::open(folder)?.network()?;
    let all = outcome.summaries.iter().fold(Cost::default(), |sum, summary| Cost {
        gradients: sum.gradients + summary.gradients,
        queries: sum.queries + summary.queries,
    });
    let weight = passes(all) / all.passes().max(1) as f64;
    let device = planish_nn::device::open(device)?;
    context.record_work(ModelFacts::of(&config).work_on(outcome.passes as f64 * weight, &device).as_ref());
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_most_that_an_evaluation_can_cost() {
        let data = json!({ "shape": [1, 28, 28], "classes": 10, "splits": { "test": 100 } });
        let network = json!({ "network": { "small-cnn": { "width": 4 } }, "input": [1, 28, 28], "classes": 10 });
        let inputs = Known::from([("data".to_owned(), data), ("gradients".to_owned(), network)]);
        let forward = model(&inputs).unwrap().work(1.0).unwrap().amount;
        let passes = |written: serde_json::Value| {
            let work = outlook(&serde_json::from_value(written).unwrap(), &inputs).work.unwrap();
            assert!(work.at_most);
            work.amount / forward
        };
        let threat = json!({ "norm": "linf", "eps": 0.1 });
        let pgd = passes(json!({ "threat": threat, "attack": { "pgd": { "steps": 20, "restarts": 2 } } }));
        assert!(
            (pgd - 100.0 * 2.0 * 40.0).abs() <= 100.0 * 2.0 * 2.0,
            "{pgd}: steps of two restarts on every image, and perhaps their ends"
        );
        let few = passes(json!({ "threat": threat, "images": 10, "attack": { "pgd": { "steps": 20, "restarts": 2 } } }));
        assert!((pgd / few - 10.0).abs() < 1e-9);
        let unknown = AttackParameters::deserialize(json!({ "threat": threat, "attack": { "pgd": {} } })).unwrap();
        assert_eq!(outlook(&unknown, &Known::new()).work, None);
    }
}
