//! The weights of a network: named flat tensors.

use burn::tensor::{Tensor, TensorData};
use planish_contract::Failure;
use planish_formats::{NamedTensor, Values};

use crate::{Architecture, Device, Initial, ParameterSpec, Role, Stream};

/// The gradients that a backward pass leaves; see [`Parameters::gradients`].
pub type Gradients = burn::tensor::Gradients;

/// One trainable tensor and its numbers.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name, shape and role.
    pub spec: ParameterSpec,
    /// Its numbers in row-major order, `[spec.len()]`.
    pub value: Tensor<1>,
}

/// All trainable tensors of a network, in the order of [`Architecture::parameters`].
#[derive(Clone, Debug)]
pub struct Parameters {
    /// The tensors.
    pub entries: Vec<Parameter>,
}

impl Parameters {
    /// Random weights as [`Role`] says. Each tensor has its own stream, keyed by its name.
    #[must_use]
    pub fn initialise(architecture: &Architecture, seed: u64, device: &Device) -> Self {
        let entries = architecture.parameters().into_iter().map(|spec| {
            let values = initial_values(&spec, seed);
            let length = values.len();
            Parameter { spec, value: Tensor::from_data(TensorData::new(values, [length]), device) }
        });
        Parameters { entries: entries.collect() }
    }

    fn map(&self, change: impl Fn(Tensor<1>) -> Tensor<1>) -> Parameters {
        let entries = self.entries.iter().map(|p| Parameter { spec: p.spec.clone(), value: change(p.value.clone()) });
        Parameters { entries: entries.collect() }
    }

    /// The same numbers as leaves of a new graph, whose gradients are kept.
    #[must_use]
    pub fn tracked(&self) -> Parameters {
        self.map(|value| value.without_autodiff().autodiff().require_grad())
    }

    /// The same numbers without autodiff.
    #[must_use]
    pub fn untracked(&self) -> Parameters {
        self.map(Tensor::without_autodiff)
    }

    /// The same numbers on the autodiff device as constants: for gradients with respect to images only.
    #[must_use]
    pub fn constant_on_autodiff(&self) -> Parameters {
        self.map(|value| value.without_autodiff().autodiff())
    }

    /// The same numbers on `device`, without autodiff.
    #[must_use]
    pub fn to_device(&self, device: &Device) -> Parameters {
        self.map(|value| value.without_autodiff().to_device(device))
    }

    /// `(1 − share)·self + share·other`, tensor by tensor; plain tensors of the same network.
    #[must_use]
    pub fn blend(&self, other: &Parameters, share: f64) -> Parameters {
        let entries = self.entries.iter().zip(&other.entries).map(|(here, there)| {
            let value = here.value.clone().mul_scalar(1.0 - share) + there.value.clone().mul_scalar(share);
            Parameter { spec: here.spec.clone(), value }
        });
        Parameters { entries: entries.collect() }
    }

    /// Takes the gradients of these leaves (made by [`Parameters::tracked`]); `None` where the loss did not depend on one.
    pub fn gradients(&self, gradients: &mut Gradients) -> Vec<Option<Tensor<1>>> {
        self.entries.iter().map(|p| p.value.grad_remove(gradients)).collect()
    }

    /// How many numbers there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.iter().map(|p| p.spec.len()).sum()
    }

    /// The parameters as named tensors.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the device fails.
    pub fn to_tensors(&self) -> Result<Vec<NamedTensor>, Failure> {
        let tensor = |p: &Parameter| {
            let values = p.value.try_to_vec_as::<f32>().map_err(|e| Failure::internal(format!("parameter `{}`: {e}", p.spec.name)))?;
            Ok(NamedTensor { name: p.spec.name.clone(), shape: p.spec.shape.clone(), values: Values::F32(values) })
        };
        self.entries.iter().map(tensor).collect()
    }

    /// The parameters of `architecture` among `tensors`; others are ignored.
    ///
    /// # Errors
    /// [`Failure::Input`] when one is missing, has another shape or type, or is not finite.
    pub fn from_tensors(architecture: &Architecture, tensors: &[NamedTensor], device: &Device) -> Result<Self, Failure> {
        let mut entries = Vec::new();
        for spec in architecture.parameters() {
            let values = find(tensors, &spec.name, &spec.shape)?.to_vec();
            let value = Tensor::from_data(TensorData::new(values, [spec.len()]), device);
            entries.push(Parameter { spec, value });
        }
        Ok(Parameters { entries })
    }
}

fn initial_values(spec: &ParameterSpec, seed: u64) -> Vec<f32> {
    let mut stream = Stream::new(seed, &format!("initial {}", spec.name), &[]);
    match spec.role {
        Role::NormScale => vec![1.0; spec.len()],
        Role::NormShift | Role::Bias => vec![0.0; spec.len()],
        Role::Weight { fan_in, initial: Initial::HeNormal } => {
            let deviation = (2.0 / fan_in as f32).sqrt();
            (0..spec.len()).map(|_| deviation * stream.normal()).collect()
        }
        Role::Weight { fan_in, initial: Initial::Uniform } => {
            let bound = 1.0 / (fan_in as f32).sqrt();
            (0..spec.len()).map(|_| stream.uniform(-bound, bound)).collect()
        }
    }
}

/// The finite numbers of the tensor `name` of the given shape.
pub(crate) fn find<'a>(tensors: &'a [NamedTensor], name: &str, shape: &[usize]) -> Result<&'a [f32], Failure> {
    let tensor = tensors.iter().find(|tensor| tensor.name == name).ok_or_else(|| {
        Failure::input_hint(format!("tensor `{name}` is missing"), "the weights belong to another network than network.json describes")
    })?;
    if tensor.shape != shape {
        return Err(Failure::input(format!("tensor `{name}` has shape {:?}, but the network needs {shape:?}", tensor.shape)));
    }
    let Values::F32(values) = &tensor.values else {
        return Err(Failure::input(format!("tensor `{name}` does not hold 32-bit floating-point numbers")));
    };
    if values.len() != shape.iter().product::<usize>() {
        return Err(Failure::input(format!("tensor `{name}` holds {} numbers, but its shape is {shape:?}", values.len())));
    }
    if let Some(place) = values.iter().position(|v| !v.is_finite()) {
        return Err(Failure::input(format!("tensor `{name}` holds {} at position {place}", values[place])));
    }
    Ok(values)
}
