//! Tables as data: what `tables.json` holds and everything else is rendered from.

use planish_formats::threat::Threat;
use serde::{Deserialize, Serialize};

/// All tables of a report (`tables.json`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tables {
    /// Version of this format.
    pub schema: u32,
    /// The heading of the report.
    pub title: String,
    /// The tables.
    pub tables: Vec<Table>,
}

/// The version of `tables.json` that this code writes.
pub(crate) const SCHEMA: u32 = 1;

/// One table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Table {
    /// Its name in the pipeline.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// The data set.
    pub dataset: String,
    /// What the attacked columns were measured under.
    pub threat: Threat,
    /// How many images each cell stands on.
    pub images: usize,
    /// The columns, in order.
    pub columns: Vec<Column>,
    /// The rows, in order.
    pub rows: Vec<Row>,
    /// Footnotes, in order of their marks.
    pub marks: Vec<Mark>,
    /// What holds for the whole table.
    pub notes: Vec<String>,
}

/// A column.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Column {
    /// The label on its axis, `nominal`, or `worst-case`.
    pub label: String,
    /// What is printed.
    pub name: String,
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
    /// Forward+backward passes spent on one training image over the whole training, mean over the
    /// instances of the row; nothing where no training was gathered.
    pub training_gradients: Option<f64>,
}

/// A cell: accuracies in percent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cell {
    /// Our mean; nothing where no evidence was gathered.
    pub ours: Option<f64>,
    /// The standard deviation over the instances that were averaged; nothing for one.
    pub spread: Option<f64>,
    /// How many instances were averaged.
    pub instances: usize,
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
}

/// A footnote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Its text.
    pub text: String,
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

    /// How many decimals the number of images supports: one image of 5,000 is 0.02 points.
    #[must_use]
    pub fn decimals(&self) -> usize {
        if self.images >= 5_000 { 2 } else { 1 }
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
