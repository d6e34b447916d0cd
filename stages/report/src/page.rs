//! The report page: a view of tables, figures and provenance in one self-contained file.

use minijinja::{AutoEscape, Environment, context};
use planish_contract::{Failure, Folder};
use serde::{Deserialize, Serialize};

use crate::figure;
use crate::table::{Cell, Table, Tables, letter};

/// What is known of one instance of the pipeline, for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Instance {
    /// `train[method=llr,seed=0]`.
    pub id: String,
    /// How it stands: `fresh`, `stale`, `missing`, `failed`.
    pub state: String,
    /// The first digits of its key.
    pub key: String,
    /// When it was made, RFC 3339; empty when unknown.
    pub made: String,
    /// How long that took, in seconds.
    pub seconds: Option<f64>,
    /// The machine, the device, the runtime and other facts, one line each.
    pub facts: Vec<String>,
    /// Where its log is.
    pub log: String,
}

#[derive(Serialize)]
struct PageTable<'a> {
    table: &'a Table,
    rows: Vec<PageRow>,
    marks: Vec<(String, &'a str)>,
    figure: String,
    threat: String,
    has_references: bool,
}

#[derive(Serialize)]
struct PageRow {
    name: String,
    gradients: String,
    cells: Vec<PageCell>,
}

#[derive(Serialize)]
struct PageCell {
    ours: String,
    spread: String,
    sort: f64,
    reference: String,
    label: String,
    difference: String,
    marks: String,
}

/// The page, from the tables artifact in `folder` and the provenance of all instances.
///
/// # Errors
/// [`Failure::Input`] when the artifact is not one that this version wrote.
pub fn render(folder: &Folder, instances: &[Instance]) -> Result<String, Failure> {
    let tables: Tables = planish_formats::json::read_json(folder.file("tables.json")?)?;
    let pages: Vec<PageTable> = tables.tables.iter().map(|table| page_table(folder, table)).collect::<Result<_, _>>()?;
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let fail = |e: minijinja::Error| Failure::internal(format!("the report template: {e:#}"));
    environment.add_template("page", include_str!("page.html")).map_err(fail)?;
    let template = environment.get_template("page").map_err(fail)?;
    template.render(context! { title => tables.title, tables => pages, instances => instances }).map_err(fail)
}

fn page_table<'a>(folder: &Folder, table: &'a Table) -> Result<PageTable<'a>, Failure> {
    let path = folder.file(&format!("figures/{}.svg", figure::file_stem(&table.name)))?;
    let svg = std::fs::read_to_string(path).map_err(|e| Failure::io(path, e))?;
    let rows = table.rows.iter().map(|row| PageRow {
        name: row.name.clone(),
        gradients: row.training_gradients.map_or("–".to_owned(), |g| format!("{g:.0}")),
        cells: row.cells.iter().map(|cell| page_cell(table, cell)).collect(),
    });
    Ok(PageTable {
        table,
        rows: rows.collect(),
        marks: table.marks.iter().enumerate().map(|(i, mark)| (letter(i), mark.text.as_str())).collect(),
        figure: svg,
        threat: table.threat.to_string(),
        has_references: table.rows.iter().flat_map(|row| &row.cells).any(|cell| cell.reference.is_some()),
    })
}

fn page_cell(table: &Table, cell: &Cell) -> PageCell {
    let decimals = table.decimals();
    PageCell {
        ours: cell.ours.map_or("–".to_owned(), |v| format!("{v:.decimals$}")),
        spread: cell.spread.map_or(String::new(), |v| format!("± {v:.decimals$}")),
        sort: cell.ours.unwrap_or(-1.0),
        reference: cell.reference.map_or(String::new(), |v| format!("{v:.2}")),
        label: cell.reference_label.clone().unwrap_or_default(),
        difference: cell.difference.map_or(String::new(), |v| format!("{v:+.decimals$}")),
        marks: cell.marks.iter().chain(&cell.reference_mark).map(|m| letter(*m)).collect::<Vec<_>>().join(", "),
    }
}
