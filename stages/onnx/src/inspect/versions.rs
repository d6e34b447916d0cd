//! The versions of the format and of the operator sets.

use std::collections::BTreeSet;

use super::problem::{Problem, quote};
use crate::proto::{ModelProto, OperatorSetIdProto};

/// The newest format whose messages planish knows (ONNX 1.23).
const NEWEST_FORMAT: i64 = 14;
/// The newest version of ONNX's own operator set (ONNX 1.23).
const NEWEST_OPERATORS: i64 = 28;
/// The oldest version of it that ONNX Runtime supports.
const OLDEST_OPERATORS: i64 = 7;

/// Whether the domain is ONNX's own.
pub(crate) fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// The version of ONNX's own operator set that the model imports; 0 when it imports none.
pub(crate) fn opset(model: &ModelProto) -> i64 {
    model.opset_import.iter().find(|import| is_standard(import.domain())).map_or(0, OperatorSetIdProto::version)
}

pub(super) fn check(model: &ModelProto) -> Result<(), Problem> {
    if model.ir_version.is_none() || model.opset_import.is_empty() {
        return Err(Problem::new("is not an ONNX model: it names no format version or no operator set"));
    }
    let format = model.ir_version();
    if !(3..=NEWEST_FORMAT).contains(&format) {
        let message = format!("is in version {format} of the ONNX format; versions 3 to {NEWEST_FORMAT} are read");
        return Err(Problem::new(message).hint("export the model again with a current `onnx` package"));
    }
    let standard: Vec<&OperatorSetIdProto> = model.opset_import.iter().filter(|import| is_standard(import.domain())).collect();
    let [import] = standard.as_slice() else {
        let message = format!("imports ONNX's own operators {} times instead of once", standard.len());
        return Err(Problem::new(message).hint("export the model again, with one `opset_version`"));
    };
    if !(OLDEST_OPERATORS..=NEWEST_OPERATORS).contains(&import.version()) {
        let message =
            format!("uses version {} of ONNX's operators; versions {OLDEST_OPERATORS} to {NEWEST_OPERATORS} are known", import.version());
        return Err(Problem::new(message).hint("convert it with `onnx.version_converter`, or export it with `opset_version=17`"));
    }
    let mut domains = BTreeSet::new();
    for import in &model.opset_import {
        if !domains.insert(import.domain()) {
            return Err(Problem::new(format!("imports the operators of {} twice", quote(import.domain()))));
        }
    }
    Ok(())
}
