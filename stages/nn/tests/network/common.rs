//! The network of the reference values, and numbers that Python makes too.

use burn::tensor::{Tensor, TensorData};
use planish_formats::{NamedTensor, Values, read_tensors};
use planish_nn::{Activation, Device, Network, NetworkConfig, Parameters, Statistics};

/// Numbers in [-1, 1): see `uniform` in `tests/golden/nn_network.py`.
pub(crate) fn uniform(name: &str, count: usize) -> Vec<f64> {
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
    (0..count as u64)
        .map(|index| {
            let z = seed.wrapping_add(index).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 23) - 1.0
        })
        .collect()
}

/// `centre + spread · uniform`.
pub(crate) fn numbers(name: &str, count: usize, centre: f64, spread: f64) -> Vec<f32> {
    uniform(name, count).into_iter().map(|u| (centre + spread * u) as f32).collect()
}

/// `count` images, or directions, `[count, 3, 32, 32]`.
pub(crate) fn images(name: &str, count: usize, centre: f64, spread: f64) -> Tensor<4> {
    Tensor::from_data(TensorData::new(numbers(name, count * 3072, centre, spread), [count, 3, 32, 32]), &Device::flex())
}

/// A WRN-10-1 on 32x32 colour images.
pub(crate) fn config(activation: Activation) -> NetworkConfig {
    let text = format!(
        r#"{{"schema": 1, "network": {{"wide-resnet": {{"depth": 10, "width": 1, "activation": "{}"}}}}, "input": [3, 32, 32],
        "classes": ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], "mean": [0.5, 0.48, 0.45], "std": [0.25, 0.24, 0.26]}}"#,
        activation.as_str()
    );
    serde_json::from_str(&text).unwrap()
}

/// A network with the weights and running statistics of the reference values.
pub(crate) fn network(activation: Activation) -> (Network, Parameters, Statistics) {
    let architecture = config(activation).architecture().unwrap();
    let mut tensors = Vec::new();
    for spec in architecture.parameters() {
        let (centre, spread) = match (spec.shape.as_slice(), spec.name.as_str()) {
            ([_, channels, kernel, _], _) => (0.0, (6.0 / (channels * kernel * kernel) as f64).sqrt()),
            (_, "fc.weight") => (0.0, 0.125),
            (_, "fc.bias") => (0.0, 0.1),
            (_, name) if name.ends_with("weight") => (1.0, 0.2),
            _ => (0.0, 0.2),
        };
        let values = Values::F32(numbers(&spec.name, spec.len(), centre, spread));
        tensors.push(NamedTensor { name: spec.name, shape: spec.shape, values });
    }
    for norm in architecture.norms() {
        for (suffix, centre, spread) in [("running_mean", 0.0, 0.3), ("running_var", 1.0, 0.5)] {
            let name = format!("{}.{suffix}", norm.name);
            let values = Values::F32(numbers(&name, norm.channels, centre, spread));
            tensors.push(NamedTensor { name, shape: vec![norm.channels], values });
        }
    }
    let device = Device::flex();
    let parameters = Parameters::from_tensors(&architecture, &tensors, &device).unwrap();
    let statistics = Statistics::from_tensors(&architecture, &tensors, &device).unwrap();
    (Network::new(architecture), parameters, statistics)
}

/// The reference values.
pub(crate) struct Golden(Vec<NamedTensor>);

impl Golden {
    /// Reads those of `tests/golden/NAME.py`.
    pub(crate) fn of(name: &str) -> Self {
        let path = format!("{}/../../tests/golden/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
        Golden(read_tensors(path.as_ref()).unwrap())
    }

    /// One of them.
    pub(crate) fn get(&self, name: &str) -> &[f32] {
        let tensor = self.0.iter().find(|tensor| tensor.name == name).unwrap_or_else(|| panic!("no `{name}`"));
        let Values::F32(values) = &tensor.values else { panic!("`{name}` is not f32") };
        values
    }
}

/// The numbers of a tensor.
pub(crate) fn host<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.try_to_vec_as().unwrap()
}

/// The norm of the difference over the norm of `want`.
#[track_caller]
pub(crate) fn relative(got: &[f32], want: &[f32]) -> f64 {
    assert_eq!(got.len(), want.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut got.iter().zip(want).map(|(a, b)| f64::from(*a) - f64::from(*b))) / norm(&mut want.iter().map(|v| f64::from(*v))).max(1e-12)
}
