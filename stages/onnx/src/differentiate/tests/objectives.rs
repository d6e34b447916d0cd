use planish_nn::{Aim, Surrogate, Victim};

use super::{Graph, open, random};
use crate::differentiate::{Objective, differentiate};
use crate::testing;

/// Five logits that bend.
fn model() -> crate::proto::ModelProto {
    let mut model = Graph::new([2, 2, 3])
        .random("w", &[12, 5])
        .ints("rows", &[-1, 12])
        .node("Reshape", "images rows", "x", &[])
        .node("MatMul", "x w", "z", &[])
        .node("Mul", "z z", "logits", &[])
        .finish();
    if let Some(graph) = &mut model.graph {
        graph.output = vec![crate::testing::value("logits", &[None, Some(5)])];
    }
    model
}

/// The graph's own derivative of each loss against that which Rust computes on the logits.
#[test]
fn standard_losses_are_the_ones_of_the_attacks() {
    let mut victim = open(&model(), 2).unwrap();
    let images = random(12 * 20, 9);
    let aims: Vec<Aim> = (0..20).map(|image| Aim { label: image % 5, target: (image + 1 + image / 5 % 4) % 5 }).collect();
    for surrogate in Surrogate::ALL {
        let inside = victim.surrogate_gradient(&images, surrogate, &aims).unwrap();
        let mut loss = |image: usize, logits: &[f32], slope: &mut [f32]| surrogate.value(logits, aims[image], slope);
        let outside = victim.gradient(&images, &mut loss).unwrap();
        assert_eq!(inside.losses, outside.losses, "{surrogate:?}");
        let scale = outside.gradient.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        for (a, b) in inside.gradient.iter().zip(&outside.gradient) {
            assert!((a - b).abs() < 3e-6 * scale, "{surrogate:?}: {a} {b}");
        }
    }
}

/// Where the true class has all but 1e-13 of the probability, the cross-entropy's gradient in single precision is still there.
#[test]
fn a_confident_model_keeps_its_gradient() {
    let mut model = Graph::new([1, 1, 3]).ints("rows", &[-1, 3]).floats("thirty", &[], &[30.0]).node("Reshape", "images rows", "x", &[]);
    model = model.node("Mul", "x thirty", "logits", &[]);
    let mut victim = open(&model.finish(), 1).unwrap();
    let pass = victim.surrogate_gradient(&[1.0, 0.0, 0.0], Surrogate::CrossEntropy, &[Aim::away_from(0)]).unwrap();
    assert!(pass.gradient[0] < 0.0 && pass.gradient[1] > 0.0 && pass.losses[0] > 0.0, "{pass:?}");
}

#[test]
fn aims_must_fit() {
    let mut victim = open(&model(), 1).unwrap();
    let aim = |label, target| Aim { label, target };
    assert!(victim.surrogate_gradient(&[0.0; 12], Surrogate::Margin, &[aim(5, 0)]).is_err());
    assert!(victim.surrogate_gradient(&[0.0; 12], Surrogate::LogitDifference, &[aim(0, 5)]).is_err());
    assert!(victim.surrogate_gradient(&[0.0; 12], Surrogate::Margin, &[]).is_err());
    let small = Graph::new([1, 1, 3]).ints("rows", &[-1, 3]).node("Reshape", "images rows", "logits", &[]).finish();
    let failure = open(&small, 1).unwrap().surrogate_gradient(&[0.0; 3], Surrogate::TargetedDlr, &[aim(0, 1)]).unwrap_err();
    assert!(failure.to_string().contains("at least 4 classes"), "{failure}");
}

#[test]
fn a_loss_for_more_classes_is_refused() {
    let signature = testing::signature([2, 2, 3], 3);
    let refusal = differentiate(model(), &signature, Objective::Surrogate(Surrogate::TargetedDlr)).unwrap_err();
    assert!(refusal.to_string().contains("at least 4 classes"), "{refusal}");
}

/// The graph is an ONNX model of its own: its inputs and outputs say what they are, and its loss is that of the attacks.
#[test]
fn the_graph_is_a_model_with_a_loss() {
    let signature = testing::signature([2, 2, 3], 5);
    let derived = differentiate(model(), &signature, Objective::Surrogate(Surrogate::TargetedDlr)).unwrap();
    let graph = derived.model.graph.as_ref().unwrap();
    let names = |values: &[crate::proto::ValueInfoProto]| values.iter().map(|value| value.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&graph.input), ["images", "labels", "targets"]);
    assert_eq!(names(&graph.output), ["logits", "loss", "gradient"]);
    assert_eq!((derived.labels.as_deref(), derived.targets.as_deref(), derived.seed), (Some("labels"), Some("targets"), None));
    let mut nodes: Vec<&str> = graph.node.iter().flat_map(|node| &node.output).map(String::as_str).collect();
    nodes.sort_unstable();
    assert!(nodes.windows(2).all(|pair| pair[0] != pair[1]));
}
