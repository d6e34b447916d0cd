//! How many digits the products of a network have.

use burn::tensor::{FloatDType, Tensor};
use planish_contract::Failure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Device;

/// The numbers that convolutions and linear layers multiply. Everything else of a network, its weights, statistics, losses and
/// sums of gradients, is in single precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Bfloat16: operands and results are rounded to 8 bits of mantissa, in the forward pass and in the reverse pass (what PyTorch's autocast
    /// does to these layers). Faster where the device has units for it; on the processor it is rounded the same and gains nothing.
    Bf16,
}

impl Precision {
    /// Whether it is single precision.
    #[must_use]
    pub fn is_single(&self) -> bool {
        *self == Precision::F32
    }

    /// Whether `device` has these numbers.
    ///
    /// # Errors
    /// [`Failure::Input`] when it does not.
    pub fn check(self, device: &Device) -> Result<(), Failure> {
        if self.is_single() || device.clone().without_autodiff().supports_dtype(FloatDType::BF16) {
            return Ok(());
        }
        Err(Failure::input_hint(
            format!("the device `{}` has no bfloat16", crate::device::describe(device)),
            "write precision = \"f32\", or choose another device",
        ))
    }
}

/// The nearest bfloat16 (of two, the even one) as single precision. Its gradient is rounded the same way.
pub(crate) fn rounded<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    to_single(to_half(x))
}

/// As bfloat16.
pub(crate) fn to_half<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.cast(FloatDType::BF16)
}

/// As single precision.
pub(crate) fn to_single<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.cast(FloatDType::F32)
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    fn of(values: &[f32]) -> Tensor<1> {
        Tensor::from_data(TensorData::from(values), &Device::flex())
    }

    fn numbers(tensor: &Tensor<1>) -> Vec<f32> {
        tensor.try_to_vec_as().unwrap()
    }

    #[test]
    fn rounding_is_to_the_nearest_and_of_two_to_the_even_one() {
        let step = 1.0 / 128.0;
        let rounded = numbers(&rounded(of(&[1.0, 1.0 + 0.4 * step, 1.0 + 0.6 * step, 1.0 + 0.5 * step, 1.0 + 1.5 * step, -3.0e-39, 1e38])));
        assert_eq!(rounded[..5], [1.0, 1.0, 1.0 + step, 1.0, 1.0 + 2.0 * step]);
        assert!((rounded[5] + 3.0e-39).abs() < 1e-40 && (rounded[6] / 1e38 - 1.0).abs() < 4e-3);
    }

    #[test]
    fn the_gradient_is_rounded_as_well() {
        let x = of(&[1.0, 2.0]).autodiff().require_grad();
        let weights = of(&[1.003, 0.7]).autodiff();
        let mut gradients = (rounded(x.clone()) * weights).sum().backward();
        assert_eq!(numbers(&x.grad_remove(&mut gradients).unwrap()), numbers(&rounded(of(&[1.003, 0.7]))));
    }

    #[test]
    fn the_processor_has_both() {
        Precision::F32.check(&Device::flex()).unwrap();
        Precision::Bf16.check(&Device::flex()).unwrap();
        assert_eq!(serde_json::to_string(&Precision::Bf16).unwrap(), "\"bf16\"");
    }
}
