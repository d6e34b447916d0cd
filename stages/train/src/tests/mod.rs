//! Tests of several modules together.

mod finite_differences;
mod golden;
mod stage;
mod tiny;
