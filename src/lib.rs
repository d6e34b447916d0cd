//! The planish engine.

pub mod fingerprint;
