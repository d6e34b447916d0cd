//! ONNX: protobuf types, and image classifiers run by ONNX Runtime.
//!
//! [`proto`] holds the messages of the format; [`runtime`] finds or obtains the shared library of ONNX
//! Runtime, once a process; [`ModelFile`] inspects a model before ONNX Runtime sees it, [`probe`] tries it
//! in a process of its own, and [`Classifier`] runs it.

mod classifier;
pub mod differentiate;
mod gradient_graph;
mod graph_facts;
pub mod inspect;
mod model_file;
pub mod probe;
pub mod proto;
mod provider;
mod ranges;
mod read;
pub mod runtime;
#[cfg(test)]
mod testing;
mod victim;

pub use classifier::Classifier;
pub use graph_facts::GraphFacts;
pub use inspect::{Inspection, Layout, Problem, Signature};
pub use model_file::{LIMIT, ModelFile};
pub use provider::{Compute, Provider};
pub use ranges::ranges;
pub use read::read_proto;
pub use victim::OnnxVictim;
