use super::{Graph, check, gradient, open, random};
use crate::differentiate::attribute::{float, int, text};

#[test]
fn functions_of_one_number() {
    for operator in [
        "Identity",
        "Neg",
        "Abs",
        "Exp",
        "Sigmoid",
        "Tanh",
        "Erf",
        "Sin",
        "Cos",
        "Atan",
        "Relu",
        "Elu",
        "Selu",
        "Celu",
        "Softplus",
        "Softsign",
        "HardSwish",
        "Mish",
        "LeakyRelu",
    ] {
        check(operator, &Graph::new([2, 2, 3]).node(operator, "images", "y", &[]).model("y", 12));
    }
}

/// On numbers above a half.
#[test]
fn functions_of_a_positive_number() {
    for operator in ["Log", "Sqrt", "Reciprocal"] {
        let graph = Graph::new([2, 2, 3]).floats("two", &[], &[2.0]).node("Add", "images two", "x", &[]);
        check(operator, &graph.node(operator, "x", "y", &[]).model("y", 12));
    }
}

#[test]
fn activations_with_parameters() {
    let with = |operator: &str, attributes: &[_]| Graph::new([2, 2, 3]).node(operator, "images", "y", attributes).model("y", 12);
    check("Elu", &with("Elu", &[float("alpha", 0.4)]));
    check("Selu", &with("Selu", &[float("alpha", 1.2), float("gamma", 0.7)]));
    check("Celu", &with("Celu", &[float("alpha", 0.3)]));
    check("LeakyRelu", &with("LeakyRelu", &[float("alpha", 0.3)]));
    check("ThresholdedRelu", &with("ThresholdedRelu", &[float("alpha", 0.2)]));
    check("HardSigmoid", &with("HardSigmoid", &[float("alpha", 0.9), float("beta", 0.4)]));
    check("Gelu", &with("Gelu", &[]));
    check("Gelu tanh", &with("Gelu", &[text("approximate", "tanh")]));
    let graph = Graph::new([2, 2, 3]).random("slope", &[2, 1, 1]).node("PRelu", "images slope", "y", &[]);
    check("PRelu", &graph.model("y", 12));
}

#[test]
fn clips() {
    let clip = |inputs: &str| {
        let graph = Graph::new([2, 2, 3]).floats("low", &[], &[-0.4]).floats("high", &[], &[0.3]);
        graph.node("Clip", inputs, "y", &[]).model("y", 12)
    };
    check("Clip", &clip("images low high"));
    check("Clip below", &clip("images low"));
    check("Clip above", &clip("images - high"));
    check("Clip not", &clip("images"));
}

/// An image whose pixels are black or white keeps its gradient through a clamp to [0, 1], as in `PyTorch`.
#[test]
fn a_clip_passes_gradients_at_its_bounds() {
    let graph = Graph::new([1, 1, 2]).floats("low", &[], &[0.0]).floats("high", &[], &[1.0]);
    let model = graph.node("Clip", "images low high", "y", &[]).model("y", 2);
    let mut victim = super::open(&model, 1).unwrap();
    assert!(super::gradient(&mut victim, &[0.0, 1.0]).iter().all(|value| *value != 0.0));
    assert!(super::gradient(&mut victim, &[-0.1, 1.1]).iter().all(|value| *value == 0.0));
}

/// As our own exports write it, and beside another use of one of its parts.
#[test]
fn a_softplus_in_parts() {
    let parts = |graph: Graph| {
        graph
            .node("Relu", "images", "r", &[])
            .node("Abs", "images", "a", &[])
            .node("Sigmoid", "a", "s", &[])
            .node("Log", "s", "l", &[])
            .node("Sub", "r l", "y", &[])
    };
    check("softplus", &parts(Graph::new([2, 2, 3])).model("y", 12));
    check("softplus and more", &parts(Graph::new([2, 2, 3])).node("Add", "y s", "z", &[]).model("z", 12));
}

#[test]
fn softmaxes() {
    for operator in ["Softmax", "LogSoftmax"] {
        for axis in [1, 2, -1, -3] {
            let graph = Graph::new([2, 2, 3]).node(operator, "images", "y", &[int("axis", axis)]);
            check(&format!("{operator} {axis}"), &graph.model("y", 12));
        }
    }
}

#[test]
fn normalisations() {
    let norm = |operator: &str, graph: Graph, inputs: &str, attributes: &[_]| {
        let graph = graph.node(operator, &format!("images {inputs}"), "y", attributes);
        check(operator, &graph.model("y", 24));
    };
    let graph = || Graph::new([4, 2, 3]).random("scale", &[4]).random("shift", &[4]);
    norm("InstanceNormalization", graph(), "scale shift", &[float("epsilon", 0.01)]);
    norm("GroupNormalization", graph().opset(21), "scale shift", &[int("num_groups", 2), float("epsilon", 0.01)]);
    let running = graph().floats("mean", &[4], &[0.1, -0.2, 0.0, 0.3]).floats("variance", &[4], &[0.5, 1.5, 1.0, 2.0]);
    norm("BatchNormalization", running.clone(), "scale shift mean variance", &[float("epsilon", 0.01)]);
    // Statistics that are computed in the graph.
    let computed = running.node("Abs", "scale", "computed", &[]);
    norm("BatchNormalization", computed, "computed shift mean variance", &[]);
    let layer = |dims: &[i64]| Graph::new([4, 2, 3]).random("scale", dims).random("shift", dims);
    norm("LayerNormalization", layer(&[3]), "scale shift", &[float("epsilon", 0.01)]);
    norm("LayerNormalization", layer(&[2, 3]), "scale", &[int("axis", -2), float("epsilon", 0.01)]);
    norm("LayerNormalization", layer(&[4, 2, 3]).opset(17), "scale shift", &[int("axis", 1), float("epsilon", 0.01)]);
}

/// The slope of a square root is infinite at zero; where a mask cuts it off nothing is left of it, as in `PyTorch`.
#[test]
fn what_a_mask_cuts_off_may_be_infinite() {
    for mask in ["Relu", "ThresholdedRelu"] {
        let graph = Graph::new([2, 2, 3]).node(mask, "images", "a", &[]).node("Sqrt", "a", "y", &[]);
        let images = random(2 * 12, 5);
        let slopes = gradient(&mut open(&graph.model("y", 12), 1).unwrap(), &images);
        let least = if mask == "Relu" { 0.0 } else { 1.0 };
        assert!(slopes.iter().all(|slope| slope.is_finite()), "{mask}: {slopes:?}");
        for (slope, pixel) in slopes.iter().zip(&images) {
            assert_eq!(slope.abs() > 0.0, *pixel > least, "{mask}: {slope} at {pixel}");
        }
    }
}
