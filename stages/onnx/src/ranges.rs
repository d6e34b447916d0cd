//! What values the tensors inside a model take.

use ort::value::TensorRef;
use planish_contract::Failure;
use prost::Message;

use crate::classifier::{session, words};
use crate::model_file::ModelFile;
use crate::proto::tensor_proto::DataType;
use crate::proto::type_proto::{Tensor, Value};
use crate::proto::{TypeProto, ValueInfoProto};
use crate::runtime;

/// How many images are run at once: every tensor that is looked at is kept for them.
const BATCH: usize = 8;

/// The smallest and the largest value that each of the float tensors `names` takes on `images` `[n, c, h, w]`; the model must take
/// batches.
///
/// # Errors
/// [`Failure::Input`] when ONNX Runtime can't run the model or does not know a name, [`Failure::Diverged`] when a value is not finite,
/// [`Failure::Internal`] for a model for single images.
pub fn ranges(model: &ModelFile, names: &[String], images: &[f32], threads: usize) -> Result<Vec<(f32, f32)>, Failure> {
    let signature = &model.signature;
    if signature.single {
        return Err(Failure::internal("ranges are measured on batches"));
    }
    runtime::ensure(None)?;
    let mut watched = model.model.clone();
    if let Some(graph) = &mut watched.graph {
        graph.output = names.iter().map(|name| float(name)).collect();
    }
    let failed = |e: ort::Error| Failure::input(format!("ONNX Runtime can't measure the model's values: {}", words(&e)));
    let mut session = session(&watched.encode_to_vec(), threads.into())?.map_err(failed)?;
    let mut ranges = vec![(f32::INFINITY, f32::NEG_INFINITY); names.len()];
    let [channels, height, width] = signature.shape;
    let size = channels * height * width;
    for images in images.chunks(BATCH * size) {
        let tensor = TensorRef::from_array_view(([images.len() / size, channels, height, width], images)).map_err(failed)?;
        let outputs = session.run(ort::inputs![signature.input.as_str() => tensor]).map_err(failed)?;
        for (name, range) in names.iter().zip(&mut ranges) {
            let output = outputs.get(name).ok_or_else(|| Failure::internal(format!("no output `{name}`")))?;
            let (_, values) = output.try_extract_tensor::<f32>().map_err(failed)?;
            *range = values.iter().fold(*range, |(low, high), value| (low.min(*value), high.max(*value)));
            if values.iter().any(|value| !value.is_finite()) {
                return Err(Failure::Diverged(format!("the value `{name}` inside the model is not finite")));
            }
        }
    }
    Ok(ranges)
}

/// A float tensor of unknown shape.
fn float(name: &str) -> ValueInfoProto {
    let tensor = Tensor { elem_type: Some(DataType::Float as i32), shape: None };
    let kind = TypeProto { denotation: None, value: Some(Value::TensorType(tensor)) };
    ValueInfoProto { name: Some(name.to_owned()), r#type: Some(kind), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn the_smallest_and_largest_values_are_found() {
        let model = ModelFile::from_bytes(testing::linear(&[1.0; 24]).encode_to_vec()).unwrap();
        let mut images = vec![0.5; 20 * 12];
        images[17] = -3.0;
        images[239] = 9.0;
        let found = ranges(&model, &["flat".into(), "logits".into()], &images, 1).unwrap();
        assert_eq!(found, [(-3.0, 9.0), (2.5, 14.5)]);
        assert!(ranges(&model, &["nowhere".into()], &images, 1).is_err());
        images[0] = f32::INFINITY;
        assert!(matches!(ranges(&model, &["flat".into()], &images, 1), Err(Failure::Diverged(_))));
    }
}
