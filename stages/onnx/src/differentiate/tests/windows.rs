use super::{Graph, check};
use crate::differentiate::attribute::{int, ints, text};
use crate::proto::AttributeProto;
use crate::testing;

fn convolution(name: &str, shape: [usize; 3], weights: &[i64], size: i64, attributes: &[AttributeProto]) {
    let graph = || Graph::new(shape).random("w", weights).random("bias", &weights[..1]);
    check(name, &graph().node("Conv", "images w bias", "y", attributes).model("y", size));
    // Weights that are computed in the graph.
    check(name, &graph().node("Neg", "w", "minus", &[]).node("Conv", "images minus", "y", attributes).model("y", size));
}

#[test]
fn convolutions() {
    convolution("plain", [2, 4, 4], &[3, 2, 3, 3], 12, &[]);
    convolution("padded", [2, 4, 4], &[3, 2, 3, 3], 48, &[ints("pads", &[1, 1, 1, 1])]);
    convolution("unevenly padded", [2, 4, 3], &[3, 2, 3, 2], 75, &[ints("pads", &[0, 1, 3, 2])]);
    convolution("padded beyond its kernel", [1, 3, 3], &[2, 1, 1, 1], 50, &[ints("pads", &[1, 1, 1, 1])]);
    convolution("strided", [2, 5, 5], &[3, 2, 3, 3], 27, &[ints("strides", &[2, 2]), ints("pads", &[1, 1, 1, 1])]);
    convolution("strided, with a rest", [2, 6, 6], &[3, 2, 3, 3], 27, &[ints("strides", &[2, 2]), ints("pads", &[1, 1, 1, 1])]);
    convolution("one by one, strided", [2, 5, 4], &[3, 2, 1, 1], 18, &[ints("strides", &[2, 2])]);
    convolution("dilated", [2, 6, 6], &[3, 2, 3, 3], 48, &[ints("dilations", &[2, 2]), ints("pads", &[1, 1, 1, 1])]);
    convolution("grouped", [4, 4, 4], &[6, 2, 3, 3], 96, &[int("group", 2), ints("pads", &[1, 1, 1, 1])]);
    convolution("depthwise", [3, 4, 4], &[3, 1, 3, 3], 12, &[int("group", 3), ints("strides", &[2, 2]), ints("pads", &[1, 1, 1, 1])]);
    for (mode, size) in [("SAME_UPPER", 12), ("SAME_LOWER", 12), ("VALID", 3)] {
        convolution(mode, [2, 4, 4], &[3, 2, 3, 3], size, &[text("auto_pad", mode), ints("strides", &[2, 2])]);
    }
}

#[test]
fn transposed_convolutions() {
    let check = |shape: [usize; 3], weights: &[i64], size: i64, attributes: &[AttributeProto]| {
        let graph = Graph::new(shape).random("w", weights).node("ConvTranspose", "images w", "y", attributes);
        check("ConvTranspose", &graph.model("y", size));
    };
    check([2, 3, 3], &[2, 3, 3, 3], 75, &[]);
    check([2, 3, 3], &[2, 3, 2, 2], 108, &[ints("strides", &[2, 2])]);
    check(
        [4, 2, 2],
        &[4, 1, 3, 3],
        32,
        &[ints("strides", &[2, 2]), ints("pads", &[1, 1, 1, 1]), ints("output_padding", &[1, 1]), int("group", 2)],
    );
}

#[test]
fn batch_normalisations_behind_convolutions_are_folded() {
    let graph = |graph: Graph| {
        graph
            .random("w", &[3, 2, 3, 3])
            .random("scale", &[3])
            .random("shift", &[3])
            .random("mean", &[3])
            .floats("variance", &[3], &[0.5, 1.0, 2.0])
            .node("Conv", "images w", "c", &[ints("pads", &[1, 1, 1, 1])])
            .node("BatchNormalization", "c scale shift mean variance", "y", &[])
    };
    let model = graph(Graph::new([2, 4, 4])).model("y", 48);
    check("folded", &model);
    let signature = testing::signature([2, 4, 4], 3);
    let operators = |model| {
        let derived = crate::differentiate::differentiate(model, &signature, crate::differentiate::Objective::Seed).unwrap();
        derived.model.graph.unwrap().node.into_iter().map(|node| node.op_type().to_owned()).collect::<Vec<_>>()
    };
    assert!(!operators(model).contains(&"BatchNormalization".to_owned()));
    // Another reader of the convolution keeps them apart.
    let both = graph(Graph::new([2, 4, 4])).node("Add", "c y", "z", &[]).model("z", 48);
    check("not folded", &both);
    assert!(operators(both).contains(&"BatchNormalization".to_owned()));
}

#[test]
fn pools() {
    let pool = |operator: &str, shape: [usize; 3], size: i64, attributes: &[AttributeProto]| {
        check(operator, &Graph::new(shape).node(operator, "images", "y", attributes).model("y", size));
    };
    for operator in ["MaxPool", "AveragePool"] {
        pool(operator, [2, 4, 4], 8, &[ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])]);
        pool(operator, [2, 4, 4], 18, &[ints("kernel_shape", &[2, 2])]);
        pool(operator, [2, 5, 5], 18, &[ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2]), ints("pads", &[1, 1, 1, 1])]);
        pool(operator, [2, 6, 6], 18, &[ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2]), ints("pads", &[1, 1, 0, 0])]);
        pool(operator, [2, 6, 6], 18, &[ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2]), int("ceil_mode", 1)]);
    }
    let padded = [ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2]), ints("pads", &[1, 1, 1, 1]), int("count_include_pad", 1)];
    pool("AveragePool", [2, 5, 5], 18, &padded);
    pool("GlobalAveragePool", [2, 3, 4], 2, &[]);
    pool("GlobalMaxPool", [2, 3, 4], 2, &[]);
}
