//! Small files that ask for much memory or time.

use planish_onnx::proto::{NodeProto, StringStringEntryProto, TensorProto};

use crate::build::{before, changed, floats, honest, int, ints, node, plus, scalar, tensor, value, whole, with};
use crate::case::{Case, Expected, model};

use Expected::{Accepted, Refused};

pub(crate) fn all() -> Vec<Case> {
    [fixed(), windows(), computed(), long()].into_iter().flatten().collect()
}

/// A large tensor of ones, made of its shape.
fn large(shape: &str, output: &str) -> NodeProto {
    with(node("ConstantOfShape", &[shape], output), tensor("value", TensorProto { name: None, ..floats("", &[1], &[1.0]) }))
}

/// What the file fixes, and the inspection sees.
fn fixed() -> Vec<Case> {
    let on_images = |operator: &str, more: TensorProto| before(vec![node(operator, &["images", "s"], "x")], vec![more]);
    let range = [("a", 0), ("b", 1 << 40), ("c", 1)].map(|(name, v)| scalar(name, v)).to_vec();
    let cast = |from: &str| with(node("Cast", &[from], "k"), int("to", 1));
    vec![
        model("constant of 32 GiB", Refused(&["`k`", "8589934592 elements"]), &plus(vec![large("s", "k")], vec![whole("s", &[1 << 33])])),
        model(
            "constant of more than there is",
            Refused(&["18446744073709551615 elements"]),
            &plus(vec![large("s", "k")], vec![whole("s", &[i64::MAX; 8])]),
        ),
        model("forty constants of 512 MiB", Refused(&["together"]), &{
            let mut nodes: Vec<NodeProto> = (0..40).map(|i| large("s", &format!("k{i}"))).collect();
            nodes.push(node("Identity", &["k0"], "k"));
            plus(nodes, vec![whole("s", &[1 << 27])])
        }),
        model("images expanded", Refused(&["`Expand`", "3221225472 elements"]), &on_images("Expand", whole("s", &[1 << 20, 3, 32, 32]))),
        model("images tiled", Refused(&["`Tile`"]), &on_images("Tile", whole("s", &[1 << 15, 1 << 15, 1, 1]))),
        model("images reshaped", Refused(&["`Reshape`"]), &on_images("Reshape", whole("s", &[1 << 30, 3, 8, 8]))),
        model(
            "images enlarged",
            Refused(&["`Resize`"]),
            &before(vec![node("Resize", &["images", "", "s"], "x")], vec![floats("s", &[4], &[1.0, 1.0, 65536.0, 65536.0])]),
        ),
        model("images padded", Refused(&["`Pad`"]), &on_images("Pad", whole("s", &[0, 0, 1 << 30, 0, 0, 0, 0, 0]))),
        model(
            "range of a terabyte",
            Refused(&["`Range`", "1099511627776 elements"]),
            &plus(vec![node("Range", &["a", "b", "c"], "r"), cast("r")], range),
        ),
        model(
            "a billion classes one-hot",
            Refused(&["`OneHot`"]),
            &plus(
                vec![node("OneHot", &["i", "n", "v"], "k")],
                vec![whole("i", &[1]), scalar("n", 1 << 30), floats("v", &[2], &[0.0, 1.0])],
            ),
        ),
        model(
            "noise of 32 GiB",
            Refused(&["`RandomNormal`"]),
            &plus(vec![with(node("RandomNormal", &[], "k"), ints("shape", &[1 << 33]))], vec![]),
        ),
        model(
            "declared shape of a terabyte",
            Refused(&["declares 1099511627776 elements for `relu`"]),
            &changed(|graph| graph.value_info.push(value("relu", &[1 << 40]))),
        ),
        model(
            "declared shape that is negative",
            Refused(&["`relu` declares an axis of size -4"]),
            &changed(|graph| graph.value_info.push(value("relu", &[0, -4]))),
        ),
        // ONNX Runtime infers shapes by itself, and nothing else looks at these.
        model("declared shape that lies", Accepted, &changed(|graph| graph.value_info.push(value("relu", &[0, 9, 9, 9])))),
    ]
}

/// Kernels, strides and the like.
fn windows() -> Vec<Case> {
    let conv = |name: &str, values: &[i64]| changed(|graph| graph.node[0].attribute = vec![ints(name, values)]);
    let pool = |name: &str, values: &[i64]| {
        let pool = with(node("MaxPool", &["images"], "x"), ints(name, values));
        before(vec![if name == "kernel_shape" { pool } else { with(pool, ints("kernel_shape", &[3, 3])) }], vec![])
    };
    vec![
        model("stride 0", Refused(&["has 0 in its `strides`"]), &conv("strides", &[0, 0])),
        model("negative stride", Refused(&["has -1 in its `strides`"]), &conv("strides", &[-1, -1])),
        model("dilation of a billion", Refused(&["`dilations`"]), &conv("dilations", &[1 << 30, 1])),
        model("paddings of a billion", Refused(&["`pads`"]), &conv("pads", &[1 << 30; 4])),
        model("negative paddings", Refused(&["Conv"]), &conv("pads", &[-100; 4])),
        model("group 0", Refused(&["has 0 in its `group`"]), &changed(|graph| graph.node[0].attribute = vec![int("group", 0)])),
        model("kernel 0", Refused(&["has 0 in its `kernel_shape`"]), &pool("kernel_shape", &[0, 0])),
        model("kernel of a billion", Refused(&["`kernel_shape`"]), &pool("kernel_shape", &[1 << 30, 1 << 30])),
        model("pooling of nothing but padding", Refused(&["Pad should be smaller than kernel"]), &pool("pads", &[9; 4])),
        model("three strides for two axes", Refused(&["Conv"]), &conv("strides", &[1, 1, 1])),
        model(
            "block 0",
            Refused(&["`blocksize`"]),
            &before(vec![with(node("SpaceToDepth", &["images"], "x"), int("blocksize", 0))], vec![]),
        ),
    ]
}

/// What only shows when the model loads or runs: the limits of the process end it.
fn computed() -> Vec<Case> {
    let product = || node("Mul", &["a", "b"], "s");
    let factors = || vec![whole("a", &[1 << 17]), whole("b", &[1 << 17])];
    let mut doubling: Vec<NodeProto> = vec![];
    for level in 0..30 {
        let from = if level == 0 { "images".to_owned() } else { format!("d{}", level - 1) };
        doubling.push(with(node("Concat", &[&from, &from], &format!("d{level}")), int("axis", 2)));
    }
    doubling.push(with(node("ReduceMax", &["d29"], "k"), int("keepdims", 0)));
    let chain = |start: &str, count: usize| {
        let mut nodes = vec![large("s", "big")];
        let mut last = start.to_owned();
        for level in 0..count {
            nodes.push(node("MatMul", &[&last, "big"], &format!("m{level}")));
            last = format!("m{level}");
        }
        nodes.push(with(node("ReduceMax", &[&last], "max"), int("keepdims", 0)));
        nodes.push(node("Sub", &["max", "max"], "k"));
        nodes
    };
    let mut slow = chain("start", 500);
    let scalar_of_images = with(node("ReduceMax", &["images"], "top"), int("keepdims", 0));
    slow.splice(1..1, [scalar_of_images, node("Mul", &["big", "top"], "start")]);
    vec![
        model("64 GiB of computed size", Refused(&["model.onnx"]), &plus(vec![product(), large("s", "k")], factors())),
        model("images doubled thirty times", Refused(&["model.onnx"]), &plus(doubling, vec![])),
        model("hours of work while it loads", Refused(&["took more than 2 s"]), &plus(chain("big", 500), vec![whole("s", &[4096, 4096])]))
            .limits(3 << 30, 2),
        model("hours of work while it runs", Refused(&["model.onnx"]), &plus(slow, vec![whole("s", &[4096, 4096])])).limits(3 << 30, 2),
    ]
}

/// Long, but honest or nearly so.
fn long() -> Vec<Case> {
    let relus = |count: usize| {
        let name = |i: usize| if i == count { "x".to_owned() } else { format!("n{i}") };
        let from = |i: usize| if i == 0 { "images".to_owned() } else { name(i) };
        before((0..count).map(|i| node("Relu", &[&from(i)], &name(i + 1))).collect(), vec![])
    };
    let remarks = (0..100_000).map(|i| StringStringEntryProto { key: Some(format!("key {i}")), value: Some(String::new()) }).collect();
    vec![
        model("ten thousand nodes", Accepted, &relus(10_000)),
        model("two hundred thousand nodes", Refused(&["more than 100000 nodes"]), &relus(200_000)),
        model("a hundred thousand remarks", Accepted, &planish_onnx::proto::ModelProto { metadata_props: remarks, ..honest() }),
    ]
}
