//! The planish engine.

pub mod cli;
pub mod command;
pub mod exit;
mod file_name;
pub mod fingerprint;
pub mod key;
pub mod plan;
pub mod run;
pub mod serve;
pub mod show;
pub mod spec;
