//! Integration tests: the real executable on real folders, and the architecture of the workspace.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop on a mistake, as tests do")]

mod adopting;
#[path = "../architecture.rs"]
mod architecture;
#[cfg(feature = "ml")]
mod attacking;
mod bench;
mod changes;
mod commands;
mod crashes;
#[cfg(feature = "ml")]
mod estimating;
mod failures;
#[cfg(feature = "ml")]
mod guide;
mod helpers;
mod hostile;
#[cfg(feature = "ml")]
mod learning;
mod limits;
#[cfg(feature = "ml")]
mod misspelt;
mod programs;
mod refusals;
mod scarce;
mod schemas;
mod serving;
mod settled;
mod sharing;
mod store;
mod validator;
mod why;
