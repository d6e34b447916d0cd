//! ONNX: protobuf types, and image classifiers run by ONNX Runtime.
//!
//! [`proto`] holds the messages of the format; [`runtime`] finds or obtains the shared library of ONNX
//! Runtime, once a process; [`ModelFile`] checks a model before ONNX Runtime sees it and [`Classifier`] runs it.

mod classifier;
pub mod differentiate;
mod gradient_graph;
mod model_file;
pub mod proto;
pub mod runtime;
mod tensors;
#[cfg(test)]
mod testing;
mod victim;

pub use classifier::Classifier;
pub use model_file::{LIMIT, ModelFile, Signature};
pub use victim::OnnxVictim;
