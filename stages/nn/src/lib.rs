//! Networks, the dual-number forward pass, the perturbation ball and random streams.
//!
//! A network is a small graph ([`Architecture`]) and a list of named flat tensors ([`Parameters`]).
//! One interpreter ([`Network::forward`]) carries values and, beside them, tangents through the
//! graph; the ONNX export walks the same graph. Batch statistics are explicit: a pass either takes
//! them from its batch and hands them back, or is given them.
#![cfg_attr(test, expect(clippy::float_cmp, reason = "what the tests compare must be equal to the last bit"))]

mod activation;
mod adam;
mod architecture;
mod ball;
mod burn_victim;
mod checkpoint;
mod config;
pub mod device;
mod forward;
mod hessian;
mod kernels;
pub mod loss;
mod network;
pub mod networks;
mod ops;
mod outlook;
mod parameters;
mod precision;
mod statistics;
mod step;
mod stream;
mod surrogate;
pub mod vectors;
mod victim;

pub use activation::Activation;
pub use adam::Adam;
pub use architecture::{Architecture, ArchitectureBuilder, ConvOptions, Initial, Node, NormSpec, Operation, ParameterSpec, Role};
pub use ball::Ball;
pub use burn_victim::BurnVictim;
pub use checkpoint::{Checkpoint, load_checkpoint, save_checkpoint};
pub use config::NetworkConfig;
pub use device::{Device, DeviceName, Which, set_threads};
pub use forward::{Layout, NORM_EPSILON, Network, Normalisation, Pass};
pub use network::NetworkSpec;
pub use networks::AnyNetwork;
pub use outlook::ModelFacts;
pub use parameters::{Gradients, Parameter, Parameters};
pub use precision::Precision;
pub use statistics::Statistics;
pub use step::StepSize;
pub use stream::Stream;
pub use surrogate::{Aim, Surrogate, best_rival};
pub use victim::{GradientPass, LogitLoss, Victim, check_aims};
