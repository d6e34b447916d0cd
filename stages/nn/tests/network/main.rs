//! Whole networks: against PyTorch, against finite differences, on disk, under attack.

mod checkpoint;
mod common;
mod golden;
mod independence;
