//! What a pipeline declares about its tables and figures.

use std::collections::{BTreeMap, BTreeSet};

use planish_contract::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::figures::{FigureParameters, file_stem};
use crate::lines::{Condition, Lines};
use crate::quantity::Value;
use crate::sections::{self, SectionParameters};

/// Parameters of the stage kind `report`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportParameters {
    /// The heading of the report.
    #[serde(default = "default_title")]
    pub title: String,
    /// Tables by name, printed in the order of their names.
    pub tables: BTreeMap<String, TableParameters>,
    /// Figures, in the order to show.
    #[serde(default)]
    pub figures: Vec<FigureParameters>,
    /// Parts of the report with a heading and words of their own, in the order to show, after the tables and figures that are in none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<SectionParameters>,
    /// How many images of each model the page shows beside its evidence, with their adversarial versions; needs the input `data`.
    #[serde(default = "default_examples")]
    pub examples: usize,
}

fn default_title() -> String {
    "Robustness".to_owned()
}

fn default_examples() -> usize {
    6
}

/// One table: a row for each method, say, and a column for each attack.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether a column is there")]
pub struct TableParameters {
    /// The heading of the table.
    pub title: String,
    /// The rows.
    pub rows: Lines,
    /// The columns, from the weakest attack to the strongest.
    pub columns: Lines,
    /// Which of the gathered instances are shown: axis → labels.
    #[serde(default, rename = "where")]
    pub condition: Condition,
    /// Axes that are averaged over (mean ± standard deviation), such as `seed`.
    #[serde(default)]
    pub over: Vec<String>,
    /// What the cells count.
    #[serde(default)]
    pub value: Value,
    /// Whether the first column is the nominal accuracy.
    #[serde(default = "yes")]
    pub nominal: bool,
    /// Whether there is a column with the worst case, image by image, over all columns of accuracies.
    #[serde(default = "yes")]
    pub worst_case: bool,
    /// Whether there is a column with the median of γ, the local linearity measure; needs the input `landscape`.
    #[serde(default)]
    pub linearity: bool,
    /// Whether there is a column with the passes that training spent on an image; needs the input `training`.
    #[serde(default = "yes")]
    pub training: bool,
    /// Sets of values that others reported, by their names in the file `files.references`.
    #[serde(default)]
    pub references: Vec<String>,
}

fn yes() -> bool {
    true
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
    parameters.tables.iter().try_for_each(|(name, table)| validate_table(name, table))?;
    let mut stems = BTreeSet::new();
    parameters.figures.iter().enumerate().try_for_each(|(index, figure)| {
        let at = |invalid: Invalid| Invalid {
            path: ["figures".to_owned(), index.to_string()].into_iter().chain(invalid.path).collect(),
            ..invalid
        };
        figure.validate().map_err(at)?;
        if stems.insert(file_stem(&figure.name)) {
            return Ok(());
        }
        let hint = "names differ in letters, digits or `-`, since files are called after them";
        Err(at(Invalid::at("name", format!("another figure is called `{}`", figure.name)).hint(hint)))
    })?;
    sections::validate(parameters)
}

fn validate_table(name: &str, table: &TableParameters) -> Result<(), Invalid> {
    let at = |key: &str| vec!["tables".to_owned(), name.to_owned(), key.to_owned()];
    table.rows.validate(&["tables", name, "rows"])?;
    table.columns.validate(&["tables", name, "columns"])?;
    if table.rows.axis.is_some() && table.rows.axis == table.columns.axis {
        let message = format!("rows and columns are the same axis `{}`", table.rows.axis.as_deref().unwrap_or_default());
        return Err(Invalid { path: at("columns"), message, hint: None });
    }
    if let Some(axis) = table.over.iter().find(|axis| table.rows.axis.as_ref() == Some(axis) || table.columns.axis.as_ref() == Some(axis)) {
        let message = format!("axis `{axis}` is either shown or averaged over, not both");
        return Err(Invalid { path: at("over"), message, hint: None });
    }
    if !table.rows.values.is_empty() {
        let message = "rows have no values of their own".to_owned();
        let hint = Some("`values` belongs into `columns`; `value` holds for the whole table".to_owned());
        return Err(Invalid { path: vec!["tables".to_owned(), name.to_owned(), "rows".to_owned(), "values".to_owned()], message, hint });
    }
    Ok(())
}
