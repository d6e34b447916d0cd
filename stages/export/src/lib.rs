//! Export: a trained network becomes an ONNX model, and its logits are checked against the original's.

mod attack;
mod convert;
mod fold;
mod graph;
mod parity;
#[cfg(test)]
mod python;
mod stage;
#[cfg(test)]
mod testing;
mod variants;

pub use attack::ParityAttack;
pub use convert::{INPUT, OUTPUT, Source, convert};
pub use fold::BatchNorm;
pub use planish_onnx::runtime::present as onnx_runtime_present;
pub use stage::{Execution, ExportStage, Parameters};
pub use variants::Precision;
