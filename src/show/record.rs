//! `log --json`: where the log of an instance is, and what it says.

use schemars::JsonSchema;
use serde::Serialize;

/// The log of an instance.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LogView {
    /// The instance.
    pub instance: String,
    /// The run that wrote it.
    pub run: String,
    /// Whether that run still works on the instance.
    pub running: bool,
    /// The file.
    pub path: String,
    /// Its text so far; bytes that are not UTF-8 are replaced.
    pub text: String,
}
