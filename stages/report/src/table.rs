//! Tables as data: what `tables.json` holds and everything else is rendered from.

use planish_formats::threat::Threat;
use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;

/// All tables of a report (`tables.json`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tables {
    /// Version of this format.
    pub schema: u32,
    /// The heading of the report.
    pub title: String,
    /// The tables.
    pub tables: Vec<Table>,
    /// The figures, in order.
    pub figures: Vec<Figure>,
    /// Parts with a heading of their own, in order.
    #[serde(default)]
    pub sections: Vec<Section>,
}

/// A part of the report with a heading and words of its own.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Section {
    /// Its name in the pipeline.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// What it is about, in paragraphs.
    pub text: Vec<String>,
    /// Indices of its tables.
    pub tables: Vec<usize>,
    /// Indices of its figures.
    pub figures: Vec<usize>,
}

/// The version of `tables.json` that this code writes.
pub(crate) const SCHEMA: u32 = 2;

/// One table.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Table {
    /// Its name in the pipeline.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// The data set; empty where nothing was found.
    pub dataset: String,
    /// What the attacked columns were measured under; nothing where no evidence was found.
    pub threat: Option<Threat>,
    /// How many images the cells stand on, at most.
    pub images: usize,
    /// The columns, in order.
    pub columns: Vec<Column>,
    /// The rows, in order.
    pub rows: Vec<Row>,
    /// Footnotes, in order of their marks.
    pub marks: Vec<Mark>,
    /// What holds for the whole table.
    pub notes: Vec<String>,
    /// Why there is no table; nothing where there is one.
    pub problem: Option<String>,
}

/// A column.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Column {
    /// The label on its axis, or `nominal`, `worst-case`, `linearity`, `training`.
    pub label: String,
    /// What is printed.
    pub name: String,
    /// What its cells show.
    pub quantity: Quantity,
    /// Where its cells come from; of use only while the table is made.
    #[serde(skip)]
    pub(crate) role: Role,
}

/// Where the cells of a column come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    /// The attacks of its label.
    #[default]
    Attack,
    /// Clean predictions.
    Nominal,
    /// All columns of accuracies under attack.
    WorstCase,
    /// Another input.
    Own,
}

/// A row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The label on its axis.
    pub label: String,
    /// What is printed.
    pub name: String,
    /// One cell a column.
    pub cells: Vec<Cell>,
}

/// A cell, in the unit of its column.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cell {
    /// Our mean; nothing where there is none.
    pub ours: Option<f64>,
    /// The standard deviation over the models that were averaged; nothing for one.
    pub spread: Option<f64>,
    /// How many models were averaged.
    pub instances: usize,
    /// How many images each stands on, at least; 0 where images play no part.
    pub images: usize,
    /// Whether no other row of its column is better, as far as the images can tell, while some row is worse.
    pub best: bool,
    /// What others reported.
    pub reference: Option<f64>,
    /// How the reference is labelled.
    pub reference_label: Option<String>,
    /// Ours − reference, only where data set and threat model agree.
    pub difference: Option<f64>,
    /// Indices of footnotes to our number.
    pub marks: Vec<usize>,
    /// The index of the footnote to the reference.
    pub reference_mark: Option<usize>,
    /// What the number was made from: where each instance stands, by the input that gathered it.
    pub made_from: Vec<Origin>,
}

/// An instance that a number was made from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The input that gathered it: `attacks`, `training` or `landscape`.
    pub input: String,
    /// Its position in that input.
    pub index: usize,
}

/// A footnote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Its text.
    pub text: String,
}

/// A figure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// Its name in the pipeline; its files are `figures/NAME.svg` and `figures/NAME.csv`.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// What it shows and how to read it.
    pub caption: String,
    /// Why there is no picture; nothing where there is one.
    pub problem: Option<String>,
    /// The instances behind it.
    #[serde(default)]
    pub made_from: Vec<Origin>,
}

impl Table {
    /// The index of the footnote with this text, added if it is new.
    pub(crate) fn mark(&mut self, text: String) -> usize {
        let mark = Mark { text };
        self.marks.iter().position(|m| *m == mark).unwrap_or_else(|| {
            self.marks.push(mark);
            self.marks.len() - 1
        })
    }

    /// The instances behind any of its numbers, each once.
    pub(crate) fn origins(&self) -> Vec<&Origin> {
        let mut origins: Vec<&Origin> = self.rows.iter().flat_map(|row| &row.cells).flat_map(|cell| &cell.made_from).collect();
        origins.sort_unstable();
        origins.dedup();
        origins
    }

    /// Adds a footnote to the cell at (row, column).
    pub(crate) fn mark_cell(&mut self, (row, column): (usize, usize), text: String) {
        if self.cell_mut(row, column).is_none() {
            return;
        }
        let mark = self.mark(text);
        if let Some(cell) = self.cell_mut(row, column).filter(|cell| !cell.marks.contains(&mark)) {
            cell.marks.push(mark);
        }
    }

    pub(crate) fn cell(&self, row: usize, column: usize) -> Option<&Cell> {
        self.rows.get(row).and_then(|r| r.cells.get(column))
    }

    pub(crate) fn cell_mut(&mut self, row: usize, column: usize) -> Option<&mut Cell> {
        self.rows.get_mut(row).and_then(|r| r.cells.get_mut(column))
    }

    /// What stands between heading and table.
    #[must_use]
    pub fn subject(&self) -> String {
        let threat = self.threat.map_or(String::new(), |threat| format!(", {threat}"));
        let shares = self.columns.iter().any(|column| column.quantity.is_share());
        format!("{}{}{threat}, {} images.", if shares { "Accuracy in %, " } else { "" }, self.dataset, self.images)
    }

    /// Whether any cell has a reference.
    #[must_use]
    pub fn has_references(&self) -> bool {
        self.rows.iter().any(Row::has_references)
    }

    /// On how many images each cell of a share stands; each cell, where no column is of shares.
    pub(crate) fn counts(&self) -> impl Iterator<Item = usize> {
        let shares = self.columns.iter().any(|column| column.quantity.is_share());
        let cells = self.rows.iter().flat_map(|row| self.columns.iter().zip(&row.cells));
        cells.filter(move |(column, _)| !shares || column.quantity.is_share()).map(|(_, cell)| cell.images)
    }
}

impl Row {
    /// Whether any cell has a reference.
    pub(crate) fn has_references(&self) -> bool {
        self.cells.iter().any(|cell| cell.reference.is_some())
    }
}

impl Column {
    /// Whether it shows accuracies under attacks of its own.
    pub(crate) fn is_accuracy_under_attack(&self) -> bool {
        self.role == Role::Attack && self.quantity == Quantity::Accuracy
    }

    /// A number of this column as text, made from `images` images.
    #[must_use]
    pub fn show(&self, value: f64, images: usize) -> String {
        self.quantity.show(value, images)
    }
}

/// The mark of footnote `index`: a, b, …, z, aa, ab, …
pub(crate) fn letter(index: usize) -> String {
    let last = char::from(b'a' + u8::try_from(index % 26).unwrap_or(0));
    if index < 26 { last.to_string() } else { format!("{}{last}", letter(index / 26 - 1)) }
}

#[cfg(test)]
mod tests {
    use super::letter;

    #[test]
    fn marks_count_like_columns_of_a_sheet() {
        let marks: Vec<String> = [0, 25, 26, 27, 52].into_iter().map(letter).collect();
        assert_eq!(marks, ["a", "z", "aa", "ab", "ba"]);
    }
}
