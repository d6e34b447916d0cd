//! ONNX: protobuf types, and image classifiers run by ONNX Runtime.
//!
//! [`proto`] holds the messages of the format; [`runtime`] finds or obtains the shared library of ONNX
//! Runtime, once a process; [`Classifier`] checks a model file before ONNX Runtime sees it and runs it.

mod classifier;
mod model_file;
pub mod proto;
pub mod runtime;

pub use classifier::Classifier;
pub use model_file::{LIMIT, Signature, read_model};
