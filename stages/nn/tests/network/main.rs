//! Whole networks: against PyTorch, against finite differences, on disk, under attack.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop on a mistake, as tests do")]

mod checkpoint;
mod common;
mod golden;
mod independence;
