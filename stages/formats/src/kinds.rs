//! The kinds of artifact that stages exchange.

use planish_contract::Kind;

/// Images and labels, in splits: see [`crate::data_set`].
pub const DATA_SET: Kind = Kind::new("data-set");
/// A trained network: see [`crate::checkpoint`].
pub const CHECKPOINT: Kind = Kind::new("checkpoint");
/// An image classifier as ONNX: see [`crate::onnx_model`].
pub const ONNX_MODEL: Kind = Kind::new("onnx-model");
/// What attacks did to each image: see [`crate::evidence`].
pub const EVIDENCE: Kind = Kind::new("evidence");
/// What was measured of a loss landscape: see [`crate::measurement`].
pub const MEASUREMENT: Kind = Kind::new("measurement");
/// Tables and figures of a report.
pub const TABLES: Kind = Kind::new("tables");
/// How accurate an imported model is: see [`crate::model_check`].
pub const MODEL_CHECK: Kind = Kind::new("model-check");
