use super::{Graph, check};
use crate::differentiate::attribute::{int, ints, text};
use crate::differentiate::tensor;
use crate::proto::AttributeProto;
use crate::proto::tensor_proto::DataType;

/// One node that takes the images and perhaps a list of whole numbers.
fn one(operator: &str, list: &[i64], size: i64, attributes: &[AttributeProto]) {
    let graph = Graph::new([2, 4, 3]).ints("list", list).node("Tanh", "images", "x", &[]);
    let graph = graph.node(operator, if list.is_empty() { "x" } else { "x list" }, "y", attributes);
    check(&format!("{operator} {list:?}"), &graph.model("y", size));
}

#[test]
fn shapes() {
    one("Reshape", &[0, 3, -1], 24, &[]);
    one("Reshape", &[-1, 24], 24, &[]);
    one("Flatten", &[], 24, &[]);
    one("Flatten", &[], 24, &[int("axis", -2)]);
    one("Transpose", &[], 24, &[ints("perm", &[0, 3, 1, 2])]);
    one("Transpose", &[], 24, &[ints("perm", &[0, 2, 3, 1])]);
    one("Unsqueeze", &[1, -1], 24, &[]);
}

#[test]
fn squeezes_and_spreads() {
    let pooled = || Graph::new([3, 2, 2]).node("GlobalAveragePool", "images", "x", &[]);
    check("Squeeze", &pooled().ints("axes", &[2, -1]).node("Squeeze", "x axes", "y", &[]).model("y", 3));
    let spread = |sizes: &[i64], size: i64| pooled().ints("sizes", sizes).node("Expand", "x sizes", "y", &[]).model("y", size);
    check("Expand", &spread(&[1, 1, 4, 2], 24));
    check("Expand", &spread(&[3, 4, 1], 12));
    check("Tile", &pooled().ints("times", &[1, 2, 3, 1]).node("Tile", "x times", "y", &[]).model("y", 18));
}

#[test]
fn slices() {
    let slice = |(starts, ends, axes, steps): (&[i64], &[i64], &[i64], &[i64]), size: i64| {
        let graph = Graph::new([2, 5, 4]).ints("starts", starts).ints("ends", ends).ints("axes", axes).ints("steps", steps);
        let graph = graph.node("Tanh", "images", "x", &[]).node("Slice", "x starts ends axes steps", "y", &[]);
        check(&format!("{starts:?} {ends:?} {axes:?} {steps:?}"), &graph.model("y", size));
    };
    slice((&[1], &[4], &[2], &[1]), 24);
    slice((&[-3], &[i64::MAX], &[-1], &[1]), 30);
    slice((&[0, 1], &[2, -1], &[1, 2], &[1, 1]), 24);
    slice((&[0], &[i64::MAX], &[2], &[2]), 24);
    slice((&[1], &[i64::MAX], &[2], &[2]), 16);
    slice((&[1], &[4], &[2], &[2]), 16);
    slice((&[0, 1], &[5, 4], &[2, 3], &[3, 2]), 8);
    slice((&[-1], &[i64::MIN + 1], &[3], &[-1]), 40);
    slice((&[-2], &[0], &[2], &[-2]), 16);
    slice((&[0, 1], &[i64::MAX, 3], &[0, 2], &[1, 1]), 16);
}

#[test]
fn joins_and_splits() {
    let graph = || Graph::new([2, 4, 3]).node("Tanh", "images", "a", &[]).node("Exp", "images", "b", &[]).random("c", &[1, 2, 4, 3]);
    check("Concat", &graph().node("Concat", "a b a", "y", &[int("axis", 1)]).model("y", 72));
    check("Concat", &graph().node("Concat", "b images", "y", &[int("axis", -1)]).model("y", 48));
    let split = |graph: Graph, inputs: &str, attributes: &[AttributeProto]| {
        let graph = graph.node("Split", inputs, "p q", attributes).node("Mul", "p q", "y", &[]);
        check("Split", &graph.model("y", 12));
    };
    split(graph().ints("sizes", &[2, 2]), "a sizes", &[int("axis", 2)]);
    split(graph(), "a", &[int("axis", -2), int("num_outputs", 2)]);
    // Only one part is used.
    let used = graph().ints("sizes", &[1, 3]).node("Split", "a sizes", "p q", &[int("axis", 2)]);
    check("Split", &used.model("q", 18));
}

#[test]
fn paddings() {
    let pad = |inputs: &str, pads: &[i64], size: i64| {
        let graph = Graph::new([2, 4, 3]).ints("pads", pads).floats("value", &[], &[0.5]).ints("axes", &[3, -2]);
        let graph = graph.node("Tanh", "images", "x", &[]).node("Pad", inputs, "y", &[]);
        check(&format!("Pad {pads:?}"), &graph.model("y", size));
    };
    pad("x pads", &[0, 0, 1, 2, 0, 0, 0, 1], 60);
    pad("x pads value", &[0, 1, 0, 0, 0, 0, 0, 0], 36);
    pad("x pads value", &[0, 0, -1, 0, 0, 0, 1, -1], 16);
    pad("x pads value axes", &[1, 0, 0, 2], 48);
}

#[test]
fn picking_by_index() {
    let gather = |axis: i64, dims: &[i64], places: &[i64], size: i64| {
        let graph = Graph::new([2, 4, 3]).tensor("places", tensor::of_integers(dims, places)).node("Tanh", "images", "x", &[]);
        let graph = graph.node("Gather", "x places", "y", &[int("axis", axis)]);
        check(&format!("Gather {axis} {dims:?} {places:?}"), &graph.model("y", size));
    };
    gather(2, &[], &[1], 6);
    gather(-1, &[], &[-1], 8);
    gather(2, &[1], &[3], 6);
    gather(2, &[4], &[3, 1, 0, 2], 24);
    gather(2, &[3], &[1, 1, -1], 18);
    gather(3, &[2, 2], &[0, 2, 2, 1], 32);
    let graph = || Graph::new([2, 4, 3]).node("Tanh", "images", "x", &[]);
    let top = graph().ints("k", &[2]).node("TopK", "x k", "y places", &[int("axis", 2)]);
    check("TopK", &top.model("y", 12));
    let chosen = graph().node("ArgMax", "x", "places", &[int("axis", 2)]).node("GatherElements", "x places", "y", &[int("axis", 2)]);
    // Which entry is picked is a choice of an index, and reported as such.
    let mut victim = super::open(&chosen.model("y", 6), 1).unwrap();
    assert!(!victim.gradients().unwrap().complete && victim.gradients().unwrap().nodes[0].operator == "ArgMax");
    super::check_differences("GatherElements", &mut victim, &super::random(48, 3));
}

#[test]
fn scattering() {
    let places = tensor::of_integers(&[2, 1], &[3, 0]);
    // The leading axis is one of the rows of a constant, its rows 3 and 0 are replaced by one image's.
    let graph = Graph::new([2, 4, 3]).tensor("places", places).random("data", &[4, 4, 3]).ints("first", &[0]).ints("one", &[1]);
    let graph = graph.ints("axis", &[0]).node("Slice", "images first one axis", "one.image", &[]);
    let graph = graph.node("Squeeze", "one.image axis", "rows", &[]).node("ScatterND", "data places rows", "y", &[]);
    assert!(super::open(&graph.model("y", 48), 1).is_err(), "it cuts the axis of the images");
}

#[test]
fn resolution() {
    let graph = |shape: [usize; 3]| Graph::new(shape).node("Tanh", "images", "x", &[]);
    for mode in ["DCR", "CRD"] {
        let attributes = [int("blocksize", 2), text("mode", mode)];
        check(mode, &graph([8, 2, 1]).node("DepthToSpace", "x", "y", &attributes).model("y", 16));
    }
    check("SpaceToDepth", &graph([2, 4, 2]).node("SpaceToDepth", "x", "y", &[int("blocksize", 2)]).model("y", 16));
}

#[test]
fn casts_sums_along_axes_and_triangles() {
    let double = int("to", DataType::Double as i64);
    let graph = Graph::new([2, 4, 3]).node("Cast", "images", "x", &[double]).node("Sigmoid", "x", "s", &[]);
    check("Cast", &graph.node("Mul", "x s", "p", &[]).node("Cast", "p", "y", &[int("to", DataType::Float as i64)]).model("y", 24));
    let axis = || Graph::new([2, 4, 3]).ints("axis", &[2]).node("Tanh", "images", "x", &[]);
    check("CumSum", &axis().node("CumSum", "x axis", "y", &[]).model("y", 24));
    check("CumSum", &axis().node("CumSum", "x axis", "y", &[int("exclusive", 1), int("reverse", 1)]).model("y", 24));
    check("Trilu", &axis().node("Trilu", "x", "y", &[int("upper", 0)]).model("y", 24));
    check("Dropout", &axis().node("Dropout", "x", "y", &[]).model("y", 24));
}

/// The shape of a reshape is computed from that of the images, as exporters write it.
#[test]
fn shapes_that_are_computed() {
    let graph = Graph::new([2, 4, 3])
        .node("Tanh", "images", "x", &[])
        .node("Shape", "x", "shape", &[])
        .tensor("zero", tensor::of_integers(&[], &[0]))
        .tensor("one", tensor::of_integers(&[], &[1]))
        .tensor("two", tensor::of_integers(&[], &[2]))
        .ints("front", &[0])
        .ints("six", &[6])
        .node("Gather", "shape zero", "n", &[])
        .node("Gather", "shape two", "h", &[])
        .node("Div", "h two", "half", &[])
        .node("Mul", "n two", "double", &[])
        .node("Unsqueeze", "double front", "a", &[])
        .node("Unsqueeze", "half front", "b", &[])
        .node("Concat", "a b six", "target", &[int("axis", 0)])
        .node("Reshape", "x target", "pairs", &[])
        .node("Softmax", "pairs", "y", &[]);
    check("computed shapes", &graph.model("y", 24));
}
