//! A network and its weights as an ONNX model.

use std::collections::BTreeMap;

use planish_contract::Failure;
use planish_formats::NamedTensor;
use planish_nn::{Activation, Architecture, NORM_EPSILON, Node, Operation};
use planish_onnx::proto::{ModelProto, OperatorSetIdProto, StringStringEntryProto};

use crate::fold::{self, BatchNorm};
use crate::graph::{GraphWriter, float, int, ints};

/// The name of a model's input: images `[batch, c, h, w]`, values in `[0,1]`.
pub const INPUT: &str = "images";
/// The name of a model's output: logits `[batch, k]`.
pub const OUTPUT: &str = "logits";

/// The operator sets that can be asked for, with the format version that came with each. All operators that
/// are written mean the same in all of them.
const OPERATOR_SETS: [(i64, i64); 9] = [(13, 7), (14, 7), (15, 8), (16, 8), (17, 8), (18, 8), (19, 9), (20, 9), (21, 10)];

/// What becomes a model.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The graph.
    pub architecture: &'a Architecture,
    /// Its trained tensors and running statistics, named as in `weights.safetensors`.
    pub tensors: &'a [NamedTensor],
    /// The names of the classes, in the order of the logits.
    pub classes: &'a [String],
    /// BLAKE3 of the weights' file, in hex: says which checkpoint the model was made of.
    pub digest: &'a str,
}

/// The format version that goes with an operator set; `None` when models can't be written for it.
pub(crate) fn format_version(opset: i64) -> Option<i64> {
    OPERATOR_SETS.iter().find(|(operators, _)| *operators == opset).map(|(_, format)| *format)
}

/// Writes the network as an ONNX model of operator set `opset`: input [`INPUT`], output [`OUTPUT`], a dynamic batch
/// axis, initializers named as the weights, the same bytes for the same source.
///
/// Softplus is written as relu(x) − ln sigmoid(|x|), the same function in a form that ONNX Runtime vectorises.
///
/// # Errors
/// [`Failure::Input`] for an unknown operator set, [`Failure::Internal`] when weights are missing or names clash.
pub fn convert(source: &Source, opset: i64, batch_norm: BatchNorm) -> Result<ModelProto, Failure> {
    let format = format_version(opset).ok_or_else(|| Failure::input(format!("ONNX models can't be written for operator set {opset}")))?;
    let Architecture { nodes, input, classes } = source.architecture;
    let mut graph = GraphWriter::new(INPUT, source.tensors);
    let mut values: Vec<String> = Vec::with_capacity(nodes.len());
    let mut norms = Norms::new(source, batch_norm);
    for (index, node) in nodes.iter().enumerate() {
        let name = if index + 1 == nodes.len() { OUTPUT.to_owned() } else { value_name(node, index) };
        let inputs = node.inputs.iter().map(|&from| values.get(from).map(String::as_str)).collect::<Option<Vec<_>>>();
        let inputs = inputs.ok_or_else(|| Failure::internal(format!("node {index} of the network reads a later node")))?;
        norms.at(index);
        write_node(&mut graph, node, &inputs, (&name, &norms))?;
        values.push(name);
    }
    let metadata = metadata(source)?;
    let operators = OperatorSetIdProto { domain: Some(String::new()), version: Some(opset) };
    Ok(ModelProto {
        ir_version: Some(format),
        opset_import: vec![operators],
        producer_name: Some("planish".to_owned()),
        graph: Some(graph.finish("network", (INPUT, input), (OUTPUT, &[*classes]))),
        metadata_props: metadata,
        ..Default::default()
    })
}

/// What people and programs that find the file want to know, sorted by key.
fn metadata(source: &Source) -> Result<Vec<StringStringEntryProto>, Failure> {
    let classes = serde_json::to_string(source.classes).map_err(|e| Failure::internal(e.to_string()))?;
    let entries = [("classes", classes), ("input_range", "[0,1]".to_owned()), ("weights_blake3", source.digest.to_owned())];
    Ok(entries.into_iter().map(|(key, value)| StringStringEntryProto { key: Some(key.to_owned()), value: Some(value) }).collect())
}

/// The name of the value that a node computes: its layer's name, else what it is and where it stands.
fn value_name(node: &Node, index: usize) -> String {
    match &node.operation {
        Operation::Input => INPUT.to_owned(),
        Operation::Convolution { name, .. } | Operation::Linear { name, .. } => name.clone(),
        Operation::NormActivation { name, activation, .. } => format!("{name}.{}", activation.as_str()),
        Operation::Standardise { .. } => format!("standardise{index}"),
        Operation::Activation(activation) => format!("{}{index}", activation.as_str()),
        Operation::Add => format!("add{index}"),
        Operation::MaxPool { .. } => format!("maxpool{index}"),
        Operation::GlobalMeanPool => format!("pool{index}"),
        Operation::Flatten => format!("flatten{index}"),
    }
}

/// What becomes of the normalisations of a network.
struct Norms<'a> {
    source: &'a Source<'a>,
    kept: bool,
    /// Node of a convolution → node of the normalisation that it takes in.
    pairs: BTreeMap<usize, usize>,
    /// The node that is being written.
    index: usize,
}

impl<'a> Norms<'a> {
    fn new(source: &'a Source<'a>, batch_norm: BatchNorm) -> Self {
        let kept = batch_norm == BatchNorm::Keep;
        let pairs = if kept { BTreeMap::new() } else { fold::pairs(source.architecture) };
        Norms { source, kept, pairs, index: 0 }
    }

    fn at(&mut self, index: usize) {
        self.index = index;
    }

    /// The name of the normalisation that the convolution being written takes in.
    fn taken_in(&self) -> Option<&'a str> {
        let node = self.source.architecture.nodes.get(*self.pairs.get(&self.index)?)?;
        match &node.operation {
            Operation::NormActivation { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether the normalisation being written went into the convolution before it.
    fn is_done(&self) -> bool {
        self.pairs.values().any(|index| *index == self.index)
    }
}

fn write_node(graph: &mut GraphWriter, node: &Node, inputs: &[&str], (output, norms): (&str, &Norms<'_>)) -> Result<(), Failure> {
    match (&node.operation, inputs) {
        (Operation::Input, []) if output == INPUT => Ok(()),
        (Operation::Standardise { mean, std }, [x]) => write_standardise(graph, (mean, std), x, output),
        (Operation::Convolution { .. }, [x]) => write_convolution(graph, &node.operation, x, (output, norms)),
        (Operation::NormActivation { name, activation, .. }, [x]) => {
            let normalised = if norms.is_done() { (*x).to_owned() } else { write_norm(graph, name, x, norms)? };
            write_activation(graph, *activation, &normalised, output)
        }
        (Operation::Activation(activation), [x]) => write_activation(graph, *activation, x, output),
        (Operation::Add, [a, b]) => graph.node("Add", &[a, b], output, vec![]),
        (Operation::MaxPool { kernel, stride, padding }, [x]) => {
            let attributes = vec![ints("kernel_shape", &[*kernel; 2]), ints("pads", &[*padding; 4]), ints("strides", &[*stride; 2])];
            graph.node("MaxPool", &[x], output, attributes)
        }
        (Operation::GlobalMeanPool, [x]) => {
            let pooled = format!("{output}.mean");
            graph.node("GlobalAveragePool", &[x], &pooled, vec![])?;
            graph.node("Flatten", &[&pooled], output, vec![int("axis", 1)])
        }
        (Operation::Flatten, [x]) => graph.node("Flatten", &[x], output, vec![int("axis", 1)]),
        (Operation::Linear { name, .. }, [x]) => {
            let [weight, bias] = trained(graph, name, ["weight", "bias"])?;
            graph.node("Gemm", &[x, &weight, &bias], output, vec![int("transB", 1)])
        }
        (operation, inputs) => Err(Failure::internal(format!("{operation:?} with {} inputs has no ONNX form", inputs.len()))),
    }
}

/// Adds the trained tensors of a layer and returns their names.
fn trained<const N: usize>(graph: &mut GraphWriter, layer: &str, suffixes: [&str; N]) -> Result<[String; N], Failure> {
    let names = suffixes.map(|suffix| format!("{layer}.{suffix}"));
    names.iter().try_for_each(|name| graph.trained(name))?;
    Ok(names)
}

fn write_standardise(graph: &mut GraphWriter, (mean, std): (&[f64], &[f64]), x: &str, output: &str) -> Result<(), Failure> {
    let [mean_name, std_name, centred] = ["mean", "std", "centred"].map(|part| format!("{output}.{part}"));
    for (name, values) in [(&mean_name, mean), (&std_name, std)] {
        let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        graph.constant(name, &[1, values.len(), 1, 1], &values)?;
    }
    graph.node("Sub", &[x, &mean_name], &centred, vec![])?;
    graph.node("Div", &[&centred, &std_name], output, vec![])
}

fn write_convolution(graph: &mut GraphWriter, operation: &Operation, x: &str, (output, norms): (&str, &Norms<'_>)) -> Result<(), Failure> {
    let Operation::Convolution { name, kernel, stride, padding, bias, filters, channels } = operation else {
        return Err(Failure::internal("a convolution was expected"));
    };
    let attributes = vec![ints("kernel_shape", &[*kernel; 2]), ints("pads", &[*padding; 4]), ints("strides", &[*stride; 2])];
    if let Some(norm) = norms.taken_in() {
        let norm = fold::affine(norms.source.tensors, norm)?;
        let (kernels, shifts) = fold::convolution(norms.source.tensors, name, *bias, &norm)?;
        let [weight, bias] = ["weight", "bias"].map(|part| format!("{name}.{part}"));
        graph.constant(&weight, &[*filters, *channels, *kernel, *kernel], &kernels)?;
        graph.constant(&bias, &[*filters], &shifts)?;
        return graph.node("Conv", &[x, &weight, &bias], output, attributes);
    }
    if *bias {
        let [weight, bias] = trained(graph, name, ["weight", "bias"])?;
        return graph.node("Conv", &[x, &weight, &bias], output, attributes);
    }
    let [weight] = trained(graph, name, ["weight"])?;
    graph.node("Conv", &[x, &weight], output, attributes)
}

/// Batch normalisation by the running statistics; returns the name of its value.
fn write_norm(graph: &mut GraphWriter, name: &str, x: &str, norms: &Norms<'_>) -> Result<String, Failure> {
    if !norms.kept {
        let norm = fold::affine(norms.source.tensors, name)?;
        let [scale, shift, scaled] = ["scale", "shift", "scaled"].map(|part| format!("{name}.{part}"));
        for (name, values) in [(&scale, &norm.scale), (&shift, &norm.shift)] {
            let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
            graph.constant(name, &[1, values.len(), 1, 1], &values)?;
        }
        graph.node("Mul", &[x, &scale], &scaled, vec![])?;
        graph.node("Add", &[&scaled, &shift], name, vec![])?;
        return Ok(name.to_owned());
    }
    let [scale, shift, mean, variance] = trained(graph, name, ["weight", "bias", "running_mean", "running_var"])?;
    graph.node("BatchNormalization", &[x, &scale, &shift, &mean, &variance], name, vec![float("epsilon", NORM_EPSILON as f32)])?;
    Ok(name.to_owned())
}

fn write_activation(graph: &mut GraphWriter, activation: Activation, x: &str, output: &str) -> Result<(), Failure> {
    let part = |name: &str| format!("{output}.{name}");
    match activation {
        Activation::Identity => graph.node("Identity", &[x], output, vec![]),
        Activation::Relu => graph.node("Relu", &[x], output, vec![]),
        Activation::Silu => {
            let sigmoid = part("sigmoid");
            graph.node("Sigmoid", &[x], &sigmoid, vec![])?;
            graph.node("Mul", &[x, &sigmoid], output, vec![])
        }
        Activation::Softplus => {
            let [relu, absolute, sigmoid, log] = ["relu", "abs", "sigmoid", "log"].map(part);
            graph.node("Relu", &[x], &relu, vec![])?;
            graph.node("Abs", &[x], &absolute, vec![])?;
            graph.node("Sigmoid", &[&absolute], &sigmoid, vec![])?;
            graph.node("Log", &[&sigmoid], &log, vec![])?;
            graph.node("Sub", &[&relu, &log], output, vec![])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use prost::Message;
    use std::collections::BTreeSet;

    fn names(model: &ModelProto) -> Vec<String> {
        model.graph.iter().flat_map(|graph| &graph.node).map(|node| node.name().to_owned()).collect()
    }

    #[test]
    fn the_graph_has_the_layers_in_order_and_unique_names() {
        let model = testing::small_cnn("silu", true).model();
        let operators: Vec<&str> = model.graph.iter().flat_map(|graph| &graph.node).map(planish_onnx::proto::NodeProto::op_type).collect();
        let block = ["Conv", "BatchNormalization", "Sigmoid", "Mul"];
        let expected: Vec<&str> =
            ["Sub", "Div"].into_iter().chain(block.repeat(4)).chain(["GlobalAveragePool", "Flatten", "Gemm"]).collect();
        assert_eq!(operators, expected);
        let unique: BTreeSet<String> = names(&model).into_iter().collect();
        assert_eq!(unique.len(), names(&model).len());
        assert_eq!(names(&model).last().map(String::as_str), Some(OUTPUT));
    }

    #[test]
    fn initializers_are_the_weights_under_their_own_names() {
        let network = testing::wide_resnet("softplus");
        let model = network.model();
        let graph = model.graph.as_ref().unwrap();
        for tensor in &network.tensors {
            let initializer = graph.initializer.iter().find(|i| i.name() == tensor.name).expect(&tensor.name);
            let planish_formats::Values::F32(values) = &tensor.values else { panic!("{} is not of floats", tensor.name) };
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            assert_eq!(initializer.raw_data(), bytes, "{}", tensor.name);
            assert!(
                initializer.dims.iter().map(|&size| usize::try_from(size).unwrap()).eq(tensor.shape.iter().copied()),
                "{}",
                tensor.name
            );
        }
        // Beside them only the mean and the standard deviation of the images.
        assert_eq!(graph.initializer.len(), network.tensors.len() + 2);
    }

    #[test]
    fn folded_normalisation_leaves_no_operator_of_its_own() {
        let fold = |network: &testing::TestNetwork| convert(&network.source(), 17, BatchNorm::Fold).unwrap();
        let operators = |model: &ModelProto, name: &str| model.graph.iter().flat_map(|g| &g.node).filter(|n| n.op_type() == name).count();
        let small = fold(&testing::small_cnn("relu", true));
        assert_eq!(["BatchNormalization", "Conv", "Mul"].map(|name| operators(&small, name)), [0, 4, 0]);
        assert!(small.graph.iter().flat_map(|g| &g.node).filter(|n| n.op_type() == "Conv").all(|n| n.input.len() == 3));
        // Before the activations of a WideResNet stand sums as well, which take nothing in.
        let wide = fold(&testing::wide_resnet("relu"));
        assert_eq!(operators(&wide, "BatchNormalization"), 0);
        assert!(operators(&wide, "Mul") > 0);
    }

    #[test]
    fn the_same_network_gives_the_same_bytes() {
        let bytes = || testing::wide_resnet("relu").model().encode_to_vec();
        assert_eq!(bytes(), bytes());
    }

    #[test]
    fn the_format_version_follows_the_operator_set() {
        let network = testing::small_cnn("relu", true);
        for (opset, format) in OPERATOR_SETS {
            let model = convert(&network.source(), opset, BatchNorm::Keep).unwrap();
            assert_eq!((model.ir_version(), model.opset_import[0].version()), (format, opset));
        }
        assert!(convert(&network.source(), 12, BatchNorm::Keep).unwrap_err().to_string().contains("operator set 12"));
    }

    #[test]
    fn missing_weights_are_named() {
        let mut network = testing::small_cnn("relu", true);
        network.tensors.retain(|tensor| tensor.name != "conv2.weight");
        assert!(convert(&network.source(), 17, BatchNorm::Keep).unwrap_err().to_string().contains("`conv2.weight`"));
    }

    #[test]
    fn the_metadata_names_the_classes_and_the_weights() {
        let model = testing::small_cnn("relu", true).model();
        let entry = |key: &str| model.metadata_props.iter().find(|entry| entry.key() == key).map(|entry| entry.value().to_owned());
        assert_eq!(entry("classes").as_deref(), Some(r#"["class 0","class 1","class 2"]"#));
        assert_eq!(entry("input_range").as_deref(), Some("[0,1]"));
        assert_eq!(entry("weights_blake3").as_deref(), Some("00"));
    }
}
