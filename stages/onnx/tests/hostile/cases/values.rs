//! Models that fail, or give no logits, when they run.

use planish_onnx::proto::TensorProto;
use planish_onnx::proto::tensor_proto::DataType;

use crate::build::{after, before, floats, int, node, plus, whole, with};
use crate::case::{Case, Expected, model};

use Expected::Refused;

pub(crate) fn all() -> Vec<Case> {
    let on_images = |operator: &str, more: TensorProto| before(vec![node(operator, &["images", "s"], "x")], vec![more]);
    let to_float = |from: &str| with(node("Cast", &[from], "k"), int("to", 1));
    vec![
        model(
            "logarithm of a negative",
            Refused(&["logit of class 0 of image 0 is not finite"]),
            &plus(vec![node("Log", &["n"], "k")], vec![floats("n", &[1], &[-1.0])]),
        ),
        model(
            "division by zero",
            Refused(&["is not finite"]),
            &after(vec![node("Div", &["plain", "n"], "logits")], vec![floats("n", &[1], &[0.0])]),
        ),
        model(
            "whole division by zero",
            Refused(&["ONNX Runtime"]),
            &plus(vec![node("Div", &["a", "b"], "q"), to_float("q")], vec![whole("a", &[1]), whole("b", &[0])]),
        ),
        model(
            "remainder of zero",
            Refused(&["ONNX Runtime"]),
            &plus(vec![node("Shape", &["images"], "a"), node("Mod", &["a", "b"], "q"), to_float("q")], vec![whole("b", &[0])]),
        ),
        model(
            "index outside",
            Refused(&["ONNX Runtime"]),
            &before(vec![with(node("Gather", &["images", "s"], "x"), int("axis", 1))], vec![whole("s", &[1000])]),
        ),
        model("impossible reshape", Refused(&["ONNX Runtime"]), &on_images("Reshape", whole("s", &[7, -1]))),
        model("two unknown sizes", Refused(&["ONNX Runtime"]), &on_images("Reshape", whole("s", &[-1, -1]))),
        model("types that do not fit", Refused(&["ONNX Runtime refuses"]), &on_images("Add", whole("s", &[1]))),
        model("shapes that do not fit", Refused(&["ONNX Runtime"]), &on_images("Add", floats("s", &[5], &[0.0; 5]))),
        model(
            "list of text",
            Refused(&["ONNX Runtime refuses"]),
            &on_images(
                "Add",
                TensorProto {
                    data_type: Some(DataType::String as i32),
                    raw_data: None,
                    string_data: vec![b"a".to_vec()],
                    ..floats("s", &[1], &[])
                },
            ),
        ),
        model("negative split", Refused(&["ONNX Runtime"]), &on_images("Split", whole("s", &[-1, 4]))),
        model(
            "transposition of other axes",
            Refused(&["ONNX Runtime"]),
            &before(vec![with(node("Transpose", &["images"], "x"), crate::build::ints("perm", &[0, 9, 1, 2]))], vec![]),
        ),
    ]
}
