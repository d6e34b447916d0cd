//! The part of planish-nn that the differentiator of ONNX graphs uses, without burn, which takes an hour to instrument.

#[path = "../../stages/nn/src/surrogate.rs"]
mod surrogate;

pub use surrogate::{Aim, Surrogate};
