//! Named tensors as safetensors files, little endian.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use planish_contract::Failure;
use safetensors::{Dtype, SafeTensors};
use serde::Serialize;

use crate::atomic;
use crate::mapped::Mapped;

mod late;

pub(crate) use late::write_tensors_late;

/// The elements of a tensor, last axis fastest.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// Bytes.
    U8(Vec<u8>),
    /// 64-bit integers.
    I64(Vec<i64>),
}

impl Values {
    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Values::F32(values) => values.len(),
            Values::U8(values) => values.len(),
            Values::I64(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type's name in the file, and its size in bytes.
    fn element(&self) -> (&'static str, usize) {
        match self {
            Values::F32(_) => ("F32", 4),
            Values::U8(_) => ("U8", 1),
            Values::I64(_) => ("I64", 8),
        }
    }

    fn write(&self, writer: &mut dyn Write) -> std::io::Result<()> {
        match self {
            Values::F32(values) => values.iter().try_for_each(|value| writer.write_all(&value.to_le_bytes())),
            Values::U8(values) => writer.write_all(values),
            Values::I64(values) => values.iter().try_for_each(|value| writer.write_all(&value.to_le_bytes())),
        }
    }
}

/// A tensor with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// The name, unique in its file.
    pub name: String,
    /// The size of each axis; their product is the number of values.
    pub shape: Vec<usize>,
    /// The elements.
    pub values: Values,
}

/// A tensor's entry in the header of the file.
#[derive(Serialize)]
struct Entry<'a> {
    dtype: &'static str,
    shape: &'a [usize],
    data_offsets: [usize; 2],
}

/// Writes tensors; the order in which they are given does not change the bytes.
///
/// # Errors
/// [`Failure::Internal`] when a shape and its values disagree or a name is taken twice, [`Failure::Io`] when the file can't be written.
pub fn write_tensors(path: &Path, tensors: &[NamedTensor], metadata: &BTreeMap<String, String>) -> Result<(), Failure> {
    let (header, order) = header_of(tensors, metadata).map_err(|message| Failure::internal(format!("{}: {message}", path.display())))?;
    atomic::write(path, |writer| {
        writer.write_all(&header)?;
        order.iter().try_for_each(|tensor| tensor.values.write(writer))
    })
}

/// The bytes that [`write_tensors`] would put into a file.
///
/// # Errors
/// [`Failure::Internal`] as there.
pub fn tensor_bytes(tensors: &[NamedTensor], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, Failure> {
    let (mut bytes, order) = header_of(tensors, metadata).map_err(Failure::internal)?;
    for tensor in order {
        tensor.values.write(&mut bytes).map_err(|e| Failure::internal(e.to_string()))?;
    }
    Ok(bytes)
}

/// What the header says of a tensor.
struct Declared<'a> {
    name: &'a str,
    shape: &'a [usize],
    /// The element type's name in the file, and its size in bytes.
    element: (&'static str, usize),
    /// How many elements there are.
    count: usize,
}

impl<'a> Declared<'a> {
    fn of(tensor: &'a NamedTensor) -> Self {
        Declared { name: &tensor.name, shape: &tensor.shape, element: tensor.values.element(), count: tensor.values.len() }
    }
}

/// The header, and the tensors as their data follows.
fn header_of<'a>(tensors: &'a [NamedTensor], metadata: &BTreeMap<String, String>) -> Result<(Vec<u8>, Vec<&'a NamedTensor>), String> {
    let (bytes, order) = header(&tensors.iter().map(Declared::of).collect::<Vec<_>>(), metadata)?;
    Ok((bytes, order.into_iter().filter_map(|index| tensors.get(index)).collect()))
}

/// The header with its length, padded to 8 bytes, and the tensors' places as their data follows: widest elements first, so that all are aligned, then by name.
fn header(tensors: &[Declared], metadata: &BTreeMap<String, String>) -> Result<(Vec<u8>, Vec<usize>), String> {
    let mut order: Vec<(usize, &Declared)> = tensors.iter().enumerate().collect();
    order.sort_by(|(_, a), (_, b)| b.element.1.cmp(&a.element.1).then_with(|| a.name.cmp(b.name)));
    let mut entries = BTreeMap::new();
    let mut offset = 0;
    for (_, tensor) in &order {
        if element_count(tensor.shape) != Some(tensor.count) {
            return Err(format!("tensor `{}` has shape {:?} but {} values", tensor.name, tensor.shape, tensor.count));
        }
        let (dtype, size) = tensor.element;
        let end = offset + size * tensor.count;
        let entry = Entry { dtype, shape: tensor.shape, data_offsets: [offset, end] };
        if entries.insert(tensor.name, entry).is_some() || tensor.name == METADATA {
            return Err(format!("tensor name `{}` is taken", tensor.name));
        }
        offset = end;
    }
    let json = header_json(&entries, metadata).map_err(|e| e.to_string())?;
    let padding = json.len().next_multiple_of(8) - json.len();
    let mut bytes = ((json.len() + padding) as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(json.as_bytes());
    bytes.resize(bytes.len() + padding, b' ');
    Ok((bytes, order.into_iter().map(|(index, _)| index).collect()))
}

/// The key of the header under which free text is kept.
const METADATA: &str = "__metadata__";

fn header_json(entries: &BTreeMap<&str, Entry>, metadata: &BTreeMap<String, String>) -> serde_json::Result<String> {
    let mut header = BTreeMap::new();
    for (name, entry) in entries {
        header.insert(*name, serde_json::to_value(entry)?);
    }
    if !metadata.is_empty() {
        header.insert(METADATA, serde_json::to_value(metadata)?);
    }
    serde_json::to_string(&header)
}

fn element_count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size))
}

/// Reads all tensors, sorted by name.
///
/// # Errors
/// [`Failure::Io`] when the file can't be read, [`Failure::Input`] when it is not a well-formed safetensors file of the types in [`Values`].
pub fn read_tensors(path: &Path) -> Result<Vec<NamedTensor>, Failure> {
    tensors_from_bytes(&Mapped::open(path)?, &path.display().to_string())
}

/// Reads all tensors of a file that is in memory, sorted by name; `place` names it in messages.
///
/// # Errors
/// [`Failure::Input`] as [`read_tensors`].
pub fn tensors_from_bytes(bytes: &[u8], place: &str) -> Result<Vec<NamedTensor>, Failure> {
    tensors_except(None, bytes, place)
}

/// The same without the tensor `left_out`.
///
/// # Errors
/// [`Failure::Input`] as [`read_tensors`].
pub(crate) fn tensors_except(left_out: Option<&str>, bytes: &[u8], place: &str) -> Result<Vec<NamedTensor>, Failure> {
    let file = parse(bytes, place)?;
    let mut tensors = Vec::new();
    for (name, view) in file.iter().filter(|(name, _)| Some(*name) != left_out) {
        let values = values(view.dtype(), view.data())
            .ok_or_else(|| Failure::input(format!("{place}: tensor `{name}` has type {}; F32, U8 and I64 are read", view.dtype())))?;
        if element_count(view.shape()) != Some(values.len()) {
            return Err(Failure::input(format!("{place}: tensor `{name}` has shape {:?} but {} values", view.shape(), values.len())));
        }
        tensors.push(NamedTensor { name: name.to_owned(), shape: view.shape().to_vec(), values });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tensors)
}

/// The shape and the bytes of the tensor `name` of type `dtype`, where they lie in the file; `place` names it in messages.
///
/// # Errors
/// [`Failure::Input`] when there is none, or it does not hold values of that type, as many as its shape says.
pub(crate) fn mapped_values(file: &Mapped, (name, dtype): (&str, Dtype), place: &str) -> Result<(Vec<usize>, Mapped), Failure> {
    let tensors = parse(file, place)?;
    let view = tensors.tensor(name).map_err(|_| Failure::input(format!("{place}: tensor `{name}` is missing")))?;
    if view.dtype() != dtype {
        return Err(Failure::input(format!("{place}: tensor `{name}` is not of type {dtype}")));
    }
    let bits = element_count(view.shape()).and_then(|count| count.checked_mul(dtype.bitsize()));
    let bytes = file.part(view.data()).filter(|bytes| bits == bytes.len().checked_mul(8));
    let bytes = bytes.ok_or_else(|| Failure::input(format!("{place}: tensor `{name}` has another shape than its bytes")))?;
    Ok((view.shape().to_vec(), bytes))
}

fn parse<'a>(bytes: &'a [u8], place: &str) -> Result<SafeTensors<'a>, Failure> {
    SafeTensors::deserialize(bytes).map_err(|e| Failure::input(format!("{place}: not a safetensors file: {e}")))
}

fn values(dtype: Dtype, data: &[u8]) -> Option<Values> {
    match dtype {
        Dtype::F32 => Some(Values::F32(data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())),
        Dtype::U8 => Some(Values::U8(data.to_vec())),
        Dtype::I64 => Some(Values::I64(data.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())),
        _ => None,
    }
}

/// Takes the tensor `name` out of a list; `place` names the file in the message.
///
/// # Errors
/// [`Failure::Input`] when there is none.
pub(crate) fn take(tensors: &mut Vec<NamedTensor>, name: &str, place: &str) -> Result<NamedTensor, Failure> {
    match tensors.iter().position(|tensor| tensor.name == name) {
        Some(index) => Ok(tensors.swap_remove(index)),
        None => Err(Failure::input(format!("{place}: tensor `{name}` is missing"))),
    }
}

/// Takes a vector of `n` whole numbers that fit `u32`.
///
/// # Errors
/// [`Failure::Input`] when the tensor is missing or anything else.
pub(crate) fn take_u32(tensors: &mut Vec<NamedTensor>, name: &str, n: usize, place: &str) -> Result<Vec<u32>, Failure> {
    let tensor = take(tensors, name, place)?;
    let Values::I64(values) = tensor.values else {
        return Err(Failure::input(format!("{place}: tensor `{name}` is not of type I64")));
    };
    if tensor.shape != [n] {
        return Err(Failure::input(format!("{place}: tensor `{name}` has shape {:?}, not [{n}]", tensor.shape)));
    }
    let narrow = |value: i64| u32::try_from(value).map_err(|_| Failure::input(format!("{place}: tensor `{name}` holds {value}")));
    values.into_iter().map(narrow).collect()
}

/// A vector of whole numbers as a tensor.
pub(crate) fn from_u32(name: &str, values: &[u32]) -> NamedTensor {
    let values: Vec<i64> = values.iter().map(|&value| i64::from(value)).collect();
    NamedTensor { name: name.to_owned(), shape: vec![values.len()], values: Values::I64(values) }
}

#[cfg(test)]
mod tests;
