//! The declaration as nodes in front of the model.

use std::collections::BTreeSet;

use planish_contract::Failure;
use planish_onnx::proto::attribute_proto::AttributeType;
use planish_onnx::proto::tensor_proto::DataType;
use planish_onnx::proto::tensor_shape_proto::{Dimension, dimension};
use planish_onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

use crate::declaration::{Channels, Declaration, Layout, Range};

/// The name that the wrapped model's input gets.
const IMAGES: &str = "images";

/// What is known of the images and classes where the model leaves sizes open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Channels, height and width.
    pub(crate) shape: Option<[usize; 3]>,
    /// How many classes there are.
    pub(crate) classes: Option<usize>,
}

/// Puts what `takes` declares in front of the model, whose output `output` becomes the only one.
///
/// # Errors
/// [`Failure::Input`] when the model has not one input of four axes, lacks the output, or contradicts the declaration.
pub(crate) fn wrap(mut model: ModelProto, takes: &Declaration, output: Option<&str>, known: &Known) -> Result<ModelProto, Failure> {
    let Some(graph) = model.graph.as_mut() else { return Err(Failure::input("the model has no graph")) };
    choose_output(graph, output, known)?;
    let position = the_input(graph)?;
    let axes = axes(&graph.input[position])?;
    let layout = takes.layout.unwrap_or_else(|| told_by(&axes));
    let shape = shape(&axes, layout, known)?;
    check_channels(takes, shape)?;
    if takes.is_plain(layout) {
        set_shape(&mut graph.input[position], &axes, shape);
        return Ok(model);
    }
    let original = graph.input[position].name().to_owned();
    let mut front = Front::new(graph);
    let images = front.name(IMAGES);
    let last = front.nodes_for(takes, layout, &images);
    front.finish(graph, last, &original);
    let mut input = graph.input.remove(position);
    input.name = Some(images);
    set_shape(&mut input, &axes, shape);
    graph.input.insert(position, input);
    Ok(model)
}

/// The batch axis, and the three axes of an image as the model declares them.
struct Axes {
    batch: Dimension,
    image: [Option<usize>; 3],
}

fn the_input(graph: &GraphProto) -> Result<usize, Failure> {
    let initializers: BTreeSet<&str> = graph.initializer.iter().map(TensorProto::name).collect();
    let mut inputs = graph.input.iter().enumerate().filter(|(_, value)| !initializers.contains(value.name()));
    match (inputs.next(), inputs.next()) {
        (Some((position, _)), None) => Ok(position),
        (None, _) => Err(Failure::input("the model has no input")),
        (Some((_, a)), Some((_, b))) => {
            Err(Failure::input(format!("the model has more than one input (`{}`, `{}`, …): it is no image classifier", a.name(), b.name())))
        }
    }
}

fn tensor(value: &ValueInfoProto) -> Option<&type_proto::Tensor> {
    match value.r#type.as_ref()?.value.as_ref()? {
        type_proto::Value::TensorType(tensor) => Some(tensor),
        _ => None,
    }
}

fn axes(input: &ValueInfoProto) -> Result<Axes, Failure> {
    let dims = tensor(input).and_then(|tensor| tensor.shape.as_ref()).map(|shape| shape.dim.as_slice()).unwrap_or_default();
    let [batch, a, b, c] = dims else {
        return Err(Failure::input(format!("input `{}` is not a batch of images: it has {} axes, not 4", input.name(), dims.len())));
    };
    Ok(Axes { batch: batch.clone(), image: [size(a), size(b), size(c)] })
}

fn size(dimension: &Dimension) -> Option<usize> {
    match dimension.value {
        Some(dimension::Value::DimValue(size)) => usize::try_from(size).ok().filter(|size| *size > 0),
        _ => None,
    }
}

/// Channels are the axis of length 1, 3 or 4; the first one, if two are.
fn told_by(axes: &Axes) -> Layout {
    let few = |size: Option<usize>| matches!(size, Some(1 | 3 | 4));
    if !few(axes.image[0]) && few(axes.image[2]) { Layout::Nhwc } else { Layout::Nchw }
}

/// `[c, h, w]`: as declared by the model, else as the data set has it.
fn shape(axes: &Axes, layout: Layout, known: &Known) -> Result<[usize; 3], Failure> {
    let [a, b, c] = axes.image;
    let declared = if layout == Layout::Nchw { [a, b, c] } else { [c, a, b] };
    let mut shape = [0; 3];
    for (index, (size, name)) in declared.iter().zip(["channels", "height", "width"]).enumerate() {
        let found = size.or_else(|| known.shape.map(|shape| shape[index]));
        shape[index] = found.ok_or_else(|| {
            Failure::input_hint(format!("the model does not declare the {name} of its images"), "connect the data set as input `data`")
        })?;
    }
    match known.shape {
        Some(data) if data != shape => {
            let words = |[c, h, w]: [usize; 3]| format!("{c}×{h}×{w}");
            let hint = "channels × height × width; declare the layout if it was told wrongly, or bring the images to the model's size";
            Err(Failure::input_hint(format!("the model takes images of {}, the data set has {}", words(shape), words(data)), hint))
        }
        _ => Ok(shape),
    }
}

fn check_channels(takes: &Declaration, [channels, ..]: [usize; 3]) -> Result<(), Failure> {
    for (name, values) in [("mean", &takes.mean), ("std", &takes.std)] {
        if !matches!(values.len(), 0 | 1) && values.len() != channels {
            return Err(Failure::input(format!("`{name}` has {} values, but images have {channels} channels", values.len())));
        }
    }
    if takes.channels == Channels::Bgr && channels != 3 {
        return Err(Failure::input(format!("images with {channels} channels have no order of red, green and blue")));
    }
    Ok(())
}

/// Declares the shape `[batch, c, h, w]`; a batch of one stays one.
fn set_shape(input: &mut ValueInfoProto, axes: &Axes, shape: [usize; 3]) {
    let fixed = size(&axes.batch).is_some();
    let batch = if fixed { axes.batch.clone() } else { dim(dimension::Value::DimParam("batch".to_owned())) };
    let sizes = shape.iter().map(|&size| dim(dimension::Value::DimValue(i64::try_from(size).unwrap_or(i64::MAX))));
    let shape = TensorShapeProto { dim: std::iter::once(batch).chain(sizes).collect() };
    let elem_type = tensor(input).and_then(|tensor| tensor.elem_type).unwrap_or(DataType::Float as i32);
    let tensor = type_proto::Tensor { elem_type: Some(elem_type), shape: Some(shape) };
    input.r#type = Some(TypeProto { denotation: None, value: Some(type_proto::Value::TensorType(tensor)) });
}

fn dim(value: dimension::Value) -> Dimension {
    Dimension { value: Some(value), denotation: None }
}

/// Leaves one output, and fills in the number of classes where the model leaves it open.
fn choose_output(graph: &mut GraphProto, wanted: Option<&str>, known: &Known) -> Result<(), Failure> {
    let names = graph.output.iter().map(|value| format!("`{}`", value.name())).collect::<Vec<_>>().join(", ");
    match wanted {
        Some(name) => {
            graph.output.retain(|value| value.name() == name);
            if graph.output.is_empty() {
                return Err(Failure::input(format!("the model has no output `{name}` (it has: {names})")));
            }
        }
        None if graph.output.len() > 1 => {
            return Err(Failure::input_hint(
                format!("the model has several outputs: {names}"),
                "name the one that is the logits: `output`",
            ));
        }
        None => {}
    }
    let Some(output) = graph.output.first_mut() else { return Err(Failure::input("the model has no output")) };
    let dims = tensor(output).and_then(|tensor| tensor.shape.as_ref()).map(|shape| shape.dim.clone());
    let open = match dims.as_deref() {
        None => Some(dim(dimension::Value::DimParam("batch".to_owned()))),
        Some([batch, classes]) if size(classes).is_none() => Some(batch.clone()),
        Some(_) => None,
    };
    if let (Some(batch), Some(classes)) = (open, known.classes) {
        let classes = dim(dimension::Value::DimValue(i64::try_from(classes).unwrap_or(i64::MAX)));
        let elem_type = tensor(output).and_then(|tensor| tensor.elem_type).unwrap_or(DataType::Float as i32);
        let tensor = type_proto::Tensor { elem_type: Some(elem_type), shape: Some(TensorShapeProto { dim: vec![batch, classes] }) };
        output.r#type = Some(TypeProto { denotation: None, value: Some(type_proto::Value::TensorType(tensor)) });
    }
    Ok(())
}

/// Nodes in front of a graph, with names that the graph does not use.
struct Front {
    nodes: Vec<NodeProto>,
    taken: BTreeSet<String>,
}

impl Front {
    fn new(graph: &GraphProto) -> Self {
        let values = graph.node.iter().flat_map(|node| node.input.iter().chain(&node.output).map(String::as_str).chain([node.name()]));
        let infos = graph.input.iter().chain(&graph.output).chain(&graph.value_info).map(ValueInfoProto::name);
        let all = values.chain(infos).chain(graph.initializer.iter().map(TensorProto::name));
        Front { nodes: Vec::new(), taken: all.map(str::to_owned).collect() }
    }

    /// A free name that begins with `wanted`.
    fn name(&mut self, wanted: &str) -> String {
        let free = (0..).map(|n| if n == 0 { wanted.to_owned() } else { format!("{wanted}_{n}") });
        let name = free.into_iter().find(|name| !self.taken.contains(name)).unwrap_or_default();
        self.taken.insert(name.clone());
        name
    }

    fn node(&mut self, operator: &str, inputs: &[&str], wanted: &str, attribute: Vec<AttributeProto>) -> String {
        let output = self.name(wanted);
        self.nodes.push(NodeProto {
            name: Some(output.clone()),
            op_type: Some(operator.to_owned()),
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.clone()],
            attribute,
            ..Default::default()
        });
        output
    }

    /// A constant; a node, not an initializer, since those of old models must be inputs as well.
    fn constant(&mut self, wanted: &str, tensor: TensorProto) -> String {
        let value = AttributeProto {
            name: Some("value".to_owned()),
            r#type: Some(AttributeType::Tensor as i32),
            t: Some(tensor),
            ..Default::default()
        };
        self.node("Constant", &[], wanted, vec![value])
    }

    /// A constant `[1, c, 1, 1]`, or a single number for all channels.
    fn per_channel(&mut self, wanted: &str, values: &[f64]) -> String {
        let dims = if values.len() == 1 { vec![] } else { vec![1, i64::try_from(values.len()).unwrap_or(i64::MAX), 1, 1] };
        let raw = values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect();
        self.constant(wanted, TensorProto { dims, data_type: Some(DataType::Float as i32), raw_data: Some(raw), ..Default::default() })
    }

    /// Order of colours, range, normalisation, order of axes. Returns the value that goes into the model.
    fn nodes_for(&mut self, takes: &Declaration, layout: Layout, images: &str) -> String {
        let mut last = images.to_owned();
        if takes.channels == Channels::Bgr {
            let raw = [2_i64, 1, 0].iter().flat_map(|index| index.to_le_bytes()).collect();
            let indices = TensorProto { dims: vec![3], data_type: Some(DataType::Int64 as i32), raw_data: Some(raw), ..Default::default() };
            let indices = self.constant("images_bgr_order", indices);
            last = self.node("Gather", &[&last, &indices], "images_bgr", vec![ints("axis", AttributeType::Int, &[1])]);
        }
        let scale = match takes.range {
            Range::Unit => None,
            Range::Bytes => Some(255.0),
            Range::Symmetric => Some(2.0),
        };
        if let Some(scale) = scale {
            let scale = self.per_channel("images_scale", &[scale]);
            last = self.node("Mul", &[&last, &scale], "images_scaled", vec![]);
        }
        // The mean of a symmetric range is moved, so that one subtraction does for both.
        let shift = if takes.range == Range::Symmetric { 1.0 } else { 0.0 };
        let mean: Vec<f64> = if takes.mean.is_empty() { vec![shift] } else { takes.mean.iter().map(|mean| mean + shift).collect() };
        if mean.iter().any(|mean| *mean != 0.0) {
            let mean = self.per_channel("images_mean", &mean);
            last = self.node("Sub", &[&last, &mean], "images_centred", vec![]);
        }
        if !takes.std.is_empty() {
            let std = self.per_channel("images_std", &takes.std);
            last = self.node("Div", &[&last, &std], "images_normalised", vec![]);
        }
        if layout == Layout::Nhwc {
            last = self.node("Transpose", &[&last], "images_nhwc", vec![ints("perm", AttributeType::Ints, &[0, 2, 3, 1])]);
        }
        last
    }

    /// Puts the nodes in front; the last one computes what was the model's input.
    fn finish(mut self, graph: &mut GraphProto, last: String, original: &str) {
        if let Some(node) = self.nodes.iter_mut().find(|node| node.output.first() == Some(&last)) {
            node.output = vec![original.to_owned()];
        } else {
            let name = Some(self.name("images_as_they_are"));
            let (input, output) = (vec![last], vec![original.to_owned()]);
            self.nodes.push(NodeProto { name, op_type: Some("Identity".to_owned()), input, output, ..Default::default() });
        }
        self.nodes.append(&mut graph.node);
        graph.node = self.nodes;
    }
}

fn ints(name: &str, kind: AttributeType, values: &[i64]) -> AttributeProto {
    let single = values.first().copied().filter(|_| kind == AttributeType::Int);
    let ints = if kind == AttributeType::Ints { values.to_vec() } else { Vec::new() };
    AttributeProto { name: Some(name.to_owned()), r#type: Some(kind as i32), i: single, ints, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{linear, run};

    fn images() -> Vec<f32> {
        (0..24_u8).map(|i| f32::from(i) / 23.0).collect()
    }

    fn data_set() -> Known {
        Known { shape: Some([3, 2, 2]), classes: Some(2) }
    }

    /// Compares what the wrapped model gives with what the plain one, channels first, gives for prepared images.
    fn same(takes: &Declaration, layout: Layout, prepare: impl Fn(usize, usize, f32) -> f32) {
        let sizes = if layout == Layout::Nchw { [3, 2, 2] } else { [2, 2, 3] };
        let wrapped = wrap(linear(&sizes.map(Some)), takes, None, &data_set()).unwrap();
        let found = run(&wrapped, &images());
        let prepared: Vec<f32> = (0..24)
            .map(|at| {
                let (image, inner) = (at / 12, at % 12);
                let (channel, pixel) = (inner / 4, inner % 4);
                let source = if takes.channels == Channels::Bgr { 2 - channel } else { channel };
                prepare(channel, pixel, images()[image * 12 + source * 4 + pixel])
            })
            .collect();
        let plain = linear(&[Some(3), Some(2), Some(2)]);
        let expected = run(&plain, &prepared);
        assert_eq!(found.len(), 4);
        for (a, b) in found.iter().zip(&expected) {
            assert!((a - b).abs() < 1e-3 * b.abs().max(1.0), "{takes}, {layout:?}: {found:?}, expected {expected:?}");
        }
    }

    #[test]
    fn every_declaration_gives_the_model_what_it_takes() {
        let takes = |text: &str| -> Declaration { serde_json::from_str(text).unwrap() };
        same(&Declaration::default(), Layout::Nchw, |_, _, x| x);
        same(&Declaration::default(), Layout::Nhwc, |_, _, x| x);
        same(&takes(r#"{ "range": "0-255" }"#), Layout::Nchw, |_, _, x| 255.0 * x);
        same(&takes(r#"{ "range": "-1-1", "layout": "nhwc" }"#), Layout::Nhwc, |_, _, x| 2.0 * x - 1.0);
        same(&takes(r#"{ "mean": [0.0] }"#), Layout::Nchw, |_, _, x| x);
        let normalised = r#"{ "mean": [0.1, 0.2, 0.3], "std": [0.5, 0.25, 2.0] }"#;
        let (mean, std) = ([0.1, 0.2, 0.3], [0.5, 0.25, 2.0]);
        same(&takes(normalised), Layout::Nchw, |c, _, x| (x - mean[c]) / std[c]);
        let bgr = r#"{ "range": "0-255", "channels": "bgr", "mean": [1.0, 2.0, 3.0] }"#;
        same(&takes(bgr), Layout::Nhwc, |c, _, x| 255.0 * x - [1.0, 2.0, 3.0][c]);
    }

    #[test]
    fn sizes_that_the_model_leaves_open_are_the_data_sets() {
        let wrapped = wrap(linear(&[Some(3), None, None]), &Declaration::default(), None, &data_set()).unwrap();
        let declared = axes(&wrapped.graph.unwrap().input[0]).unwrap();
        assert_eq!(declared.image, [Some(3), Some(2), Some(2)]);
        let message = |known: &Known| wrap(linear(&[Some(3), None, None]), &Declaration::default(), None, known).unwrap_err().to_string();
        assert!(message(&Known::default()).contains("does not declare the height"));
        let other = Known { shape: Some([1, 2, 2]), classes: None };
        assert!(message(&other).contains("takes images of 3×2×2, the data set has 1×2×2"));
    }

    #[test]
    fn what_contradicts_the_model_is_refused() {
        let message =
            |takes: &Declaration, output| wrap(linear(&[Some(3), Some(2), Some(2)]), takes, output, &data_set()).unwrap_err().to_string();
        let plain = Declaration::default();
        assert!(message(&plain, Some("scores")).contains("no output `scores` (it has: `logits`)"));
        assert!(message(&Declaration { mean: vec![0.0; 4], ..plain.clone() }, None).contains("`mean` has 4 values"));
        let mut grey = linear(&[Some(1), Some(2), Some(2)]);
        let bgr = Declaration { channels: Channels::Bgr, ..plain.clone() };
        assert!(wrap(grey.clone(), &bgr, None, &Known::default()).unwrap_err().to_string().contains("1 channels"));
        grey.graph.as_mut().unwrap().input.clear();
        assert!(wrap(grey, &plain, None, &Known::default()).unwrap_err().to_string().contains("no input"));
    }

    #[test]
    fn names_of_the_model_are_left_alone() {
        let mut model = linear(&[Some(3), Some(2), Some(2)]);
        let graph = model.graph.as_mut().unwrap();
        graph.input[0].name = Some("images".into());
        graph.node[0].input[0] = "images".into();
        let takes = Declaration { range: Range::Bytes, ..Declaration::default() };
        let wrapped = wrap(model, &takes, None, &data_set()).unwrap();
        assert_eq!(wrapped.graph.as_ref().unwrap().input[0].name(), "images_1");
        assert_eq!(run(&wrapped, &images()).len(), 4);
    }
}
