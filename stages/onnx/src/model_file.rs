//! Model files, checked before ONNX Runtime sees them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use planish_contract::Failure;
use prost::Message;

use crate::proto::tensor_proto::DataType;
use crate::proto::tensor_shape_proto::dimension::Value;
use crate::proto::type_proto::Value as TypeValue;
use crate::proto::{GraphProto, ModelProto, ValueInfoProto};
use crate::tensors;

/// The largest model file that is read (bytes).
pub const LIMIT: u64 = 1 << 30;
/// The most values of one image, and the most classes, that are believed.
const SIZE_LIMIT: usize = 1 << 26;

/// What an image classifier takes and gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name of the input: float images `[n, c, h, w]`.
    pub input: String,
    /// The name of the output: float logits `[n, k]`.
    pub output: String,
    /// An image: `[c, h, w]`.
    pub shape: [usize; 3],
    /// The number of classes, `k`.
    pub classes: usize,
    /// Whether the model takes one image at a time only, instead of batches of any size.
    pub single: bool,
}

/// A model file that passed every check.
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// The file as it was read: what was checked is what is run.
    pub bytes: Vec<u8>,
    /// The decoded file.
    pub model: ModelProto,
    /// What the model takes and gives.
    pub signature: Signature,
}

impl ModelFile {
    /// Reads and checks the file: at most [`LIMIT`] bytes, an ONNX model, all tensors inside the file
    /// and as long as their shapes say, one float input `[n, c, h, w]`, one float output `[n, k]`.
    ///
    /// # Errors
    /// [`Failure::Io`] when the file can't be read, [`Failure::Input`] naming the file and the reason
    /// when it is not such a model.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let refuse = |problem: Problem| {
            let message = format!("{}: {}", path.display(), problem.message);
            Failure::Input { message, hint: problem.hint.map(str::to_owned) }
        };
        let bytes = read_bytes(path)?.map_err(refuse)?;
        let (model, signature) = check(&bytes).map_err(refuse)?;
        Ok(ModelFile { bytes, model, signature })
    }
}

/// Why a model is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Problem { message: message.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: &'static str) -> Self {
        Problem { hint: Some(hint), ..self }
    }
}

fn read_bytes(path: &Path) -> Result<Result<Vec<u8>, Problem>, Failure> {
    // Asked before opening: opening a pipe would wait for its other end.
    let metadata = std::fs::metadata(path).map_err(|e| Failure::io(path, e))?;
    if !metadata.is_file() {
        return Ok(Err(Problem::new("is not a regular file")));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| Failure::io(path, e))?;
    if metadata.len() <= LIMIT {
        file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|e| Failure::io(path, e))?;
    }
    if metadata.len().max(bytes.len() as u64) > LIMIT {
        return Ok(Err(Problem::new(format!("is larger than {} MiB, the most that is read", LIMIT >> 20))));
    }
    Ok(Ok(bytes))
}

pub(crate) fn check(bytes: &[u8]) -> Result<(ModelProto, Signature), Problem> {
    if bytes.is_empty() {
        return Err(Problem::new("is empty, not an ONNX model"));
    }
    let model = ModelProto::decode(bytes).map_err(|e| Problem::new(format!("is not an ONNX model, or is cut off: {e}")))?;
    if model.ir_version.is_none() || model.opset_import.is_empty() {
        return Err(Problem::new("is not an ONNX model: it names no format version or no operator set"));
    }
    tensors::check(&model)?;
    let graph = model.graph.as_ref().ok_or_else(|| Problem::new("is not an ONNX model: it has no graph"))?;
    let signature = signature(graph)?;
    Ok((model, signature))
}

fn signature(graph: &GraphProto) -> Result<Signature, Problem> {
    let input = only("input", graph.input.iter().filter(|value| !graph.initializer.iter().any(|tensor| tensor.name() == value.name())))?;
    let output = only("output", graph.output.iter())?;
    let &[batch, channels, height, width] = dimensions(input)?.as_slice() else {
        return Err(Problem::new(format!("input `{}` is not a batch of images: its shape must be [n, c, h, w]", input.name())));
    };
    let &[_, classes] = dimensions(output)?.as_slice() else {
        return Err(Problem::new(format!("output `{}` is not a batch of logits: its shape must be [n, k]", output.name())));
    };
    if !matches!(batch, None | Some(1)) {
        let message = format!("input `{}` takes batches of a fixed size only", input.name());
        return Err(Problem::new(message).hint("export the model with a dynamic first axis"));
    }
    let fixed = |value: &ValueInfoProto, size: Option<usize>| {
        let message = format!("`{}` does not declare the size of every axis but the first", value.name());
        size.ok_or_else(|| Problem::new(message).hint("export the model with fixed image and logit shapes"))
    };
    let shape = [fixed(input, channels)?, fixed(input, height)?, fixed(input, width)?];
    let classes = fixed(output, classes)?;
    let pixels = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    if pixels.is_none_or(|n| n > SIZE_LIMIT) || classes > SIZE_LIMIT {
        return Err(Problem::new(format!("the declared sizes are too large: images {shape:?}, {classes} classes")));
    }
    Ok(Signature { input: input.name().to_owned(), output: output.name().to_owned(), shape, classes, single: batch == Some(1) })
}

fn only<'a>(what: &str, mut values: impl Iterator<Item = &'a ValueInfoProto>) -> Result<&'a ValueInfoProto, Problem> {
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(Problem::new(format!("is not an image classifier: it has no {what}"))),
        (Some(a), Some(b)) => {
            let message = format!("is not an image classifier: more than one {what} (`{}`, `{}`, …)", a.name(), b.name());
            Err(Problem::new(message).hint("export the model with images as its only input and logits as its only output"))
        }
    }
}

/// The declared sizes of a float tensor; `None` for a dynamic axis.
fn dimensions(value: &ValueInfoProto) -> Result<Vec<Option<usize>>, Problem> {
    let Some(TypeValue::TensorType(tensor)) = value.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return Err(Problem::new(format!("`{}` is not a tensor", value.name())));
    };
    if tensor.elem_type() != DataType::Float as i32 {
        return Err(Problem::new(format!("`{}` is not of 32-bit floats (element type {})", value.name(), tensor.elem_type())));
    }
    let shape = tensor.shape.as_ref().ok_or_else(|| Problem::new(format!("`{}` declares no shape", value.name())))?;
    let size = |dimension: &crate::proto::tensor_shape_proto::Dimension| match dimension.value {
        Some(Value::DimValue(size)) => match usize::try_from(size) {
            Ok(size) if size > 0 => Ok(Some(size)),
            _ => Err(Problem::new(format!("`{}` declares an axis of size {size}", value.name()))),
        },
        _ => Ok(None),
    };
    shape.dim.iter().map(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn problem(model: &ModelProto) -> String {
        check(&model.encode_to_vec()).unwrap_err().message
    }

    #[test]
    fn a_classifier_is_read_with_its_shapes() {
        let (_, signature) = check(&testing::linear(&[1.0; 24]).encode_to_vec()).unwrap();
        assert_eq!(signature, Signature { input: "images".into(), output: "logits".into(), shape: [3, 2, 2], classes: 2, single: false });
    }

    #[test]
    fn what_is_no_model_is_refused() {
        assert!(check(b"").unwrap_err().message.contains("is empty"));
        assert!(check(b"\x89PNG\r\n\x1a\n0000000000").unwrap_err().message.contains("not an ONNX model"));
        assert!(check(b"hello").unwrap_err().message.contains("not an ONNX model"));
        let bytes = testing::linear(&[1.0; 24]).encode_to_vec();
        for length in 0..bytes.len() {
            assert!(check(&bytes[..length]).is_err(), "cut to {length} bytes");
        }
    }

    #[test]
    fn other_inputs_and_outputs_are_refused() {
        let model = testing::linear(&[1.0; 24]);
        let graph = model.graph.clone().unwrap();
        let with = |change: &dyn Fn(&mut GraphProto)| {
            let mut graph = graph.clone();
            change(&mut graph);
            problem(&ModelProto { graph: Some(graph), ..model.clone() })
        };
        assert!(with(&|g| g.input.push(testing::value("more", &[None, Some(1)]))).contains("more than one input"));
        assert!(with(&|g| g.input.clear()).contains("no input"));
        assert!(with(&|g| g.input[0] = testing::value("images", &[None, Some(12)])).contains("[n, c, h, w]"));
        assert!(with(&|g| g.input[0] = testing::value("images", &[Some(8), Some(3), Some(2), Some(2)])).contains("fixed size"));
        assert!(with(&|g| g.input[0] = testing::value("images", &[None, Some(3), None, Some(2)])).contains("every axis"));
        assert!(with(&|g| g.input[0] = testing::value("images", &[None, Some(3), Some(-2), Some(2)])).contains("size -2"));
        assert!(with(&|g| g.input[0] = testing::value("images", &[None, Some(i64::MAX), Some(i64::MAX), Some(2)])).contains("too large"));
        assert!(with(&|g| g.output[0] = testing::value("logits", &[None])).contains("[n, k]"));
        assert!(with(&|g| g.output[0].r#type = None).contains("not a tensor"));
        assert!(problem(&ModelProto { graph: None, ..model.clone() }).contains("no graph"));
    }

    #[test]
    fn a_huge_file_and_a_folder_are_refused_unread() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(LIMIT + 1).unwrap();
        assert!(ModelFile::read(file.path()).unwrap_err().to_string().contains("larger than 1024 MiB"));
        let folder = tempfile::tempdir().unwrap();
        assert!(ModelFile::read(folder.path()).unwrap_err().to_string().contains("not a regular file"));
        assert!(matches!(ModelFile::read(&folder.path().join("absent")), Err(Failure::Io { .. })));
    }
}
