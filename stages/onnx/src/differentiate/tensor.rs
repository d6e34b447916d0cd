//! Reading and making constant tensors.

use crate::proto::TensorProto;
use crate::proto::tensor_proto::DataType;

/// The most entries of a shape tensor that are looked at.
pub(crate) const MOST_ENTRIES: usize = 4096;

/// A size as ONNX stores it; no tensor in memory comes near the limit.
pub(crate) fn signed(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// The number of values that a tensor's shape promises.
pub(crate) fn elements(tensor: &TensorProto) -> Option<usize> {
    tensor.dims.iter().try_fold(1usize, |product, &size| product.checked_mul(usize::try_from(size).ok()?))
}

/// The values of a small tensor of whole numbers or booleans.
pub(crate) fn integers(tensor: &TensorProto) -> Option<Vec<i64>> {
    let count = elements(tensor).filter(|count| *count <= MOST_ENTRIES)?;
    let kind = DataType::try_from(tensor.data_type()).ok()?;
    let values: Vec<i64> = match (&tensor.raw_data, kind) {
        (Some(raw), DataType::Int64) => words(raw, i64::from_le_bytes),
        (Some(raw), DataType::Int32) => words(raw, i32::from_le_bytes).into_iter().map(i64::from).collect(),
        (Some(raw), DataType::Bool) => raw.iter().map(|byte| i64::from(*byte)).collect(),
        (None, DataType::Int64) => tensor.int64_data.clone(),
        (None, DataType::Int32 | DataType::Bool) => tensor.int32_data.iter().map(|value| i64::from(*value)).collect(),
        _ => return None,
    };
    (values.len() == count).then_some(values)
}

/// The values of a tensor of 32- or 64-bit floats.
pub(crate) fn floats(tensor: &TensorProto) -> Option<Vec<f64>> {
    let count = elements(tensor)?;
    let values: Vec<f64> = match (&tensor.raw_data, DataType::try_from(tensor.data_type()).ok()?) {
        (Some(raw), DataType::Float) => words(raw, f32::from_le_bytes).into_iter().map(f64::from).collect(),
        (Some(raw), DataType::Double) => words(raw, f64::from_le_bytes),
        (None, DataType::Float) => tensor.float_data.iter().copied().map(f64::from).collect(),
        (None, DataType::Double) => tensor.double_data.clone(),
        _ => return None,
    };
    (values.len() == count).then_some(values)
}

fn words<T, const N: usize>(raw: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    raw.as_chunks::<N>().0.iter().map(|bytes| read(*bytes)).collect()
}

/// A tensor of floats of the given element type (32 or 64 bits).
pub(crate) fn of_floats(element: DataType, dims: &[i64], values: &[f64]) -> TensorProto {
    let raw: Vec<u8> = match element {
        DataType::Double => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        _ => values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect(),
    };
    TensorProto { dims: dims.to_vec(), data_type: Some(element as i32), raw_data: Some(raw), ..Default::default() }
}

/// A tensor of whole numbers.
pub(crate) fn of_integers(dims: &[i64], values: &[i64]) -> TensorProto {
    let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    TensorProto { dims: dims.to_vec(), data_type: Some(DataType::Int64 as i32), raw_data: Some(raw), ..Default::default() }
}
