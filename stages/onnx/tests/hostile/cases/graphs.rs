//! Graphs that are none, and inputs and outputs that are not those of a classifier.

use planish_onnx::proto::tensor_proto::DataType;
use planish_onnx::proto::type_proto::{Sequence, Value};
use planish_onnx::proto::{NodeProto, TypeProto};

use crate::build::{after, before, changed, honest, int, named, node, of_type, shapeless, typed_value, value, weights, with};
use crate::case::{Case, Expected, model};

use Expected::{Accepted, Refused};

pub(crate) fn all() -> Vec<Case> {
    [disorder(), names(), inputs(), outputs()].into_iter().flatten().collect()
}

fn disorder() -> Vec<Case> {
    vec![
        model(
            "cycle",
            Refused(&["the graph has a cycle"]),
            &before(vec![node("Add", &["images", "b"], "x"), node("Relu", &["x"], "b")], vec![]),
        ),
        model("node that reads itself", Refused(&["cycle"]), &before(vec![node("Add", &["images", "x"], "x")], vec![])),
        model("nodes in disorder", Refused(&["reads `flat` before"]), &changed(|graph| graph.node.reverse())),
        model("value from nowhere", Refused(&["`y`, which nothing computes"]), &before(vec![node("Relu", &["y"], "x")], vec![])),
        model("output from nowhere", Refused(&["the output `logits`, which nothing computes"]), &changed(|graph| drop(graph.node.pop()))),
        model(
            "value computed twice",
            Refused(&["`x` twice"]),
            &before(vec![node("Relu", &["images"], "x"), node("Abs", &["images"], "x")], vec![]),
        ),
        model(
            "weights computed",
            Refused(&["`fc.weight` twice"]),
            &before(vec![node("Relu", &["images"], "x"), node("Abs", &["images"], "fc.weight")], vec![]),
        ),
        model("weights twice", Refused(&["two initializers"]), &changed(|graph| graph.initializer.push(weights("fc.weight", &[4, 3])))),
        model("weights without a name", Refused(&["one without a name"]), &changed(|graph| graph.initializer.push(weights("", &[4, 3])))),
        model("no nodes", Refused(&["which nothing computes"]), &changed(|graph| graph.node.clear())),
        model(
            "two nodes of a name",
            Refused(&["two nodes named `same`"]),
            &changed(|graph| {
                graph.node.iter_mut().for_each(|node| node.name = Some("same".into()));
            }),
        ),
    ]
}

fn names() -> Vec<Case> {
    let call = |name: &str| named(name, NodeProto { domain: Some("evil".into()), ..node("Foo", &["images"], "x") });
    let long = "n".repeat(1 << 20);
    vec![
        model("name that paints the terminal", Refused(&["`\\u{1b}[31mred\\n`"]), &before(vec![call("\u{1b}[31mred\n")], vec![])),
        model("name of a mebibyte", Refused(&["nnn…`"]), &before(vec![call(&long)], vec![])),
        model("honest names of a mebibyte", Accepted, &before(vec![named(&long, node("Relu", &["images"], "x"))], vec![])),
        model("name of another script", Accepted, &before(vec![named("слой/層", node("Relu", &["images"], "x"))], vec![])),
    ]
}

fn inputs() -> Vec<Case> {
    let sequence = Sequence { elem_type: Some(Box::new(TypeProto { value: value("", &[0]).r#type.unwrap().value, denotation: None })) };
    let input = |value: planish_onnx::proto::ValueInfoProto| changed(|graph| graph.input[0] = value);
    vec![
        model(
            "two inputs",
            Refused(&["more than one input (`images`, `more`, …)"]),
            &changed(|graph| graph.input.push(value("more", &[0, 1]))),
        ),
        model("no input", Refused(&["which nothing computes"]), &changed(|graph| graph.input.clear())),
        model("input of bytes", Refused(&["`images` is of type UINT8"]), &input(typed_value("images", DataType::Uint8, &[0, 3, 8, 8]))),
        model("input of doubles", Refused(&["type DOUBLE"]), &input(typed_value("images", DataType::Double, &[0, 3, 8, 8]))),
        model("input of halves", Refused(&["type FLOAT16"]), &input(typed_value("images", DataType::Float16, &[0, 3, 8, 8]))),
        model("input of an unknown type", Refused(&["type UNDEFINED"]), &input(typed_value("images", DataType::Undefined, &[0, 3, 8, 8]))),
        model(
            "input that is a list",
            Refused(&["`images` is not a tensor"]),
            &input(of_type("images", Value::SequenceType(Box::new(sequence)))),
        ),
        model("input without a type", Refused(&["is not a tensor"]), &changed(|graph| graph.input[0].r#type = None)),
        model("input without a shape", Refused(&["declares no shape"]), &input(shapeless("images", DataType::Float))),
        model("input that is no image", Refused(&["[n, c, h, w]"]), &input(value("images", &[0, 192]))),
        model("batches of 8 only", Refused(&["fixed size"]), &input(value("images", &[8, 3, 8, 8]))),
        model("images of any size", Refused(&["every axis but the first"]), &input(value("images", &[0, 3, 0, 0]))),
        model("negative image", Refused(&["size -8"]), &input(value("images", &[0, 3, -8, 8]))),
        model("image of an exabyte", Refused(&["too large"]), &input(value("images", &[0, 3, 1 << 30, 1 << 30]))),
        model("channels that the weights lack", Refused(&["Conv"]), &input(value("images", &[0, 4, 8, 8]))),
        model("one image at a time", Accepted, &input(value("images", &[1, 3, 8, 8]))),
        model("channels last", Accepted, &{
            let transpose = with(node("Transpose", &["images"], "x"), crate::build::ints("perm", &[0, 3, 1, 2]));
            let mut model = before(vec![transpose], vec![]);
            model.graph.as_mut().unwrap().input[0] = value("images", &[0, 8, 8, 3]);
            model
        }),
        model("weights that are inputs as well", Accepted, &changed(|graph| graph.input.push(value("fc.weight", &[4, 3])))),
    ]
}

fn outputs() -> Vec<Case> {
    let output = |value: planish_onnx::proto::ValueInfoProto| changed(|graph| graph.output[0] = value);
    vec![
        model("two outputs", Refused(&["more than one output"]), &changed(|graph| graph.output.push(value("relu", &[0, 4, 8, 8])))),
        model("no output", Refused(&["no output"]), &changed(|graph| graph.output.clear())),
        model("output of whole numbers", Refused(&["type INT64"]), &output(typed_value("logits", DataType::Int64, &[0, 3]))),
        model("output without a shape", Refused(&["declares no shape"]), &output(shapeless("logits", DataType::Float))),
        model("output of any size", Refused(&["every axis but the first"]), &output(value("logits", &[0, 0]))),
        model("maps instead of logits", Refused(&["[n, k]"]), &output(value("logits", &[0, 3, 1, 1]))),
        model("more classes than there are", Refused(&["logits"]), &output(value("logits", &[0, 1000]))),
        model("classes of an exabyte", Refused(&["4611686018427387904"]), &output(value("logits", &[0, 1 << 62]))),
        model(
            "one row for all images",
            Refused(&["instead of [2, 3]"]),
            &after(
                vec![with(with(node("ReduceMean", &["plain"], "logits"), crate::build::ints("axes", &[0])), int("keepdims", 1))],
                vec![],
            ),
        ),
        model("output that is the input", Refused(&["[n, k]"]), &changed(|graph| graph.output[0] = graph.input[0].clone())),
        model("output that is constant", Refused(&["logits"]), &{
            let mut model = honest();
            let graph = model.graph.as_mut().unwrap();
            graph.initializer.push(weights("logits", &[1, 3]));
            graph.node.pop();
            model
        }),
    ]
}
