//! Tests of the attacks and the judge, in one binary.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod agreement;
mod golden;
mod judging;
mod linear;
mod masking;
mod model;
mod remembered;
mod reproducible;
mod stage;
mod table;
mod trials;
