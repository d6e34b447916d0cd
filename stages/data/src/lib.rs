//! The stage `data`: data sets, found or downloaded, checked against pinned checksums, and split.
//!
//! A data set is a member of the family [`datasets`]: the facts about its official files and how to decode
//! them. Where the files come from is [`locate`] and [`download`]'s business, which images are taken
//! [`selection`]'s. Nothing is used unverified: every file must have its official checksum.

pub mod dataset;
pub mod datasets;
pub mod download;
pub mod locate;
pub mod selection;

mod archive;
mod cifar;
mod embedded;
mod gzip;
mod idx;
#[cfg(test)]
mod loopback;
mod malformed;
mod official;
mod origin;
mod parameters;
mod stage;

pub use malformed::Malformed;
pub use parameters::{Execution, Parameters};
pub use stage::DataStage;
