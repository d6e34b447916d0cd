//! What an image classifier takes and gives.

use std::collections::BTreeSet;

use super::problem::{Problem, quote};
use crate::proto::tensor_proto::DataType;
use crate::proto::tensor_shape_proto::Dimension;
use crate::proto::tensor_shape_proto::dimension::Value;
use crate::proto::type_proto::Value as TypeValue;
use crate::proto::{GraphProto, ValueInfoProto};

/// The most values of one image, and the most classes, that are believed.
const MOST_VALUES: usize = 1 << 26;

/// The order of an image's axes in a model's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Channels, height, width: PyTorch's order, and planish's own.
    #[default]
    ChannelsFirst,
    /// Height, width, channels: TensorFlow's order.
    ChannelsLast,
}

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
    /// The order of the input's axes in the file; [`crate::ModelFile`] holds the model with the channels first.
    pub layout: Layout,
}

/// `[c, h, w]` of axes that stand in the order of the layout.
fn ordered([a, b, c]: [usize; 3], layout: Layout) -> [usize; 3] {
    match layout {
        Layout::ChannelsFirst => [a, b, c],
        Layout::ChannelsLast => [c, a, b],
    }
}

/// The axis with 1, 3 or 4 entries is that of the channels, the first one if two have.
fn guess([first, _, last]: [usize; 3]) -> Layout {
    let channels = |size: usize| matches!(size, 1 | 3 | 4);
    if !channels(first) && channels(last) { Layout::ChannelsLast } else { Layout::ChannelsFirst }
}

/// Reads the signature off a graph: one float input of four axes, one float output of two. The order of the axes is guessed
/// where it is not told.
pub(super) fn of(graph: &GraphProto, layout: Option<Layout>) -> Result<Signature, Problem> {
    let initializers: BTreeSet<&str> = graph.initializer.iter().map(crate::proto::TensorProto::name).collect();
    let input = only("input", graph.input.iter().filter(|value| !initializers.contains(value.name())))?;
    let output = only("output", graph.output.iter())?;
    let &[batch, first, second, third] = dimensions(input)?.as_slice() else {
        let message = format!("input {} is not a batch of images: its shape must be [n, c, h, w] or [n, h, w, c]", quote(input.name()));
        return Err(Problem::new(message).hint("export the network with images as its input"));
    };
    let &[_, classes] = dimensions(output)?.as_slice() else {
        let message = format!("output {} is not a batch of logits: its shape must be [n, k]", quote(output.name()));
        return Err(Problem::new(message).hint("export the network with the logits as its only output"));
    };
    if !matches!(batch, None | Some(1)) {
        let message = format!("input {} takes batches of a fixed size only", quote(input.name()));
        return Err(Problem::new(message).hint("export the model with a dynamic first axis"));
    }
    let fixed = |value: &ValueInfoProto, size: Option<usize>| {
        let message = format!("{} does not declare the size of every axis but the first", quote(value.name()));
        size.ok_or_else(|| Problem::new(message).hint("export the model with fixed image and logit shapes"))
    };
    let axes = [fixed(input, first)?, fixed(input, second)?, fixed(input, third)?];
    let classes = fixed(output, classes)?;
    let values = axes.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    if values.is_none_or(|n| n > MOST_VALUES) || classes > MOST_VALUES {
        return Err(Problem::new(format!("declares sizes that are too large: images {axes:?}, {classes} classes")));
    }
    let layout = layout.unwrap_or_else(|| guess(axes));
    let (input, output) = (input.name().to_owned(), output.name().to_owned());
    Ok(Signature { input, output, shape: ordered(axes, layout), classes, single: batch == Some(1), layout })
}

fn only<'a>(what: &str, mut values: impl Iterator<Item = &'a ValueInfoProto>) -> Result<&'a ValueInfoProto, Problem> {
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(Problem::new(format!("is not an image classifier: it has no {what}"))),
        (Some(a), Some(b)) => {
            let message = format!("is not an image classifier: more than one {what} ({}, {}, …)", quote(a.name()), quote(b.name()));
            Err(Problem::new(message).hint("export the model with images as its only input and logits as its only output"))
        }
    }
}

/// The declared sizes of a float tensor; `None` for a dynamic axis.
fn dimensions(value: &ValueInfoProto) -> Result<Vec<Option<usize>>, Problem> {
    let name = quote(value.name());
    let Some(TypeValue::TensorType(tensor)) = value.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return Err(Problem::new(format!("{name} is not a tensor")));
    };
    if tensor.elem_type() != DataType::Float as i32 {
        let kind = DataType::try_from(tensor.elem_type()).map_or("unknown", |kind| kind.as_str_name());
        let message = format!("{name} is of type {kind}, not of 32-bit floats");
        return Err(Problem::new(message).hint("export the network with float32 images and logits"));
    }
    let shape = tensor.shape.as_ref().ok_or_else(|| Problem::new(format!("{name} declares no shape")))?;
    let size = |dimension: &Dimension| match dimension.value {
        Some(Value::DimValue(size)) => match usize::try_from(size) {
            Ok(size) if size > 0 => Ok(Some(size)),
            _ => Err(Problem::new(format!("{name} declares an axis of size {size}"))),
        },
        _ => Ok(None),
    };
    shape.dim.iter().map(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn problem(change: impl FnOnce(&mut GraphProto)) -> String {
        let mut graph = testing::linear(&[1.0; 24]).graph.unwrap();
        change(&mut graph);
        of(&graph, None).unwrap_err().message
    }

    #[test]
    fn other_inputs_and_outputs_are_refused() {
        let images = |sizes: &[Option<i64>]| testing::value("images", sizes);
        assert!(problem(|g| g.input.push(testing::value("more", &[None, Some(1)]))).contains("more than one input"));
        assert!(problem(|g| g.input.clear()).contains("no input"));
        assert!(problem(|g| g.input[0] = images(&[None, Some(12)])).contains("[n, c, h, w]"));
        assert!(problem(|g| g.input[0] = images(&[Some(8), Some(3), Some(2), Some(2)])).contains("fixed size"));
        assert!(problem(|g| g.input[0] = images(&[None, Some(3), None, Some(2)])).contains("every axis"));
        assert!(problem(|g| g.input[0] = images(&[None, Some(3), Some(-2), Some(2)])).contains("size -2"));
        assert!(problem(|g| g.input[0] = images(&[None, Some(i64::MAX), Some(i64::MAX), Some(2)])).contains("too large"));
        assert!(problem(|g| g.output[0] = testing::value("logits", &[None])).contains("[n, k]"));
        assert!(problem(|g| g.output[0].r#type = None).contains("not a tensor"));
    }

    #[test]
    fn the_axis_of_the_channels_is_recognised() {
        let layout = |sizes: [i64; 3]| {
            let mut graph = testing::linear(&[1.0; 24]).graph.unwrap();
            graph.input[0] = testing::value("images", &[None, Some(sizes[0]), Some(sizes[1]), Some(sizes[2])]);
            let signature = of(&graph, None).unwrap();
            (signature.layout, signature.shape)
        };
        assert_eq!(layout([3, 32, 24]), (Layout::ChannelsFirst, [3, 32, 24]));
        assert_eq!(layout([32, 24, 3]), (Layout::ChannelsLast, [3, 32, 24]));
        assert_eq!(layout([3, 224, 3]), (Layout::ChannelsFirst, [3, 224, 3]));
        assert_eq!(layout([16, 8, 8]), (Layout::ChannelsFirst, [16, 8, 8]));
    }

    #[test]
    fn the_layout_can_be_told() {
        let graph = testing::linear(&[1.0; 24]).graph.unwrap();
        assert_eq!(of(&graph, Some(Layout::ChannelsLast)).unwrap().shape, [2, 3, 2]);
        assert_eq!(of(&graph, Some(Layout::ChannelsFirst)), of(&graph, None));
    }
}
