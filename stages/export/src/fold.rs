//! Batch normalisation as a part of the convolution before it.

use std::collections::BTreeMap;

use planish_contract::Failure;
use planish_formats::{NamedTensor, Values};
use planish_nn::{Architecture, NORM_EPSILON, Operation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of batch normalisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BatchNorm {
    /// It stays an operator of its own, with the trained numbers under their own names. Runtimes fold it where they can.
    #[default]
    Keep,
    /// It becomes part of the convolution before it, or, where none is before it, one multiplication and one addition.
    Fold,
}

/// A normalisation as `x · scale + shift`, one number a channel.
pub(crate) struct Affine {
    pub(crate) scale: Vec<f64>,
    pub(crate) shift: Vec<f64>,
}

/// The convolutions that take the normalisation after them in: node of the convolution → node of the normalisation. Its result
/// must go nowhere else.
pub(crate) fn pairs(architecture: &Architecture) -> BTreeMap<usize, usize> {
    let readers = |index: usize| architecture.nodes.iter().flat_map(|node| &node.inputs).filter(|input| **input == index).count();
    let pair = |(index, node): (usize, &planish_nn::Node)| {
        let (Operation::NormActivation { .. }, [input]) = (&node.operation, node.inputs.as_slice()) else { return None };
        let before = architecture.nodes.get(*input)?;
        let foldable = matches!(before.operation, Operation::Convolution { .. }) && readers(*input) == 1;
        foldable.then_some((*input, index))
    };
    architecture.nodes.iter().enumerate().filter_map(pair).collect()
}

/// The normalisation `name` by its running statistics: `(x − mean) / sqrt(var + eps) · weight + bias`, in 64 bits.
pub(crate) fn affine(tensors: &[NamedTensor], name: &str) -> Result<Affine, Failure> {
    let [weight, bias, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map(|part| format!("{name}.{part}"));
    let (weight, bias) = (values(tensors, &weight)?, values(tensors, &bias)?);
    let (mean, variance) = (values(tensors, &mean)?, values(tensors, &variance)?);
    let scale: Vec<f64> = weight.iter().zip(variance).map(|(w, v)| f64::from(*w) / (f64::from(*v) + NORM_EPSILON).sqrt()).collect();
    let shift = bias.iter().zip(mean).zip(&scale).map(|((b, m), s)| f64::from(*b) - f64::from(*m) * s).collect();
    Ok(Affine { scale, shift })
}

/// The kernel and bias of the convolution `name` followed by the normalisation: its filters come first in `[filters, …]`.
pub(crate) fn convolution(tensors: &[NamedTensor], name: &str, bias: bool, norm: &Affine) -> Result<(Vec<f32>, Vec<f32>), Failure> {
    let weight = values(tensors, &format!("{name}.weight"))?;
    let filters = norm.scale.len();
    if filters == 0 || !weight.len().is_multiple_of(filters) {
        return Err(Failure::internal(format!("the normalisation after `{name}` has {filters} channels")));
    }
    let kernels = weight.chunks(weight.len() / filters).zip(&norm.scale);
    let folded = kernels.flat_map(|(kernel, scale)| kernel.iter().map(move |w| (f64::from(*w) * scale) as f32)).collect();
    let old = if bias { values(tensors, &format!("{name}.bias"))?.to_vec() } else { vec![0.0; filters] };
    let bias = norm.shift.iter().zip(&norm.scale).zip(old).map(|((shift, scale), old)| (shift + f64::from(old) * scale) as f32).collect();
    Ok((folded, bias))
}

fn values<'a>(tensors: &'a [NamedTensor], name: &str) -> Result<&'a [f32], Failure> {
    match tensors.iter().find(|tensor| tensor.name == name).map(|tensor| &tensor.values) {
        Some(Values::F32(values)) => Ok(values),
        _ => Err(Failure::internal(format!("there are no weights `{name}` of 32-bit floats"))),
    }
}
