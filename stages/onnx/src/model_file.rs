//! Model files, inspected before ONNX Runtime sees them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use planish_contract::Failure;
use prost::Message;

use crate::inspect::{self, Inspection, Layout, Problem, Signature, external};
use crate::proto::ModelProto;

/// The largest model that is read, with all its values (bytes): what one protobuf message may hold.
pub const LIMIT: u64 = (1 << 31) - 1;

/// A model file that passed the [inspection](crate::inspect).
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// The whole model, encoded: what was checked is what is run. The file as it was read; or, if it kept values in other
    /// files, the model with those values in it; or, if it takes its channels last, the model behind a transposition.
    pub bytes: Vec<u8>,
    /// The decoded model.
    pub model: ModelProto,
    /// What the model takes and gives.
    pub signature: Signature,
    /// What else the inspection found out.
    pub inspection: Inspection,
}

impl ModelFile {
    /// Reads and inspects the file, and the files in its folder that hold its values.
    ///
    /// # Errors
    /// [`Failure::Io`] when the file can't be read, [`Failure::Input`] naming the file, the place in it, the reason and what to do
    /// when it is not an image classifier that can be trusted to load.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        Self::read_as(path, None)
    }

    /// As [`ModelFile::read`], with the order of the input's axes told instead of guessed.
    ///
    /// # Errors
    /// As there.
    pub fn read_as(path: &Path, layout: Option<Layout>) -> Result<Self, Failure> {
        let file = path.display().to_string();
        let bytes = read_bytes(path)?.map_err(|problem| problem.of_file(&file))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::inspect(bytes, Some(folder), layout).map_err(|problem| problem.of_file(&file))
    }

    /// Inspects a model that is in memory, and keeps all its values there.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Problem> {
        Self::inspect(bytes, None, None)
    }

    fn inspect(bytes: Vec<u8>, folder: Option<&Path>, layout: Option<Layout>) -> Result<Self, Problem> {
        let mut model = inspect::decode(&bytes)?;
        let mut changed = external::used(&model);
        if changed {
            external::fetch(&mut model, folder)?;
        }
        let (signature, inspection) = inspect::inspect(&model, layout)?;
        changed |= inspect::channels_first(&mut model, &signature);
        let bytes = if changed { model.encode_to_vec() } else { bytes };
        if bytes.len() as u64 > LIMIT {
            return Err(too_large());
        }
        Ok(ModelFile { bytes, model, signature, inspection })
    }
}

fn too_large() -> Problem {
    Problem::new(format!("is larger than {} MiB, the most that is read", (LIMIT + 1) >> 20))
}

/// The bytes of a model file, at most [`LIMIT`].
pub(crate) fn read_bytes(path: &Path) -> Result<Result<Vec<u8>, Problem>, Failure> {
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
        return Ok(Err(too_large()));
    }
    Ok(Ok(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::attribute_proto::AttributeType;
    use crate::proto::tensor_proto::{DataLocation, DataType};
    use crate::proto::{AttributeProto, GraphProto, NodeProto, StringStringEntryProto, TensorProto};
    use crate::testing;

    #[test]
    fn a_classifier_is_read_with_its_shapes() {
        let file = ModelFile::from_bytes(testing::linear(&[1.0; 24]).encode_to_vec()).unwrap();
        let expected = testing::signature([3, 2, 2], 2);
        assert_eq!(file.signature, expected);
        assert_eq!((file.inspection.opset, file.inspection.ir_version, file.inspection.parameters), (17, 8, 24));
    }

    #[test]
    fn models_of_both_exporters_of_pytorch_pass_without_a_note() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/onnx_zoo");
        let models = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        let mut count = 0;
        for path in models.filter(|path| path.extension().is_some_and(|extension| extension == "onnx")) {
            let file = ModelFile::read(&path).unwrap_or_else(|failure| panic!("{failure}"));
            assert_eq!(file.inspection.notes, [], "{}", path.display());
            count += 1;
        }
        assert!(count >= 20, "{count} models");
    }

    #[test]
    fn what_is_no_model_is_refused() {
        let problem = |bytes: &[u8]| ModelFile::from_bytes(bytes.to_vec()).unwrap_err().message;
        assert!(problem(b"").contains("is empty"));
        assert!(problem(b"\x89PNG\r\n\x1a\n0000000000").contains("not an ONNX model"));
        assert!(problem(b"hello").contains("not an ONNX model"));
        let bytes = testing::linear(&[1.0; 24]).encode_to_vec();
        for length in 0..bytes.len() {
            assert!(ModelFile::from_bytes(bytes[..length].to_vec()).is_err(), "cut to {length} bytes");
        }
    }

    #[test]
    fn a_huge_file_and_a_folder_are_refused_unread() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(LIMIT + 1).unwrap();
        assert!(ModelFile::read(file.path()).unwrap_err().to_string().contains("larger than 2048 MiB"));
        let folder = tempfile::tempdir().unwrap();
        assert!(ModelFile::read(folder.path()).unwrap_err().to_string().contains("not a regular file"));
        assert!(matches!(ModelFile::read(&folder.path().join("absent")), Err(Failure::Io { .. })));
    }

    /// A model whose weights are the bytes `offset..offset + 96` of the file `location`.
    fn external(location: &str, offset: &str) -> ModelProto {
        let mut model = testing::linear(&[1.0; 24]);
        let tensor = &mut model.graph.as_mut().unwrap().initializer[0];
        let entry = |(key, value): (&str, &str)| StringStringEntryProto { key: Some(key.into()), value: Some(value.into()) };
        *tensor = TensorProto {
            raw_data: None,
            data_location: Some(DataLocation::External as i32),
            external_data: [("location", location), ("offset", offset), ("length", "96")].map(entry).to_vec(),
            ..tensor.clone()
        };
        model
    }

    /// As [`external`], with the tensor in a Constant node; `deep` puts that into a branch.
    fn external_constant(deep: bool) -> ModelProto {
        let mut model = external("weights.bin", "4");
        let graph = model.graph.as_mut().unwrap();
        let weights = graph.initializer.remove(0);
        let output = weights.name().to_owned();
        let constant = |output: &str, tensor| {
            let (name, r#type) = (Some("value".into()), Some(AttributeType::Tensor as i32));
            let attribute = vec![AttributeProto { name, r#type, t: Some(tensor), ..Default::default() }];
            NodeProto { attribute, ..testing::node("Constant", &[], output) }
        };
        if !deep {
            graph.node.insert(0, constant(&output, weights));
            return model;
        }
        let (name, value) = (Some("branch".into()), testing::value("inner", &[Some(12), Some(2)]));
        let branch = GraphProto { name, node: vec![constant("inner", weights)], output: vec![value], ..Default::default() };
        let yes = TensorProto { data_type: Some(DataType::Bool as i32), raw_data: Some(vec![1]), ..Default::default() };
        let attribute = ["then_branch", "else_branch"].map(|name| {
            let (name, r#type) = (Some(name.into()), Some(AttributeType::Graph as i32));
            AttributeProto { name, r#type, g: Some(branch.clone()), ..Default::default() }
        });
        let choice = NodeProto { attribute: attribute.to_vec(), ..testing::node("If", &["yes"], &output) };
        graph.node.splice(0..0, [constant("yes", yes), choice]);
        model
    }

    #[test]
    fn values_of_constants_and_nested_graphs_are_fetched_as_those_of_initializers() {
        let folder = tempfile::tempdir().unwrap();
        let values: Vec<u8> = (0..25u8).flat_map(|v| f32::from(v).to_le_bytes()).collect();
        std::fs::write(folder.path().join("weights.bin"), &values).unwrap();
        let path = folder.path().join("model.onnx");
        for deep in [false, true] {
            std::fs::write(&path, external_constant(deep).encode_to_vec()).unwrap();
            let file = ModelFile::read(&path).unwrap_or_else(|failure| panic!("{failure}"));
            assert!(!external::used(&file.model));
            assert_eq!(crate::read_proto(&path, &mut |location| location == "weights.bin").unwrap(), file.model);
            assert!(crate::read_proto(&path, &mut |_| false).unwrap_err().to_string().contains("not among those given"));
            let again = ModelFile::from_bytes(file.bytes.clone()).unwrap();
            assert_eq!(again.model, file.model);
            assert!(file.bytes.windows(96).any(|part| part == &values[4..]), "deep: {deep}");
        }
    }

    #[test]
    fn values_in_the_models_folder_are_fetched_and_no_others() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("model");
        std::fs::create_dir(&folder).unwrap();
        let values: Vec<u8> = (0..25u8).flat_map(|v| f32::from(v).to_le_bytes()).collect();
        std::fs::write(folder.join("weights.bin"), &values).unwrap();
        std::fs::write(root.path().join("outside.bin"), &values).unwrap();
        std::os::unix::fs::symlink("weights.bin", folder.join("link.bin")).unwrap();
        std::os::unix::fs::symlink(&folder, folder.join("loop")).unwrap();
        let read = |location: &str, offset: &str| {
            let path = folder.join("model.onnx");
            std::fs::write(&path, external(location, offset).encode_to_vec()).unwrap();
            ModelFile::read(&path).map_err(|e| e.to_string())
        };
        let file = read("./weights.bin", "4").unwrap();
        assert_eq!(file.model.graph.as_ref().unwrap().initializer[0].raw_data(), &values[4..]);
        assert_eq!(ModelFile::from_bytes(file.bytes).unwrap().model, file.model);
        let outside = root.path().join("outside.bin");
        for location in ["../outside.bin", outside.to_str().unwrap(), "loop/../../outside.bin", ""] {
            assert!(read(location, "0").unwrap_err().contains("out of the model's folder"), "{location}");
        }
        for location in ["link.bin", "loop/weights.bin"] {
            assert!(read(location, "0").unwrap_err().contains("is a link"), "{location}");
        }
        assert!(read("absent.bin", "0").unwrap_err().contains("`absent.bin`"));
        assert!(read("weights.bin", "5").unwrap_err().contains("bytes 5 to 101, but that has 100 bytes"));
        assert!(read("weights.bin", &u64::MAX.to_string()).unwrap_err().contains("but that has 100 bytes"));
        assert!(read("weights.bin", "x").unwrap_err().contains("no number"));
        assert!(ModelFile::from_bytes(external("weights.bin", "0").encode_to_vec()).unwrap_err().message.contains("can't be read here"));
    }
}
