//! `doctor`: what this machine can do.

use schemars::JsonSchema;
use serde::Serialize;

use super::listing::table;

/// Whether a thing is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It is.
    Good,
    /// It works, less well than it could.
    Fair,
    /// A run would fail.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Finding {
    /// What it is.
    pub name: String,
    /// Whether it is as it should be.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    /// Something that is as it should be.
    pub fn good(name: &str, found: impl Into<String>) -> Self {
        Finding { name: name.to_owned(), health: Health::Good, found: found.into(), hint: None }
    }

    /// Something that works less well than it could.
    pub fn fair(name: &str, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Finding { name: name.to_owned(), health: Health::Fair, found: found.into(), hint: Some(hint.into()) }
    }

    /// Something that keeps runs from working.
    pub fn bad(name: &str, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Finding { name: name.to_owned(), health: Health::Bad, found: found.into(), hint: Some(hint.into()) }
    }
}

/// Everything that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DoctorView {
    /// Whether a run can work at all.
    pub healthy: bool,
    /// The findings.
    pub findings: Vec<Finding>,
}

/// The findings as text.
#[must_use]
pub fn doctor(view: &DoctorView) -> String {
    let mark = |health| match health {
        Health::Good => "ok",
        Health::Fair => "note",
        Health::Bad => "FAIL",
    };
    let row = |finding: &Finding| {
        let hint = finding.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        [mark(finding.health).to_owned(), finding.name.clone(), format!("{}{hint}", finding.found)]
    };
    table(&view.findings.iter().map(row).collect::<Vec<_>>())
}
