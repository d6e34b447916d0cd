//! The files that stages hand each other: their types, writers and checked readers.
//!
//! Tensors are safetensors, tables are Parquet or JSON lines, everything else is JSON. Writers make the same
//! bytes from the same values; readers refuse what is malformed with [`planish_contract::Failure::Input`]
//! that names the file, and allocate no more than the file holds.

pub mod adversarial;
pub mod checkpoint;
pub mod data_set;
pub mod evidence;
pub mod history;
pub mod json;
pub mod kinds;
pub mod mapped;
pub mod masking;
pub mod measurement;
pub mod model_check;
pub mod onnx_model;
pub mod pixels;
pub mod tensors;
pub mod threat;

mod atomic;
mod median;
mod outlook;
mod table;

pub use adversarial::{Adversarial, AdversarialWriter};
pub use checkpoint::{CheckpointFiles, HISTORY, NETWORK, WEIGHTS};
pub use data_set::{
    DataSet, DataSetInfo, MAX_IMAGE_BYTES, SHARD_BYTES, Shard, Source, Split, SplitName, read_shard, shards, write_data_set, write_info,
    write_shard,
};
pub use evidence::{
    AttackSummary, BrokenBy, EVIDENCE_SCHEMA, Evidence, EvidenceHeader, ImageEvidence, Nearest, Targeted, write_entries, write_evidence,
};
pub use history::{Event, EventKind, HistoryRecord, Probed, Validation};
pub use json::{read_json, read_json_lines, write_json, write_json_lines};
pub use mapped::Mapped;
pub use masking::{MaskingCheck, MaskingReport, Verdict};
pub use measurement::{Measurement, MeasurementHeader, Summary, write_measurement};
pub use median::median;
pub use model_check::{CHECK, ModelCheck};
pub use onnx_model::{AdversarialParity, Comparison, ModelInfo, OnnxModel, Parity, Variant};
pub use outlook::DataFacts;
pub use pixels::Pixels;
pub use tensors::{NamedTensor, Values, read_tensors, tensor_bytes, tensors_from_bytes, write_tensors};
pub use threat::{Norm, Threat};

/// The version of every schema in this crate that has not changed yet.
pub const SCHEMA: u32 = 1;

/// Refuses a file whose schema version is not the one this build reads.
///
/// # Errors
/// [`planish_contract::Failure::Input`] that names the file and both versions.
pub fn check_schema(path: &std::path::Path, found: u32) -> Result<(), planish_contract::Failure> {
    if found == SCHEMA {
        return Ok(());
    }
    Err(planish_contract::Failure::input(format!("{}: schema version {found}, but this planish reads version {SCHEMA}", path.display())))
}
