//! The tiny trained network of `tests/golden/attack_pgd.py`, as a checkpoint and as an ONNX model.

use std::path::{Path, PathBuf};

use planish_attack::judge::Scorer;
use planish_contract::{Failure, Folder};
use planish_formats::{CheckpointFiles, NamedTensor, Split, Values, read_tensors};
use planish_nn::{BurnVictim, NetworkConfig, Victim, device, load_checkpoint};
use planish_onnx::proto::tensor_proto::DataType;
use planish_onnx::proto::tensor_shape_proto::{Dimension, dimension};
use planish_onnx::proto::type_proto::{Tensor, Value};
use planish_onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
    attribute_proto::AttributeType,
};
use prost::Message;

/// The radius of the golden file.
pub(crate) const EPS: f64 = 0.04;
pub(crate) const SHAPE: [usize; 3] = [2, 8, 8];
pub(crate) const CLASSES: usize = 4;
pub(crate) const MEAN: [f64; 2] = [0.45, 0.55];
pub(crate) const STD: [f64; 2] = [0.25, 0.3];

/// The golden file's tensors.
pub(crate) struct Golden(Vec<NamedTensor>);

impl Golden {
    pub(crate) fn read() -> Self {
        Golden::open("attack_pgd")
    }

    pub(crate) fn open(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(format!("{name}.safetensors"));
        Golden(read_tensors(&path).unwrap())
    }

    fn tensor(&self, name: &str) -> &NamedTensor {
        self.0.iter().find(|tensor| tensor.name == name).unwrap()
    }

    pub(crate) fn floats(&self, name: &str) -> &[f32] {
        match &self.tensor(name).values {
            Values::F32(values) => values,
            other => panic!("{name}: {other:?}"),
        }
    }

    pub(crate) fn integers(&self, name: &str) -> Vec<u32> {
        match &self.tensor(name).values {
            Values::I64(values) => values.iter().map(|&v| u32::try_from(v).unwrap()).collect(),
            other => panic!("{name}: {other:?}"),
        }
    }

    pub(crate) fn images(&self) -> Split {
        let labels = self.integers("labels");
        let Values::U8(images) = &self.tensor("images").values else { panic!("images are not u8") };
        Split { shape: SHAPE, images: images.clone().into(), ids: (0..48).map(|i| 2 * i + 1).collect(), labels }
    }

    /// Weights and biases, by name.
    pub(crate) fn weights(&self) -> Vec<NamedTensor> {
        self.0.iter().filter(|tensor| tensor.name.contains('.')).cloned().collect()
    }
}

/// Writes a checkpoint with these weights.
pub(crate) fn write_checkpoint(dir: &Path, weights: &[NamedTensor]) -> Folder {
    let network = serde_json::from_str(r#"{ "small-cnn": { "width": 3, "activation": "softplus", "norm": false } }"#).unwrap();
    let classes = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let config = NetworkConfig { schema: NetworkConfig::SCHEMA, network, input: SHAPE, classes, mean: MEAN.to_vec(), std: STD.to_vec() };
    CheckpointFiles::write(dir, &config, weights, &[]).unwrap();
    Folder::open(dir).unwrap()
}

/// The golden network as a victim that computes `batch` images at a time.
pub(crate) fn victim(batch: usize) -> BurnVictim {
    let dir = tempfile::tempdir().unwrap();
    let folder = write_checkpoint(dir.path(), &Golden::read().weights());
    let device = device::open(&planish_nn::DeviceName::Cpu).unwrap();
    BurnVictim::new(load_checkpoint(&folder, &device).unwrap(), batch)
}

/// A network that judges itself.
pub(crate) struct Own(pub(crate) BurnVictim);

impl Scorer for Own {
    fn shape(&self) -> [usize; 3] {
        self.0.shape()
    }
    fn classes(&self) -> usize {
        self.0.classes()
    }
    fn logits(&mut self, images: &[f32]) -> Result<Vec<f32>, Failure> {
        self.0.logits(images)
    }
}

/// Writes the golden network with these weights as `model.onnx`.
pub(crate) fn write_onnx(dir: &Path, weights: &[NamedTensor]) -> PathBuf {
    let path = dir.join("model.onnx");
    std::fs::write(&path, onnx(weights).encode_to_vec()).unwrap();
    path
}

/// An operator that the golden network gets in addition.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    /// On the images.
    Before(&'static str),
    /// On the logits.
    After(&'static str),
    /// Of the logits' shape, and added to them.
    Beside(&'static str),
}

/// Writes the golden network, changed, to `path`.
pub(crate) fn write_changed(path: &Path, change: Change) {
    let mut model = onnx(&Golden::read().weights());
    let nodes = &mut model.graph.as_mut().unwrap().node;
    match change {
        Change::Before(operator) => {
            nodes[0].input[0] = "changed".into();
            nodes.insert(0, node(operator, &["images"], "changed", vec![]));
        }
        Change::After(operator) => {
            nodes.last_mut().unwrap().output[0] = "before".into();
            nodes.push(node(operator, &["before"], "logits", vec![]));
        }
        Change::Beside(operator) => {
            nodes.last_mut().unwrap().output[0] = "before".into();
            nodes.push(node(operator, &["before"], "noise", vec![]));
            nodes.push(node("Add", &["before", "noise"], "logits", vec![]));
        }
    }
    std::fs::write(path, model.encode_to_vec()).unwrap();
}

fn onnx(weights: &[NamedTensor]) -> ModelProto {
    let mut graph = GraphProto {
        name: Some("tiny".into()),
        initializer: weights.iter().map(tensor).collect(),
        input: vec![value("images", &[None, Some(2), Some(8), Some(8)])],
        output: vec![value("logits", &[None, Some(4)])],
        ..Default::default()
    };
    for (name, values) in [("mean", MEAN), ("std", STD)] {
        let values = Values::F32(values.map(|v| v as f32).to_vec());
        graph.initializer.push(tensor(&NamedTensor { name: name.into(), shape: vec![1, 2, 1, 1], values }));
    }
    graph.node.push(node("Sub", &["images", "mean"], "centred", vec![]));
    graph.node.push(node("Div", &["centred", "std"], "map0", vec![]));
    for (number, stride) in [(1, 2), (2, 1), (3, 2), (4, 1)] {
        let (from, weight, bias) = (format!("map{}", number - 1), format!("conv{number}.weight"), format!("conv{number}.bias"));
        let attributes = vec![integers("pads", &[1, 1, 1, 1]), integers("strides", &[stride, stride])];
        graph.node.push(node("Conv", &[&from, &weight, &bias], &format!("conv{number}"), attributes));
        graph.node.push(node("Softplus", &[&format!("conv{number}")], &format!("map{number}"), vec![]));
    }
    graph.node.push(node("GlobalAveragePool", &["map4"], "pooled", vec![]));
    graph.node.push(node("Flatten", &["pooled"], "flat", vec![]));
    let transpose =
        AttributeProto { name: Some("transB".into()), r#type: Some(AttributeType::Int as i32), i: Some(1), ..Default::default() };
    graph.node.push(node("Gemm", &["flat", "fc.weight", "fc.bias"], "logits", vec![transpose]));
    let operators = OperatorSetIdProto { domain: Some(String::new()), version: Some(17) };
    ModelProto { ir_version: Some(8), opset_import: vec![operators], graph: Some(graph), ..Default::default() }
}

fn node(operator: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: Some(operator.into()),
        input: inputs.iter().map(|&name| name.into()).collect(),
        output: vec![output.into()],
        attribute,
        ..Default::default()
    }
}

fn integers(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { name: Some(name.into()), r#type: Some(AttributeType::Ints as i32), ints: values.to_vec(), ..Default::default() }
}

fn tensor(named: &NamedTensor) -> TensorProto {
    let Values::F32(values) = &named.values else { panic!("{} is not f32", named.name) };
    TensorProto {
        name: Some(named.name.clone()),
        dims: named.shape.iter().map(|&size| i64::try_from(size).unwrap()).collect(),
        data_type: Some(DataType::Float as i32),
        raw_data: Some(values.iter().flat_map(|w| w.to_le_bytes()).collect()),
        ..Default::default()
    }
}

fn value(name: &str, sizes: &[Option<i64>]) -> ValueInfoProto {
    let dim = |size: &Option<i64>| Dimension { value: size.map(dimension::Value::DimValue), denotation: None };
    let shape = TensorShapeProto { dim: sizes.iter().map(dim).collect() };
    let tensor = Tensor { elem_type: Some(DataType::Float as i32), shape: Some(shape) };
    let kind = TypeProto { denotation: None, value: Some(Value::TensorType(tensor)) };
    ValueInfoProto { name: Some(name.into()), r#type: Some(kind), ..Default::default() }
}
