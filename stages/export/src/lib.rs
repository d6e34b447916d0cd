//! Export: a trained network becomes an ONNX model, and its logits are checked against the original's.

mod convert;
mod graph;
mod parity;
mod stage;
#[cfg(test)]
mod testing;

pub use convert::{INPUT, OUTPUT, Source, convert};
pub use planish_onnx::runtime::present as onnx_runtime_present;
pub use stage::{Execution, ExportStage, Parameters};
