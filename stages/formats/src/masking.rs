//! Signs of masked gradients: `masking.json`.

use planish_contract::{Failure, Folder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{check_schema, read_json};

/// The file of the [`MaskingReport`] beside the evidence.
pub const MASKING: &str = "masking.json";

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// What an honest classifier shows.
    Passed,
    /// A sign that attacks by gradients overstate robustness.
    Failed,
    /// It could not be decided: too few images, or not applicable.
    Undecided,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaskingCheck {
    /// Its name, such as `zero-gradients`.
    pub name: String,
    /// What it came to.
    pub verdict: Verdict,
    /// The number that it looks at; its unit is in `finding`.
    pub value: f64,
    /// Where that number would turn the verdict.
    pub bound: f64,
    /// One sentence that says what was seen.
    pub finding: String,
}

/// All checks of one model under one threat model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaskingReport {
    /// The version of this schema: [`crate::SCHEMA`].
    pub schema: u32,
    /// How many correctly classified images the checks looked at.
    pub images: usize,
    /// The checks, in a fixed order.
    pub checks: Vec<MaskingCheck>,
}

impl MaskingReport {
    /// Reads the report of the evidence in `folder`; `None` when the checks were not asked for.
    ///
    /// # Errors
    /// [`Failure::Input`] when the file is malformed, [`Failure::Io`] when it can't be read.
    pub fn open(folder: &Folder) -> Result<Option<Self>, Failure> {
        if !folder.has(MASKING) {
            return Ok(None);
        }
        let path = folder.file(MASKING)?;
        let report: MaskingReport = read_json(path)?;
        check_schema(path, report.schema)?;
        Ok(Some(report))
    }

    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &MaskingCheck> {
        self.checks.iter().filter(|check| check.verdict == Verdict::Failed)
    }

    /// Whether no check failed: what a strict run asks for.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failed().next().is_none()
    }
}
