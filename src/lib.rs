//! The planish engine.

pub mod fingerprint;
pub mod command;
pub mod key;
pub mod plan;
pub mod spec;
pub mod cli;
pub mod exit;
pub mod run;
pub mod show;
