//! What was recorded: the answers of `log --json` and `adopt --json`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::run::Adoption;

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
    /// How many bytes at the beginning are left out of `text`, which has 4 MiB at most.
    pub omitted: u64,
    /// Its text so far; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// What `adopt` did.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct AdoptionsView {
    /// The results of earlier code that are kept from now on.
    pub adopted: Vec<Adoption>,
    /// The adoptions that were taken back (`--undo`).
    pub undone: Vec<Adoption>,
}
