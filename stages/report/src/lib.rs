//! The report stage: per-image evidence → the paper's tables beside ours, and one figure.
//!
//! Everything here is pure: [`ReportStage`] reads evidence and training histories and writes
//! `tables.md`, `tables.csv`, `tables.json` and `figures/*`. [`page::render`] turns those and the
//! provenance of the instances into one self-contained HTML page, outside the cache.

mod collect;
mod csv;
pub mod evaluation;
mod figure;
mod markdown;
mod marks;
pub mod page;
mod parameters;
mod stage;
mod statistics;
mod table;

pub use parameters::{Axis, Certainty, Reference, ReportParameters, TableParameters};
pub use stage::ReportStage;
pub use table::{Cell, Column, Mark, Row, Table, Tables};

#[cfg(test)]
mod tests;
