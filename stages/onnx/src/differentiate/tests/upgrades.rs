//! Older operator sets.

use super::{Graph, check};
use crate::differentiate::attribute::{float, int, ints};
use crate::testing;

fn graph(opset: i64) -> Graph {
    Graph::new([2, 4, 3]).opset(opset).node("Tanh", "images", "x", &[])
}

#[test]
fn attributes_that_became_inputs() {
    let pooled = || graph(11).node("GlobalAveragePool", "x", "p", &[]);
    check("Squeeze", &pooled().node("Squeeze", "p", "y", &[ints("axes", &[2, 3])]).model("y", 2));
    check("Unsqueeze", &graph(11).node("Unsqueeze", "x", "y", &[ints("axes", &[1])]).model("y", 24));
    check("ReduceSum", &graph(11).node("ReduceSum", "x", "y", &[ints("axes", &[2]), int("keepdims", 0)]).model("y", 6));
    let split = graph(11).node("Split", "x", "p q", &[int("axis", 2), ints("split", &[1, 3])]);
    check("Split", &split.model("q", 18));
    let slice = [ints("starts", &[1]), ints("ends", &[3]), ints("axes", &[2])];
    check("Slice", &graph(9).node("Slice", "x", "y", &slice).model("y", 12));
    let pads = [ints("pads", &[0, 0, 1, 0, 0, 0, 0, 1]), float("value", 0.5)];
    check("Pad", &graph(10).node("Pad", "x", "y", &pads).model("y", 40));
    check("Clip", &graph(10).node("Clip", "x", "y", &[float("min", -0.3), float("max", 0.4)]).model("y", 24));
}

#[test]
fn operators_that_changed() {
    check("Dropout", &graph(10).node("Dropout", "x", "y", &[float("ratio", 0.3)]).model("y", 24));
    let rows = graph(11).ints("rows", &[-1, 24]).node("Reshape", "x rows", "flat", &[]);
    check("Softmax", &rows.clone().node("Softmax", "flat", "y", &[]).model("y", 24));
    check("Softmax", &graph(12).node("Softmax", "x", "y", &[int("axis", 3)]).model("y", 24));
    // Its old form takes the last three axes as one.
    let signature = testing::signature([2, 4, 3], 3);
    let old = graph(12).node("Softmax", "x", "y", &[int("axis", 1)]).model("y", 24);
    assert!(crate::differentiate::differentiate(old, &signature, crate::differentiate::Objective::Seed).is_err());
}

/// The scatter with which a maximum's gradient goes back needs a newer set than these models name.
#[test]
fn pools_of_older_sets() {
    for opset in [9, 11, 13, 15] {
        let graph = graph(opset).node("MaxPool", "x", "y", &[ints("kernel_shape", &[2, 2])]);
        check(&format!("MaxPool of {opset}"), &graph.model("y", 12));
    }
}
