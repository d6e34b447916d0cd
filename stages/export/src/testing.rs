//! Untrained networks with lively weights and statistics, for tests.

use std::path::Path;

use planish_formats::{NamedTensor, Values};
use planish_nn::{Architecture, Checkpoint, Device, Network, NetworkConfig, Parameters, Statistics, Stream, save_checkpoint};
use planish_onnx::proto::ModelProto;

use crate::convert::{Source, convert};

/// A network as `convert` takes it.
pub(crate) struct TestNetwork {
    pub(crate) config: NetworkConfig,
    pub(crate) architecture: Architecture,
    pub(crate) tensors: Vec<NamedTensor>,
}

impl TestNetwork {
    fn new(network: &serde_json::Value, input: [usize; 3]) -> Self {
        let config = NetworkConfig {
            schema: NetworkConfig::SCHEMA,
            network: serde_json::from_value(network.clone()).unwrap(),
            input,
            classes: (0..3).map(|class| format!("class {class}")).collect(),
            mean: vec![0.48, 0.5, 0.45][..input[0]].to_vec(),
            std: vec![0.24, 0.25, 0.26][..input[0]].to_vec(),
        };
        let architecture = config.architecture().unwrap();
        let device = Device::flex();
        let mut tensors = Parameters::initialise(&architecture, 3, &device).to_tensors().unwrap();
        tensors.extend(Statistics::initial(&architecture, &device).to_tensors(&architecture).unwrap());
        tensors.iter_mut().for_each(enliven);
        TestNetwork { config, architecture, tensors }
    }

    pub(crate) fn source(&self) -> Source<'_> {
        Source { architecture: &self.architecture, tensors: &self.tensors, classes: &self.config.classes, digest: "00" }
    }

    pub(crate) fn model(&self) -> ModelProto {
        convert(&self.source(), 17, crate::BatchNorm::Keep).unwrap()
    }

    fn state(&self) -> (Parameters, Statistics) {
        let device = Device::flex();
        let parameters = Parameters::from_tensors(&self.architecture, &self.tensors, &device).unwrap();
        (parameters, Statistics::from_tensors(&self.architecture, &self.tensors, &device).unwrap())
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let (parameters, statistics) = self.state();
        let network = Network::new(self.architecture.clone());
        Checkpoint { config: self.config.clone(), network, parameters, statistics, device: Device::flex() }
    }

    pub(crate) fn save(&self, folder: &Path) {
        let (parameters, statistics) = self.state();
        save_checkpoint(folder, &self.config, &parameters, &statistics, &[]).unwrap();
    }

    /// `count` random images, always the same.
    pub(crate) fn images(&self, count: usize) -> Vec<f32> {
        let mut images = vec![0.0; count * self.config.input.iter().product::<usize>()];
        Stream::new(1, "test images", &[]).fill_uniform(&mut images, 0.0, 1.0);
        images
    }
}

/// Moves the numbers that start as zeros and ones away from there, so that a mix-up shows.
fn enliven(tensor: &mut NamedTensor) {
    let Values::F32(values) = &mut tensor.values else { return };
    let mut stream = Stream::new(5, &tensor.name, &[]);
    if tensor.name.ends_with(".running_var") {
        stream.fill_uniform(values, 0.5, 2.0);
    } else if tensor.shape.len() == 1 {
        for value in values {
            *value += 0.3 * stream.normal();
        }
    }
}

/// A WRN-10-1 for 3×16×16 images.
pub(crate) fn wide_resnet(activation: &str) -> TestNetwork {
    TestNetwork::new(&serde_json::json!({ "wide-resnet": { "depth": 10, "width": 1, "activation": activation } }), [3, 16, 16])
}

/// A small CNN for 1×12×12 images.
pub(crate) fn small_cnn(activation: &str, norm: bool) -> TestNetwork {
    TestNetwork::new(&serde_json::json!({ "small-cnn": { "width": 4, "activation": activation, "norm": norm } }), [1, 12, 12])
}

/// Every kind of network with every activation, and what to call it.
pub(crate) fn every_network() -> Vec<(String, TestNetwork)> {
    let networks = |activation: &'static str| {
        [
            (format!("wide-resnet-{activation}"), wide_resnet(activation)),
            (format!("small-cnn-{activation}"), small_cnn(activation, true)),
            (format!("small-cnn-bias-{activation}"), small_cnn(activation, false)),
        ]
    };
    ["softplus", "relu", "silu", "identity"].into_iter().flat_map(networks).collect()
}
