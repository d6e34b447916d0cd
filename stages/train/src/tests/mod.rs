//! Tests of several modules together.

mod finite_differences;
mod golden;
mod golden_more;
mod options;
mod several_devices;
mod stage;
mod start;
mod tiny;
