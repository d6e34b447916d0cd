//! Operators that are foreign, unknown or endless.

use planish_onnx::proto::tensor_proto::DataType;
use planish_onnx::proto::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto};

use crate::build::{after, before, floats, graph, int, named, node, plus, scalar, shapeless, typed_value, weights, with};
use crate::case::{Case, Expected, model};

use Expected::{Accepted, AcceptedAsRandom, Refused};

pub(crate) fn all() -> Vec<Case> {
    [foreign(), loops(), branches(), functions(), chance()].into_iter().flatten().collect()
}

fn in_domain(domain: &str, node: NodeProto) -> NodeProto {
    NodeProto { domain: Some(domain.into()), ..node }
}

fn importing(domain: &str, mut model: ModelProto) -> ModelProto {
    model.opset_import.push(OperatorSetIdProto { domain: Some(domain.into()), version: Some(1) });
    model
}

fn foreign() -> Vec<Case> {
    let custom = || named("first", node("Foo", &["images"], "x"));
    vec![
        model(
            "custom operator",
            Refused(&["node `first` (`Foo`) is a custom operator, of domain `evil`"]),
            &importing("evil", before(vec![in_domain("evil", custom())], vec![])),
        ),
        model(
            "custom operator of PyTorch",
            Refused(&["domain `org.pytorch.aten`"]),
            &importing("org.pytorch.aten", before(vec![in_domain("org.pytorch.aten", custom())], vec![])),
        ),
        model("unknown operator", Refused(&["node `first` (`Foo`) is no operator of ONNX"]), &before(vec![custom()], vec![])),
        model("no operator", Refused(&["is no operator of ONNX"]), &before(vec![node("", &["images"], "x")], vec![])),
        model(
            "unknown operator of the runtime",
            Refused(&["ONNX Runtime refuses the model"]),
            &importing("com.microsoft", before(vec![in_domain("com.microsoft", custom())], vec![])),
        ),
        model(
            "operator of the runtime",
            Accepted,
            &importing("com.microsoft", before(vec![in_domain("com.microsoft", node("Gelu", &["images"], "x"))], vec![])),
        ),
        model(
            "operator newer than the set",
            Refused(&["ONNX Runtime refuses the model"]),
            &before(vec![node("Gelu", &["images"], "x")], vec![]),
        ),
        model(
            "operator of training",
            Refused(&["custom operator, of domain `ai.onnx.preview.training`"]),
            &importing(
                "ai.onnx.preview.training",
                before(vec![in_domain("ai.onnx.preview.training", node("Gradient", &["images"], "x"))], vec![]),
            ),
        ),
    ]
}

fn truth(name: &str) -> TensorProto {
    TensorProto { data_type: Some(DataType::Bool as i32), raw_data: Some(vec![1]), dims: vec![], ..floats(name, &[], &[]) }
}

/// A loop body that goes on for ever.
fn endless() -> GraphProto {
    GraphProto {
        name: Some("body".into()),
        node: vec![node("Identity", &["go"], "go.on"), node("Relu", &["v"], "v.on")],
        input: vec![typed_value("i", DataType::Int64, &[]), typed_value("go", DataType::Bool, &[]), shapeless("v", DataType::Float)],
        output: vec![typed_value("go.on", DataType::Bool, &[]), shapeless("v.on", DataType::Float)],
        ..Default::default()
    }
}

fn loops() -> Vec<Case> {
    let repeat = |start: &str, output: &str| with(node("Loop", &["", "true", start], output), graph("body", endless()));
    let scan = with(with(node("Scan", &["images"], "x"), graph("body", GraphProto::default())), int("num_scan_inputs", 1));
    let nested = GraphProto {
        name: Some("branch".into()),
        node: vec![repeat("images", "l")],
        output: vec![shapeless("l", DataType::Float)],
        ..Default::default()
    };
    let hidden = with(with(node("If", &["true"], "x"), graph("then_branch", nested.clone())), graph("else_branch", nested));
    vec![
        model("endless loop", Refused(&["`Loop`", "nothing bounds its time"]), &before(vec![repeat("images", "x")], vec![truth("true")])),
        model(
            "endless loop over a constant",
            Refused(&["`Loop`"]),
            &plus(vec![repeat("c", "k")], vec![truth("true"), floats("c", &[1], &[1.0])]),
        ),
        model("scan", Refused(&["`Scan`"]), &before(vec![scan], vec![])),
        model("map of a list", Refused(&["`SequenceMap`"]), &before(vec![node("SequenceMap", &["images"], "x")], vec![])),
        model("loop in a branch", Refused(&["`Loop`"]), &before(vec![hidden], vec![truth("true")])),
    ]
}

fn branch(name: &str, node: NodeProto) -> AttributeProto {
    let output = shapeless(&node.output[0], DataType::Float);
    graph(name, GraphProto { name: Some(name.into()), node: vec![node], output: vec![output], ..Default::default() })
}

fn branches() -> Vec<Case> {
    let choose = |then: NodeProto, other: NodeProto, output: &str| {
        with(with(node("If", &["true"], output), branch("then_branch", then)), branch("else_branch", other))
    };
    let mut deep = node("Relu", &["images"], "d0");
    for level in 1..14 {
        deep = choose(deep, node("Abs", &["images"], &format!("e{level}")), &format!("d{level}"));
    }
    let model_of = |x: NodeProto| before(vec![x], vec![truth("true")]);
    vec![
        model("branch", Accepted, &model_of(choose(node("Relu", &["images"], "a"), node("Abs", &["images"], "b"), "x"))),
        model(
            "branch that reads from nowhere",
            Refused(&["`y`, which nothing computes"]),
            &model_of(choose(node("Relu", &["y"], "a"), node("Abs", &["images"], "b"), "x")),
        ),
        model(
            "branch that reads what comes later",
            Refused(&["`conv`, which nothing computes"]),
            &model_of(choose(node("Relu", &["conv"], "a"), node("Abs", &["images"], "b"), "x")),
        ),
        model("branches in branches", Refused(&["levels deep"]), &model_of(choose(deep, node("Abs", &["images"], "e"), "x"))),
        model("branch without graphs", Refused(&["ONNX Runtime refuses the model"]), &model_of(node("If", &["true"], "x"))),
    ]
}

fn function(name: &str, nodes: Vec<NodeProto>, output: &str) -> FunctionProto {
    FunctionProto {
        name: Some(name.into()),
        domain: Some("local".into()),
        input: vec!["v".into()],
        output: vec![output.into()],
        node: nodes,
        opset_import: vec![
            OperatorSetIdProto { domain: Some(String::new()), version: Some(17) },
            OperatorSetIdProto { domain: Some("local".into()), version: Some(1) },
        ],
        ..Default::default()
    }
}

fn calling(functions: Vec<FunctionProto>) -> ModelProto {
    let model = importing("local", before(vec![in_domain("local", node("f0", &["images"], "x"))], vec![]));
    ModelProto { functions, ..model }
}

fn functions() -> Vec<Case> {
    let call = |name: &str, input: &str, output: &str| in_domain("local", node(name, &[input], output));
    let doubling = |level: usize| {
        let next = format!("f{}", level + 1);
        function(&format!("f{level}"), vec![call(&next, "v", "a"), call(&next, "a", "b")], "b")
    };
    let mut many: Vec<FunctionProto> = (0..30).map(doubling).collect();
    many.push(function("f30", vec![node("Relu", &["v"], "a")], "a"));
    let endless = function("f0", vec![call("f1", "v", "a")], "a");
    vec![
        model("function", Accepted, &calling(vec![function("f0", vec![node("Relu", &["v"], "a")], "a")])),
        model(
            "function that calls itself",
            Refused(&["calls itself"]),
            &calling(vec![endless, function("f1", vec![call("f0", "v", "a")], "a")]),
        ),
        model("a billion calls", Refused(&["once its functions are expanded"]), &calling(many)),
        model("function without its body", Refused(&["nothing computes"]), &calling(vec![function("f0", vec![], "a")])),
        model("function twice", Refused(&["`f0` twice"]), &calling(vec![function("f0", vec![], "v"), function("f0", vec![], "v")])),
    ]
}

fn chance() -> Vec<Case> {
    let drop_out = vec![node("Dropout", &["images", "half", "true"], "x")];
    vec![
        model(
            "noise on the images",
            AcceptedAsRandom,
            &before(vec![node("RandomNormalLike", &["images"], "r"), node("Add", &["images", "r"], "x")], vec![]),
        ),
        model("dropout that is left on", AcceptedAsRandom, &before(drop_out, vec![truth("true"), floats("half", &[], &[0.5])])),
        model("probabilities", Accepted, &after(vec![node("Softmax", &["plain"], "logits")], vec![])),
        model("classes rounded", Accepted, &after(vec![node("Round", &["plain"], "logits")], vec![])),
        model("unused weights", Accepted, &before(vec![node("Relu", &["images"], "x")], vec![weights("unused", &[1000]), scalar("n", 3)])),
    ]
}
