//! The report stage: per-image evidence → the paper's tables beside ours, and figures.
//!
//! Everything here is pure: [`ReportStage`] reads evidence, training histories and measurements and writes `tables.{md,tex,csv,json}`,
//! `figures/*` and `details.json`. [`page::render`] turns those and the provenance of the instances into one self-contained HTML page, outside
//! the cache.

mod best;
mod build;
mod csv;
mod details;
pub mod evaluation;
mod figures;
mod gather;
mod latex;
mod linearity;
mod lines;
mod markdown;
mod marks;
mod models;
pub mod page;
mod parameters;
mod quantity;
mod references;
mod sections;
mod stage;
mod statistics;
mod table;
pub mod tensorboard;

pub use figures::{Along, Cost, FigureParameters, Gallery, Linearity, Pair, Radius, Show, Strength, Surfaces, TradeOff, Training};
pub use lines::{Condition, Group, Lines};
pub use parameters::{ReportParameters, TableParameters};
pub use quantity::{Quantity, Value};
pub use references::Certainty;
pub use sections::SectionParameters;
pub use stage::ReportStage;
pub use table::{Cell, Column, Figure, Mark, Origin, Row, Section, Table, Tables};

#[cfg(test)]
mod tests;
