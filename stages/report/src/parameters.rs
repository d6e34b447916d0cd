//! What a pipeline declares about its tables.

use std::collections::{BTreeMap, BTreeSet};

use planish_contract::Invalid;
use planish_formats::threat::Threat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the stage kind `report`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportParameters {
    /// The heading of the report.
    #[serde(default = "default_title")]
    pub title: String,
    /// Tables by name, printed in the order of their names.
    pub tables: BTreeMap<String, TableParameters>,
}

fn default_title() -> String {
    "Robustness".to_owned()
}

/// One table: rows and columns are axes of the gathered evidence.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableParameters {
    /// The heading of the table.
    pub title: String,
    /// The axis whose variants are rows.
    pub rows: Axis,
    /// The axis whose variants are columns, from the weakest attack to the strongest.
    pub columns: Axis,
    /// Axes that are averaged over (mean ± standard deviation), such as `seed`.
    #[serde(default)]
    pub over: Vec<String>,
    /// Whether the first column is the nominal accuracy.
    #[serde(default = "yes")]
    pub nominal: bool,
    /// Whether the last column is the worst case, image by image, over all columns.
    #[serde(default = "yes")]
    pub worst_case: bool,
    /// What others reported for a cell.
    #[serde(default)]
    pub references: Vec<Reference>,
}

fn yes() -> bool {
    true
}

/// An axis as a table shows it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// The name of the axis in the pipeline.
    pub axis: String,
    /// Labels in the order to show; labels that are not listed follow, sorted.
    #[serde(default)]
    pub order: Vec<String>,
    /// What to print instead of a label.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
}

impl Axis {
    /// What to print for `label`.
    #[must_use]
    pub fn name<'a>(&'a self, label: &'a str) -> &'a str {
        self.names.get(label).map_or(label, String::as_str)
    }

    /// The labels in `present`, in the declared order, the others after them.
    #[must_use]
    pub fn sorted(&self, present: &BTreeSet<String>) -> Vec<String> {
        let declared = self.order.iter().filter(|label| present.contains(*label));
        let rest = present.iter().filter(|label| !self.order.contains(label));
        declared.chain(rest).cloned().collect()
    }
}

/// How sure a reference value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Read in the paper itself.
    Paper,
    /// Read in the authors' released code.
    Code,
    /// From a later paper, a leaderboard or third-party code.
    SecondHand,
    /// From memory, not seen again.
    Recalled,
}

impl Certainty {
    /// The word that is printed with the value.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Certainty::Paper => "paper",
            Certainty::Code => "released code",
            Certainty::SecondHand => "second hand",
            Certainty::Recalled => "paper (recalled)",
        }
    }
}

/// A value that others reported.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The row's label.
    pub row: String,
    /// The column's label, or `nominal`.
    pub column: String,
    /// Accuracy in percent.
    pub value: f64,
    /// How sure it is.
    pub certainty: Certainty,
    /// Where it stands.
    pub source: String,
    /// The data set that it was measured on.
    pub dataset: String,
    /// The threat model that it was measured under.
    pub threat: Threat,
}

/// Checks what types alone can't.
///
/// # Errors
/// The first parameter that can't be used.
pub(crate) fn validate(parameters: &ReportParameters) -> Result<(), Invalid> {
    if parameters.tables.is_empty() {
        return Err(
            Invalid::at("tables", "no table is declared").hint("add `[stages.NAME.params.tables.main]` with `title`, `rows` and `columns`")
        );
    }
    for (name, table) in &parameters.tables {
        let at = |key: &str| vec!["tables".to_owned(), name.clone(), key.to_owned()];
        if table.rows.axis == table.columns.axis {
            let message = format!("rows and columns are the same axis `{}`", table.rows.axis);
            return Err(Invalid { path: at("columns"), message, hint: None });
        }
        if table.over.contains(&table.rows.axis) || table.over.contains(&table.columns.axis) {
            let message = "an axis is either shown or averaged over, not both".to_owned();
            return Err(Invalid { path: at("over"), message, hint: None });
        }
        if let Some(bad) = table.references.iter().find(|r| !(0.0..=100.0).contains(&r.value)) {
            let message = format!("the reference value {} for ({}, {}) is not an accuracy in percent", bad.value, bad.row, bad.column);
            return Err(Invalid { path: at("references"), message, hint: None });
        }
    }
    Ok(())
}
