//! Tensors that hold something else than they say, or keep it somewhere else.

use std::path::Path;

use planish_onnx::proto::tensor_proto::{DataLocation, DataType, Segment};
use planish_onnx::proto::{ModelProto, SparseTensorProto, StringStringEntryProto, TensorProto};
use prost::Message;

use crate::build::{changed, floats, node, plus, tensor, weights, whole, with};
use crate::case::{Case, Expected, model, written};

use Expected::{Accepted, Refused};

pub(crate) fn all() -> Vec<Case> {
    [lengths(), numbers(), elsewhere()].into_iter().flatten().collect()
}

/// The honest classifier with another tensor in place of its first weights, 4×3×3×3 numbers.
fn weight(change: impl FnOnce(TensorProto) -> TensorProto) -> ModelProto {
    changed(|graph| graph.initializer[0] = change(weights("conv.weight", &[4, 3, 3, 3])))
}

fn lengths() -> Vec<Case> {
    let shaped = |dims: &[i64]| weight(|t| TensorProto { dims: dims.to_vec(), ..t });
    vec![
        model(
            "four terabytes announced",
            Refused(&["`conv.weight` of shape [1048576, 1048576]", "holds 432"]),
            &shaped(&[1 << 20, 1 << 20]),
        ),
        model("sizes that overflow", Refused(&["impossible shape"]), &shaped(&[1 << 31, 1 << 31, 16])),
        model("negative size", Refused(&["impossible shape [-4, 3, 3, 3]"]), &shaped(&[-4, 3, 3, 3])),
        model(
            "too short",
            Refused(&["should hold 432 bytes and holds 428"]),
            &weight(|t| TensorProto { raw_data: Some(vec![0; 428]), ..t }),
        ),
        model("too long", Refused(&["holds 1000"]), &weight(|t| TensorProto { raw_data: Some(vec![0; 1000]), ..t })),
        model("without values", Refused(&["holds 0"]), &weight(|t| TensorProto { raw_data: None, ..t })),
        model(
            "values twice",
            Refused(&["more than once (in raw_data and float_data)"]),
            &weight(|t| TensorProto { float_data: vec![0.0; 108], ..t }),
        ),
        model("values of another type", Refused(&["holds 0"]), &weight(|t| TensorProto { raw_data: None, int64_data: vec![1; 108], ..t })),
        model("unknown type", Refused(&["unknown element type 77"]), &weight(|t| TensorProto { data_type: Some(77), ..t })),
        model("no type", Refused(&["unknown element type 0"]), &weight(|t| TensorProto { data_type: None, ..t })),
        model(
            "text for weights",
            Refused(&["should hold 0 bytes"]),
            &weight(|t| TensorProto { data_type: Some(DataType::String as i32), ..t }),
        ),
        model(
            "segment",
            Refused(&["is one segment of a larger one"]),
            &weight(|t| TensorProto { segment: Some(Segment { begin: Some(0), end: Some(1 << 40) }), ..t }),
        ),
        model(
            "short constant of a node",
            Refused(&["a constant of the `Constant` node that computes `k`"]),
            &plus(
                vec![with(
                    node("Constant", &[], "k"),
                    tensor("value", TensorProto { dims: vec![9], name: None, ..floats("", &[1], &[0.0]) }),
                )],
                vec![],
            ),
        ),
        model("sparse indices outside", Refused(&[]), &{
            let values = floats("k", &[1], &[1.0]);
            let mut model = plus(vec![], vec![]);
            let sparse = SparseTensorProto { values: Some(values), indices: Some(whole("", &[1 << 40])), dims: vec![4] };
            model.graph.as_mut().unwrap().sparse_initializer.push(sparse);
            model
        }),
        model("sparse and huge", Refused(&[]), &{
            let values = floats("k", &[1], &[1.0]);
            let mut model = plus(vec![], vec![]);
            let sparse = SparseTensorProto { values: Some(values), indices: Some(whole("", &[0])), dims: vec![1 << 40] };
            model.graph.as_mut().unwrap().sparse_initializer.push(sparse);
            model
        }),
    ]
}

fn numbers() -> Vec<Case> {
    let with_number = |number: f32| {
        let mut values = vec![0.5; 108];
        values[7] = number;
        weight(|_| floats("conv.weight", &[4, 3, 3, 3], &values))
    };
    vec![
        model("weight that is not a number", Refused(&["`conv.weight` is not a number at position 7 (NaN)"]), &with_number(f32::NAN)),
        model("infinite weight", Refused(&["`conv.weight` is infinite at position 7", "`Conv`"]), &with_number(f32::NEG_INFINITY)),
        model("weight that overflows", Refused(&["is not finite"]), &with_number(f32::MAX)),
        model(
            "constant that is not a number",
            Refused(&["not a number at position 0"]),
            &plus(
                vec![with(node("Constant", &[], "k"), tensor("value", TensorProto { name: None, ..floats("", &[1], &[f32::NAN]) }))],
                vec![],
            ),
        ),
        model(
            "infinite bound of a clip",
            Accepted,
            &plus(
                vec![node("Clip", &["plain", "low", "high"], "c"), node("Sub", &["c", "plain"], "k")],
                vec![floats("low", &[], &[f32::NEG_INFINITY]), floats("high", &[], &[f32::INFINITY])],
            ),
        ),
    ]
}

/// The honest classifier whose first weights are bytes of another file.
fn external(location: &str, offset: &str, length: &str) -> ModelProto {
    let entry = |(key, value): (&str, &str)| StringStringEntryProto { key: Some(key.into()), value: Some(value.into()) };
    weight(|t| TensorProto {
        raw_data: None,
        data_location: Some(DataLocation::External as i32),
        external_data: [("location", location), ("offset", offset), ("length", length)].map(entry).to_vec(),
        ..t
    })
}

fn beside(name: &str, expected: Expected, model: &ModelProto, prepare: impl Fn(&Path) + Send + Sync + 'static) -> Case {
    let bytes = model.encode_to_vec();
    written(name, expected, move |path| {
        std::fs::write(path, &bytes).unwrap();
        prepare(path.parent().unwrap());
    })
}

fn elsewhere() -> Vec<Case> {
    let nothing = |_: &Path| {};
    let data = |folder: &Path| std::fs::write(folder.join("data.bin"), vec![0; 500]).unwrap();
    let out = Refused(&["leads out of the model's folder"]);
    vec![
        beside("values beside the model", Accepted, &external("data.bin", "4", "432"), data),
        beside("values at an absolute path", out, &external("/etc/passwd", "0", "432"), nothing),
        beside(
            "values above the folder",
            Refused(&["leads out of the model's folder"]),
            &external("../../../../etc/passwd", "0", "432"),
            nothing,
        ),
        beside("values up and down", Refused(&["leads out"]), &external("sub/../../etc/passwd", "0", "432"), nothing),
        beside("values behind a link", Refused(&["is a link"]), &external("link.bin", "0", "432"), |folder| {
            std::os::unix::fs::symlink("/etc/passwd", folder.join("link.bin")).unwrap();
        }),
        beside("values behind a linked folder", Refused(&["is a link"]), &external("sub/passwd", "0", "432"), |folder| {
            std::os::unix::fs::symlink("/etc", folder.join("sub")).unwrap();
        }),
        beside("values in an endless device", Refused(&["is a link"]), &external("zero", "0", "432"), |folder| {
            std::os::unix::fs::symlink("/dev/zero", folder.join("zero")).unwrap();
        }),
        beside("values in a folder", Refused(&["not a regular file"]), &external("sub", "0", "432"), |folder| {
            std::fs::create_dir(folder.join("sub")).unwrap();
        }),
        beside("values in no file", Refused(&["`absent.bin`"]), &external("absent.bin", "0", "432"), nothing),
        beside("values behind the end", Refused(&["bytes 400 to 832, but that has 500 bytes"]), &external("data.bin", "400", "432"), data),
        beside("values of four exabytes", Refused(&["but that has 500 bytes"]), &external("data.bin", "0", "4611686018427387904"), data),
        beside("values before the start", Refused(&["is no number"]), &external("data.bin", "-4", "432"), data),
        beside("fewer values than said", Refused(&["should hold 432 bytes and holds 100"]), &external("data.bin", "0", "100"), data),
        beside("nowhere", Refused(&["leads out"]), &external("", "0", "432"), nothing),
        model(
            "here and elsewhere",
            Refused(&["and in this one as well"]),
            &changed(|graph| {
                let entry = StringStringEntryProto { key: Some("location".into()), value: Some("data.bin".into()) };
                graph.initializer[0].external_data.push(entry);
            }),
        ),
    ]
}
