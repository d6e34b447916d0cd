//! The report page: a view of tables, figures, evidence and provenance in one self-contained file.

mod layout;

use std::collections::BTreeMap;
use std::path::Path;

use minijinja::{AutoEscape, Environment, context};
use planish_contract::{Failure, Folder};
use serde::{Deserialize, Serialize};

use crate::details::{DETAILS, Details, Gathered};
use crate::figures::file_stem;
use crate::markdown::signed;
use crate::statistics::wilson;
use crate::table::{Cell, Column, Figure, Origin, SCHEMA, Table, Tables, letter};

use layout::Layout;

/// What is known of one instance of the pipeline, for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Instance {
    /// `train[method=llr,seed=0]`.
    pub id: String,
    /// Its stage kind: `train`.
    pub kind: String,
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
    /// What commands about it have to be given beside its name, such as `--profile smoke`.
    pub arguments: String,
}

#[derive(Serialize)]
struct PageTable<'a> {
    /// Where the page's address leads.
    id: String,
    table: &'a Table,
    subject: String,
    rows: Vec<PageRow<'a>>,
    marks: Vec<(String, &'a str)>,
    has_references: bool,
}

#[derive(Serialize)]
struct PageRow<'a> {
    name: &'a str,
    cells: Vec<PageCell>,
}

#[derive(Serialize)]
struct PageCell {
    /// `main/llr/fgsm-20`: where the page's address leads.
    anchor: String,
    ours: String,
    best: bool,
    spread: String,
    sort: Option<f64>,
    reference: String,
    label: String,
    difference: String,
    marks: String,
    stale: bool,
}

#[derive(Serialize)]
struct PageFigure<'a> {
    figure: &'a Figure,
    svg: String,
    /// The width that the picture was drawn at, in pixels: narrow screens show most of it.
    width: u32,
}

/// What the script of the page shows of a cell.
#[derive(Serialize)]
struct CellCard<'a> {
    title: String,
    facts: Vec<String>,
    marks: Vec<&'a str>,
    from: &'a [Origin],
}

/// What the script of the page is given.
#[derive(Serialize)]
struct Script<'a> {
    cells: BTreeMap<String, CellCard<'a>>,
    details: &'a Details,
    instances: &'a [Instance],
    /// Input → for each of its instances the position in `instances`.
    places: BTreeMap<&'a str, Vec<Option<usize>>>,
}

/// Input → for each instance that the pipeline gathers there, in order, its position in the list of instances.
pub type Gathers = BTreeMap<String, Vec<usize>>;

impl Instance {
    /// Whether it stands at these labels; it may stand on further axes.
    fn stands_at(&self, labels: &BTreeMap<String, String>) -> bool {
        let inside = self.id.split_once('[').map_or("", |(_, rest)| rest.strip_suffix(']').unwrap_or(rest));
        let own: BTreeMap<&str, &str> = inside.split(',').filter_map(|part| part.split_once('=')).collect();
        labels.iter().all(|(axis, label)| own.get(axis.as_str()) == Some(&label.as_str()))
    }
}

/// The page, from the tables artifact in `folder`, the provenance of all instances, and which of them the report gathers.
///
/// # Errors
/// [`Failure::Input`] when the artifact is not one that this version wrote.
pub fn render(folder: &Folder, instances: &[Instance], gathers: &Gathers) -> Result<String, Failure> {
    let tables = read_tables(folder.file("tables.json")?)?;
    let details: Details = planish_formats::read_json(folder.file(DETAILS)?)?;
    let places = places(&details, instances, gathers);
    let view = View { tables: &tables, instances, places: &places };
    let figures = tables.figures.iter().map(|figure| page_figure(folder, figure)).collect::<Result<Vec<_>, _>>()?;
    let layout = Layout::new(&tables, view.tables(), figures, &|origin| view.instance(origin).map(|instance| instance.id.as_str()));
    let script = Script { cells: view.cards(), details: &details, instances, places: places.clone() };
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let fail = |e: minijinja::Error| Failure::internal(format!("the report template: {e:#}"));
    environment.add_template("page", include_str!("page/page.html")).map_err(fail)?;
    let template = environment.get_template("page").map_err(fail)?;
    let values = context! {
        title => tables.title,
        layout => layout,
        instances => instances,
        style => include_str!("page/page.css"),
        code => include_str!("page/page.js"),
        script => script,
    };
    template.render(values).map_err(fail)
}

/// The tables, if they are of the version that this code writes.
fn read_tables(path: &Path) -> Result<Tables, Failure> {
    #[derive(Deserialize)]
    struct Version {
        schema: u32,
    }
    // The version first: what another one holds may not read as this one.
    let Version { schema } = planish_formats::read_json(path)?;
    if schema == SCHEMA {
        return planish_formats::read_json(path);
    }
    Err(Failure::input_hint(
        format!("{}: tables of version {schema}, but this planish shows version {SCHEMA}", path.display()),
        "`planish run` makes the report's tables again",
    ))
}

/// For each gathered instance the position of its provenance. Where the tables were made of other instances than the pipeline gathers now, by number
/// or labels, nothing is known.
fn places<'a>(details: &'a Details, instances: &[Instance], gathers: &Gathers) -> BTreeMap<&'a str, Vec<Option<usize>>> {
    let of_input = |(input, list): (&'a String, &Vec<Gathered>)| {
        let now = gathers.get(input).filter(|now| now.len() == list.len());
        let place = |(index, gathered): (usize, &Gathered)| {
            let place = *now?.get(index)?;
            instances.get(place).filter(|instance| instance.stands_at(&gathered.labels)).map(|_| place)
        };
        (input.as_str(), list.iter().enumerate().map(place).collect())
    };
    details.inputs.iter().map(of_input).collect()
}

fn page_figure<'a>(folder: &Folder, figure: &'a Figure) -> Result<PageFigure<'a>, Failure> {
    if figure.problem.is_some() {
        return Ok(PageFigure { figure, svg: String::new(), width: 0 });
    }
    let path = folder.file(&format!("figures/{}.svg", file_stem(&figure.name)))?;
    let svg = std::fs::read_to_string(path).map_err(|e| Failure::io(path, e))?;
    let width = svg.split_once("width=\"").and_then(|(_, rest)| rest.split_once('"')).and_then(|(width, _)| width.parse().ok());
    Ok(PageFigure { figure, svg, width: width.unwrap_or_default() })
}

/// The artifact beside its provenance.
struct View<'a> {
    tables: &'a Tables,
    instances: &'a [Instance],
    places: &'a BTreeMap<&'a str, Vec<Option<usize>>>,
}

impl<'a> View<'a> {
    fn tables(&self) -> Vec<PageTable<'a>> {
        let page = |(index, table): (usize, &'a Table)| PageTable {
            id: format!("table-{}", index + 1),
            table,
            subject: table.subject(),
            rows: table.rows.iter().enumerate().map(|(row, of_row)| self.row(table, row, &of_row.name)).collect(),
            marks: table.marks.iter().enumerate().map(|(i, mark)| (letter(i), mark.text.as_str())).collect(),
            has_references: table.has_references(),
        };
        self.tables.tables.iter().enumerate().map(page).collect()
    }

    fn row(&self, table: &'a Table, row: usize, name: &'a str) -> PageRow<'a> {
        let cells = table.columns.iter().enumerate().filter_map(|(index, column)| {
            let cell = table.cell(row, index)?;
            Some(PageCell {
                anchor: anchor(table, row, column),
                ours: cell.ours.map_or("–".to_owned(), |v| column.show(v, cell.images)),
                best: cell.best,
                spread: cell.spread.map_or(String::new(), |v| format!("± {}", column.show(v, cell.images))),
                sort: cell.ours,
                reference: cell.reference.map_or(String::new(), |v| column.quantity.show_reported(v)),
                label: cell.reference_label.clone().unwrap_or_default(),
                difference: cell.difference.map_or(String::new(), |v| signed(column, v, cell.images)),
                marks: cell.marks.iter().chain(&cell.reference_mark).map(|m| letter(*m)).collect::<Vec<_>>().join(", "),
                stale: cell.made_from.iter().any(|origin| self.is_stale(origin)),
            })
        });
        PageRow { name, cells: cells.collect() }
    }

    /// Whether what an instance made is no longer what the pipeline asks for.
    fn is_stale(&self, origin: &Origin) -> bool {
        self.instance(origin).is_some_and(|instance| instance.state == "stale")
    }

    /// The provenance of an instance behind a number.
    fn instance(&self, origin: &Origin) -> Option<&'a Instance> {
        let place = self.places.get(origin.input.as_str()).and_then(|list| list.get(origin.index)).copied().flatten();
        place.and_then(|place| self.instances.get(place))
    }

    fn cards(&self) -> BTreeMap<String, CellCard<'a>> {
        let mut cards = BTreeMap::new();
        for table in &self.tables.tables {
            for (row, of_row) in table.rows.iter().enumerate() {
                for (column, cell) in table.columns.iter().zip(&of_row.cells) {
                    let marks = cell.marks.iter().chain(&cell.reference_mark).filter_map(|m| table.marks.get(*m));
                    let card = CellCard {
                        title: format!("{} · {}", of_row.name, column.name),
                        facts: facts(column, cell),
                        marks: marks.map(|mark| mark.text.as_str()).collect(),
                        from: &cell.made_from,
                    };
                    cards.insert(anchor(table, row, column), card);
                }
            }
        }
        cards
    }
}

fn anchor(table: &Table, row: usize, column: &Column) -> String {
    let row = table.rows.get(row).map_or("", |row| row.label.as_str());
    format!("{}/{row}/{}", table.name, column.label)
}

/// What a number is, in words.
fn facts(column: &Column, cell: &Cell) -> Vec<String> {
    let Some(ours) = cell.ours else { return vec!["There is no number.".to_owned()] };
    let mut facts = vec![format!("{} {}", column.show(ours, cell.images), column.quantity.unit())];
    if cell.instances == 1 && column.quantity.is_share() {
        let (low, high) = wilson(ours / 100.0, cell.images);
        let count = (ours / 100.0 * cell.images as f64).round();
        let interval = format!("95 % interval {:.1} to {:.1} (Wilson)", 100.0 * low, 100.0 * high);
        facts.push(format!("{count:.0} of {} images; {interval}", cell.images));
    }
    if let Some(spread) = cell.spread {
        let spread = column.show(spread, cell.images);
        facts.push(format!("mean of {} models, standard deviation {spread}; {} images each", cell.instances, cell.images));
    }
    if let Some(reference) = cell.reference {
        let label = cell.reference_label.as_deref().unwrap_or_default();
        let difference = cell.difference.map_or("not comparable".to_owned(), |d| format!("ours {}", signed(column, d, cell.images)));
        facts.push(format!("{label}: {} ({difference})", column.quantity.show_reported(reference)));
    }
    facts
}
