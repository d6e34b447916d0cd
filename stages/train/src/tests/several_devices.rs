//! The parts of a step on several devices, each of which is the processor.

use planish_contract::Failure;
use planish_formats::Norm;
use planish_nn::{Ball, Device, Network, Parameters as Weights, Statistics};
use serde_json::{Value, json};

use super::options::with;
use super::stage::{Files, TestHost, run_spread};
use super::tiny::architecture;
use crate::Parameters;
use crate::batches::Batch;
use crate::devices::Devices;
use crate::gradients::Parts;
use crate::objective::{Evaluation, Objective, Step};
use crate::objectives::Nominal;

fn spread(devices: usize, parameters: &Parameters) -> (Files, TestHost) {
    let host = TestHost::patient();
    (run_spread(devices, tempfile::tempdir().unwrap().path(), parameters, &host).unwrap(), host)
}

fn in_parts(parts: usize, objective: &Value, more: &Value) -> Parameters {
    let mut extra = json!({ "accumulate": parts, "epochs": 2 });
    extra.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    with(objective, &extra)
}

/// Batch statistics, perturbed weights, clipping and averages included; three parts on two devices, too.
#[test]
fn equal_devices_give_equal_bytes_however_many_they_are() {
    let every_option = json!({ "weight_perturbation": {}, "clip_norm": 0.5, "averaging": { "decay": 0.9 } });
    for objective in
        [json!({ "nominal": {} }), json!({ "llr": { "steps": 2 } }), json!({ "trades": { "steps": 2, "step_size": "0.3 eps" } })]
    {
        for more in [&json!({}), &every_option] {
            let parameters = in_parts(3, &objective, more);
            let (one, _) = spread(1, &parameters);
            for devices in [2, 3] {
                let (several, host) = spread(devices, &parameters);
                assert_eq!(several, one, "{objective} {more} on {devices}");
                assert!(!host.logged("have nothing to do"));
            }
        }
    }
}

#[test]
fn devices_that_no_part_is_for_are_told_of_once_and_change_nothing() {
    let parameters = in_parts(2, &json!({ "nominal": {} }), &json!({}));
    let (several, host) = spread(3, &parameters);
    assert_eq!(several, spread(1, &parameters).0);
    assert!(host.logged("1 of 3 devices have nothing to do (number 3, ") && host.logged("`accumulate` = 2"));
}

/// Which parts were searched on which thread; the part with image 1 fails in its own way.
struct Fragile {
    panics: bool,
}

impl Objective for Fragile {
    fn validate(&self, path: &str) -> Result<(), planish_contract::Invalid> {
        Nominal::default().validate(path)
    }
    fn robust(&self) -> bool {
        false
    }
    fn search_gradients(&self) -> u64 {
        0
    }
    fn outer_gradients(&self) -> u64 {
        1
    }
    fn search(&self, step: &Step<'_>) -> Result<Vec<f32>, Failure> {
        Nominal::default().search(step)
    }
    fn outer(&self, step: &Step<'_>, perturbed: &[f32]) -> Result<Evaluation, Failure> {
        match (step.batch.ids.contains(&1), self.panics) {
            (true, true) => panic!("the driver gave up"),
            (true, false) => Err(Failure::Diverged("no number".into())),
            (false, _) => Nominal::default().outer(step, perturbed),
        }
    }
}

#[test]
fn what_fails_on_a_device_is_a_failure_of_the_step() {
    let network = Network::new(architecture(planish_nn::Activation::Relu));
    let device = Device::flex();
    let weights = Weights::initialise(&network.architecture, 1, &device);
    let running = Statistics::initial(&network.architecture, &device);
    let batch = Batch { images: vec![0.5; 2 * 128], labels: vec![0, 1], ids: vec![0, 1] };
    let replicas = Devices::new(vec![device; 2]).unwrap().replicas(2, &weights, &running);
    let batches = batch.parts(2);
    for panics in [true, false] {
        let objective = Fragile { panics };
        let parts = Parts::search(&objective, &batches, replicas.len(), |at, batch| Step {
            network: &network,
            tracked: &replicas[at].tracked,
            frozen: &replicas[at].frozen,
            running: &replicas[at].running,
            batch,
            ball: Ball::new(Norm::Linf, 0.1),
            seed: 1,
            epoch: 1,
            device: &replicas[at].device,
        });
        let failure = parts.unwrap().evaluate(&objective, None).map(|_| ()).unwrap_err();
        match failure {
            Failure::Internal(message) => assert!(panics && message.contains("the driver gave up"), "{message}"),
            other => assert!(!panics && matches!(other, Failure::Diverged(_)), "{other}"),
        }
    }
}
