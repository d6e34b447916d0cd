use super::{Graph, open};
use crate::differentiate::attribute::{float, int, text};
use crate::differentiate::{Objective, Place, Refusal, differentiate};
use crate::proto::attribute_proto::AttributeType;
use crate::proto::tensor_proto::DataType;
use crate::proto::{AttributeProto, GraphProto, ModelProto};
use crate::testing;

fn refusal(model: ModelProto) -> Refusal {
    let signature = testing::signature([2, 2, 3], 3);
    differentiate(model, &signature, Objective::Seed).unwrap_err()
}

#[test]
fn every_operator_without_a_rule_is_named() {
    let graph = Graph::new([2, 2, 3]).node("Det", "images", "a", &[]).node("NoSuch", "a", "b", &[]).node("Det", "b", "c", &[]);
    let mut model = graph.model("c", 12);
    if let Some(graph) = &mut model.graph {
        graph.node[1].name = Some("the second".into());
        graph.node[1].domain = Some("com.example".into());
    }
    let place = |operator: &str, node: &str| Place { operator: operator.into(), node: node.into() };
    assert_eq!(refusal(model), Refusal::Operators(vec![place("Det", "a"), place("com.example.NoSuch", "the second")]));
}

/// What does not lie between images and logits needs no rule.
#[test]
fn operators_beside_the_way_do_not_matter() {
    let graph = Graph::new([2, 2, 3]).node("Det", "images", "unused", &[]).random("c", &[2, 2]).node("Det", "c", "constant", &[]);
    let graph = graph.node("Add", "images constant", "y", &[]);
    let signature = testing::signature([2, 2, 3], 3);
    // The shape of `constant` is not known, so the sum may be spread over it or not.
    assert!(matches!(differentiate(graph.model("y", 12), &signature, Objective::Seed), Err(Refusal::Form { .. })));
    let used = Graph::new([2, 2, 3]).node("Det", "images", "unused", &[]).node("Tanh", "images", "y", &[]);
    assert!(differentiate(used.model("y", 12), &signature, Objective::Seed).unwrap().masking.is_none());
}

#[test]
fn forms_that_a_rule_does_not_cover_are_named() {
    let form = |graph: Graph, expected: &str| match refusal(graph.model("y", 12)) {
        Refusal::Form { place, reason } => assert!(place.node == "y" && reason.contains(expected), "{place} {reason}"),
        other => panic!("{other}"),
    };
    let graph = || Graph::new([2, 2, 3]);
    form(graph().ints("pads", &[0, 0, 1, 1, 0, 0, 0, 0]).node("Pad", "images pads", "y", &[text("mode", "reflect")]), "reflect");
    form(graph().node("Gelu", "images", "y", &[text("approximate", "other")]), "other");
    form(graph().node("ReduceProd", "images", "y", &[]), "products");
    form(graph().node("Conv", "images images", "y", &[]), "depends on the images");
    let training = [int("training_mode", 1), float("epsilon", 0.1)];
    let norm = graph().random("s", &[2]).node("BatchNormalization", "images s s s s", "y", &training);
    form(norm, "statistics from the batch");
}

fn branch(operator: &str) -> AttributeProto {
    let node = testing::node(operator, &["images"], &format!("inner.{operator}"));
    let graph = GraphProto {
        name: Some("branch".into()),
        node: vec![node],
        output: vec![testing::value(&format!("inner.{operator}"), &[])],
        ..Default::default()
    };
    AttributeProto { r#type: Some(AttributeType::Graph as i32), g: Some(graph), ..Default::default() }
}

fn branches() -> [AttributeProto; 2] {
    let named = |name: &str, attribute: AttributeProto| AttributeProto { name: Some(name.into()), ..attribute };
    [named("then_branch", branch("Tanh")), named("else_branch", branch("Exp"))]
}

#[test]
fn control_flow_is_resolved_or_refused() {
    // On the size of an axis: the branch is known before the model runs.
    let graph = Graph::new([2, 2, 3]).node("Shape", "images", "shape", &[int("start", 1), int("end", 2)]).ints("two", &[2]);
    let graph = graph.node("Equal", "shape two", "condition", &[]).node("If", "condition", "y", &branches());
    super::check("If", &graph.model("y", 12));
    // On the images.
    let graph = Graph::new([2, 2, 3]).node("ReduceMax", "images", "most", &[int("keepdims", 0)]).floats("zero", &[], &[0.0]);
    let graph = graph.node("Greater", "most zero", "condition", &[]).node("If", "condition", "y", &branches());
    assert!(matches!(refusal(graph.model("y", 12)), Refusal::ControlFlow(place) if place.operator == "If"));
    for operator in ["Loop", "Scan"] {
        let body = AttributeProto { name: Some("body".into()), ..branch("Tanh") };
        let graph = Graph::new([2, 2, 3]).node(operator, "images", "y", &[body]);
        assert!(matches!(refusal(graph.model("y", 12)), Refusal::ControlFlow(place) if place.operator == operator));
    }
}

#[test]
fn broken_graphs_are_refused() {
    let graph = Graph::new([2, 2, 3]).node("Add", "images b", "a", &[]).node("Relu", "a", "b", &[]);
    assert!(refusal(graph.model("b", 12)).to_string().contains("needs its own result"));
    let graph = Graph::new([2, 2, 3]).node("Add", "images absent", "y", &[]);
    assert!(refusal(graph.model("y", 12)).to_string().contains("`absent`"));
    let graph = Graph::new([2, 2, 3]).node("Relu", "images", "y", &[]).node("Tanh", "images", "y", &[]);
    assert!(refusal(graph.model("y", 12)).to_string().contains("two values"));
    let graph = Graph::new([2, 2, 3]).opset(6).node("Relu", "images", "y", &[]);
    assert!(refusal(graph.model("y", 12)).to_string().contains("operator set 6"));
    assert!(matches!(refusal(ModelProto::default()), Refusal::Graph(_)));
}

/// Nodes may come in any order, as ONNX Runtime allows.
#[test]
fn graphs_out_of_order_are_sorted() {
    let mut model = Graph::new([2, 2, 3]).node("Tanh", "images", "a", &[]).node("Exp", "a", "y", &[]).model("y", 12);
    if let Some(graph) = &mut model.graph {
        graph.node.reverse();
    }
    let signature = testing::signature([2, 2, 3], 3);
    let derived = differentiate(model, &signature, Objective::Seed).unwrap();
    assert_eq!(derived.model.graph.unwrap().node[0].op_type(), "Tanh");
}

/// Operators that end gradients, each alone on the way.
#[test]
fn masking_is_reported() {
    let bool_to_float = int("to", DataType::Float as i64);
    let round = || Graph::new([2, 2, 3]).floats("c", &[], &[8.0]).node("Mul", "images c", "x", &[]);
    let alone = [
        round().node("Round", "x", "y", &[]),
        round().node("Floor", "x", "y", &[]),
        round().node("Sign", "x", "y", &[]),
        round().node("Cast", "x", "whole", &[int("to", DataType::Int32 as i64)]).node(
            "Cast",
            "whole",
            "y",
            std::slice::from_ref(&bool_to_float),
        ),
        round().node("Greater", "x c", "above", &[]).node("Cast", "above", "y", std::slice::from_ref(&bool_to_float)),
    ];
    for graph in alone {
        let operator = graph.nodes[1].op_type().to_owned();
        let mut victim = open(&graph.model("y", 12), 1).unwrap();
        assert!(victim.gradients().unwrap().complete && victim.gradients().unwrap().nodes.len() == 1, "{operator}");
        assert_eq!(victim.gradients().unwrap().nodes[0].operator, operator);
        assert!(victim.gradients().unwrap().to_string().contains("every path"));
        assert!(super::gradient(&mut victim, &super::random(24, 1)).iter().all(|value| *value == 0.0), "{operator}");
    }
    // A second path leads past it.
    let beside = round().node("Round", "x", "r", &[]).node("Add", "r x", "y", &[]);
    let mut victim = open(&beside.model("y", 12), 1).unwrap();
    assert!(!victim.gradients().unwrap().complete && victim.gradients().unwrap().nodes.len() == 1);
    assert!(victim.gradients().unwrap().to_string().contains("some paths"));
    assert!(super::gradient(&mut victim, &super::random(24, 1)).iter().any(|value| *value != 0.0));
}

#[test]
fn quantisation_is_masking() {
    let graph = Graph::new([2, 2, 3]).floats("scale", &[], &[0.05]).tensor(
        "zero",
        crate::proto::TensorProto { data_type: Some(DataType::Uint8 as i32), raw_data: Some(vec![128]), ..Default::default() },
    );
    let graph = graph.node("QuantizeLinear", "images scale zero", "q", &[]).node("DequantizeLinear", "q scale zero", "y", &[]);
    let victim = open(&graph.model("y", 12), 1).unwrap();
    assert!(victim.gradients().unwrap().complete);
    assert_eq!(victim.gradients().unwrap().nodes[0].operator, "QuantizeLinear");
}

#[test]
fn logits_that_do_not_depend_on_the_images() {
    let graph = Graph::new([2, 2, 3]).node("Shape", "images", "shape", &[int("end", 1)]).ints("two", &[12]);
    let graph = graph.node("Concat", "shape two", "sizes", &[int("axis", 0)]).node("ConstantOfShape", "sizes", "y", &[]);
    let mut victim = open(&graph.model("y", 12), 1).unwrap();
    assert!(victim.gradients().unwrap().complete && victim.gradients().unwrap().nodes.is_empty());
    assert!(victim.gradients().unwrap().to_string().contains("do not depend"));
    assert!(super::gradient(&mut victim, &[0.5; 24]).iter().all(|value| *value == 0.0));
}

/// A choice between two values by a condition is a piece of an ordinary function.
#[test]
fn a_condition_is_no_masking() {
    let graph = Graph::new([2, 2, 3]).floats("zero", &[], &[0.0]).node("Greater", "images zero", "above", &[]);
    let graph = graph.node("Where", "above images zero", "y", &[]);
    assert!(open(&graph.model("y", 12), 1).unwrap().gradients().unwrap().is_none());
}

/// Noise does not depend on the values of what gives it its size.
#[test]
fn noise_is_no_masking() {
    for operator in ["RandomNormalLike", "RandomUniformLike"] {
        let graph = Graph::new([2, 2, 3]).node(operator, "images", "noise", &[]).node("Add", "images noise", "y", &[]);
        let mut victim = open(&graph.model("y", 12), 1).unwrap();
        assert!(victim.gradients().unwrap().is_none(), "{operator}");
        assert!(super::gradient(&mut victim, &super::random(24, 1)).iter().all(|value| *value != 0.0), "{operator}");
    }
}
