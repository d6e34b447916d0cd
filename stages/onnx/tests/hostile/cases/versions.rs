//! Formats and operator sets that are not known.

use planish_onnx::proto::{ModelProto, OperatorSetIdProto};

use crate::build::honest;
use crate::case::{Case, Expected, model};

use Expected::{Accepted, Refused};

fn import(domain: &str, version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto { domain: Some(domain.into()), version: Some(version) }
}

pub(crate) fn all() -> Vec<Case> {
    let format = |version: i64| ModelProto { ir_version: Some(version), ..honest() };
    let operators = |imports: Vec<OperatorSetIdProto>| ModelProto { opset_import: imports, ..honest() };
    vec![
        model("format of the future", Refused(&["is in version 99 of the ONNX format"]), &format(99)),
        model("format of the past", Refused(&["version 1 of the ONNX format"]), &format(1)),
        model("format of no time", Refused(&["version -9223372036854775808"]), &format(i64::MIN)),
        model("no format", Refused(&["names no format version"]), &ModelProto { ir_version: None, ..honest() }),
        model("operators of the future", Refused(&["version 999 of ONNX's operators"]), &operators(vec![import("", 999)])),
        model("operators of the past", Refused(&["version 1 of ONNX's operators"]), &operators(vec![import("", 1)])),
        model("no operators", Refused(&["no operator set"]), &operators(vec![])),
        model("operators of others only", Refused(&["0 times instead of once"]), &operators(vec![import("evil", 1)])),
        model("operators twice", Refused(&["2 times instead of once"]), &operators(vec![import("", 17), import("ai.onnx", 13)])),
        model("operators of others twice", Refused(&["`b` twice"]), &operators(vec![import("", 17), import("b", 1), import("b", 2)])),
        model("operators that nothing uses", Accepted, &operators(vec![import("", 17), import("com.microsoft", 1)])),
        model("no graph", Refused(&["it has no graph"]), &ModelProto { graph: None, ..honest() }),
    ]
}
