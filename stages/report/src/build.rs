//! From gathered evidence to a table.

use std::collections::BTreeSet;

use planish_contract::{Coordinates, Failure};
use planish_formats::{Threat, median};

use crate::gather::{Attacked, Sources};
use crate::lines::{hidden_axis, meets, meets_where_carried};
use crate::models::{self, Filling, Placed, mean_scores};
use crate::parameters::TableParameters;
use crate::quantity::Quantity;
use crate::references::{Reference, References};
use crate::statistics::{Scores, half_width, mean_and_spread};
use crate::table::{Cell, Column, Origin, Role, Row, Table};
use crate::{best, marks};

/// What a table is made from.
struct Builder<'a> {
    parameters: &'a TableParameters,
    sources: &'a Sources,
    /// The evidence that the table shows.
    shown: Vec<Placed<'a, Attacked>>,
}

/// Builds one table. What keeps it from being made is part of it; mistakes in references are errors.
pub(crate) fn build(name: &str, parameters: &TableParameters, sources: &Sources, references: &References) -> Result<Table, Failure> {
    let carries = |coordinates: &Coordinates| {
        parameters.rows.holds_any(coordinates) && parameters.columns.holds_any(coordinates) && meets(coordinates, &parameters.condition)
    };
    let shown: Vec<Placed<Attacked>> = sources.attacks.iter().enumerate().filter(|(_, piece)| carries(&piece.coordinates)).collect();
    let builder = Builder { parameters, sources, shown };
    let empty = Table { name: name.to_owned(), title: parameters.title.clone(), ..Table::default() };
    match builder.problem() {
        Some(problem) => Ok(Table { problem: Some(problem), ..empty }),
        None => builder.table(empty, references),
    }
}

impl Builder<'_> {
    /// Why the table can't be made.
    fn problem(&self) -> Option<String> {
        if self.shown.is_empty() {
            let wanted: BTreeSet<&str> = self.parameters.rows.axes().union(&self.parameters.columns.axes()).copied().collect();
            let there: BTreeSet<&str> = self.sources.attacks.iter().flat_map(|p| p.coordinates.keys()).map(String::as_str).collect();
            return Some(format!(
                "no gathered evidence fits both rows and columns (they name {}; the evidence has {}): name axes of the stages gathered in \
                 `inputs.attacks`",
                listed(&wanted),
                if there.is_empty() { "no axes".to_owned() } else { listed(&there) }
            ));
        }
        self.hidden_axis().or_else(|| self.mixed()).or_else(|| self.shared_label())
    }

    /// Every axis on which the evidence differs is shown or averaged over.
    fn hidden_axis(&self) -> Option<String> {
        let (rows, columns) = (self.parameters.rows.axes(), self.parameters.columns.axes());
        let known = |axis: &str| rows.contains(axis) || columns.contains(axis) || self.parameters.over.iter().any(|over| over == axis);
        hidden_axis("table", self.shown.iter().map(|(_, piece)| &piece.coordinates), known)
    }

    /// Results under different threat models or on different data sets never share a table.
    fn mixed(&self) -> Option<String> {
        let headers = || self.shown.iter().filter_map(|(_, piece)| piece.get()).map(|attacked| &attacked.evidence.header);
        let threats: BTreeSet<String> = headers().map(|header| header.threat.to_string()).collect();
        let sets: BTreeSet<String> = headers().map(|header| format!("{}, {} split", header.dataset, header.split)).collect();
        let (what, found) = if threats.len() > 1 { ("threat models", threats) } else { ("data", sets) };
        (found.len() > 1).then(|| {
            let found: Vec<String> = found.into_iter().collect();
            format!("it mixes {what}: {}; such results need tables of their own: show a part with `where`", found.join(" and "))
        })
    }

    /// Labels tell columns apart: in references, and where the page leads.
    fn shared_label(&self) -> Option<String> {
        let labels = self.parameters.columns.labels(self.shown.iter().map(|(_, piece)| &piece.coordinates));
        let columns = self.columns(&labels);
        let own = columns.iter().find(|column| column.role != Role::Attack && labels.contains(&column.label))?;
        Some(format!("an attack's column and one of the table's own are both called `{}`: leave the table's out, or use groups", own.label))
    }

    fn table(&self, empty: Table, references: &References) -> Result<Table, Failure> {
        let columns = self.parameters.columns.labels(self.shown.iter().map(|(_, piece)| &piece.coordinates));
        let rows = self.parameters.rows.labels(self.shown.iter().map(|(_, piece)| &piece.coordinates));
        let header = self.shown.iter().find_map(|(_, piece)| piece.get()).map(|attacked| &attacked.evidence.header);
        let mut table = Table {
            dataset: header.map_or(String::new(), |header| header.dataset.clone()),
            threat: header.map(|header| header.threat),
            columns: self.columns(&columns),
            ..empty
        };
        let mut scores = Vec::new();
        for (row, label) in rows.iter().enumerate() {
            let fillings: Vec<(&str, Filling)> = table.columns.iter().map(|column| self.fill(label, column, &table)).collect();
            scores.push(fillings.iter().map(|(_, filling)| mean_scores(&filling.scores)).collect::<Vec<Scores>>());
            let cells = fillings.iter().map(|(input, filling)| cell(input, filling)).collect();
            let gaps: Vec<Vec<String>> = fillings.into_iter().map(|(_, filling)| filling.gaps).collect();
            table.rows.push(Row { label: label.clone(), name: self.parameters.rows.name(label).to_owned(), cells });
            for (column, gaps) in gaps.into_iter().enumerate() {
                for gap in gaps {
                    table.mark_cell((row, column), gap);
                }
            }
        }
        table.images = table.counts().max().unwrap_or(0);
        for set in &self.parameters.references {
            let strays: Vec<String> = references.set(set)?.iter().filter_map(|reference| add_reference(&mut table, reference)).collect();
            note_strays(&mut table, set, &strays);
        }
        marks::add(&mut table, self.sources);
        note_counts(&mut table);
        best::decide(&mut table, &scores);
        Ok(table)
    }

    fn columns(&self, labels: &[String]) -> Vec<Column> {
        let parameters = self.parameters;
        let of = |role, label: &str, name: &str, quantity| Column { label: label.to_owned(), name: name.to_owned(), quantity, role };
        let column = |label, name, quantity| of(Role::Own, label, name, quantity);
        let attacks: Vec<Column> =
            labels.iter().map(|label| of(Role::Attack, label, parameters.columns.name(label), self.quantity(label))).collect();
        let accuracies = attacks.iter().filter(|column| column.quantity == Quantity::Accuracy).count();
        let mut columns = Vec::new();
        if parameters.nominal {
            columns.push(of(Role::Nominal, "nominal", "Nominal", Quantity::Accuracy));
        }
        columns.extend(attacks);
        if parameters.worst_case && accuracies > 1 {
            columns.push(of(Role::WorstCase, "worst-case", "Worst case", Quantity::Accuracy));
        }
        if parameters.linearity {
            columns.push(column("linearity", "γ, median", Quantity::Linearity));
        }
        if parameters.training && !self.sources.training.is_empty() {
            columns.push(column("training", "Training gradients an image", Quantity::TrainingGradients));
        }
        columns
    }

    /// What column `label` shows: of attacks that are all targeted, the rate of success.
    fn quantity(&self, label: &str) -> Quantity {
        let declared = self.parameters.columns.values.get(label).copied().unwrap_or(self.parameters.value);
        let mut headers = self
            .shown
            .iter()
            .filter(|(_, piece)| self.parameters.columns.holds(&piece.coordinates, label))
            .filter_map(|(_, piece)| piece.get())
            .map(|attacked| &attacked.evidence.header)
            .peekable();
        let targeted = headers.peek().is_some() && headers.all(|header| header.targeted_success().is_some());
        match Quantity::from(declared) {
            Quantity::Accuracy if targeted => Quantity::SuccessRate,
            declared => declared,
        }
    }

    /// The cell at (row, column), and the input that it comes from.
    fn fill(&self, row: &str, column: &Column, table: &Table) -> (&'static str, Filling) {
        let axes = self.parameters.columns.axes();
        let of_row = || self.shown.iter().filter(|(_, piece)| self.parameters.rows.holds(&piece.coordinates, row)).copied();
        let filling = match (column.role, column.quantity) {
            (_, Quantity::TrainingGradients) => return ("training", self.training(row)),
            (_, Quantity::Linearity) => return ("landscape", self.linearity(row, table.threat)),
            (Role::Nominal, _) => models::nominal(&of_row().collect::<Vec<_>>(), &axes),
            (Role::WorstCase, _) => {
                let counted: Vec<&str> = table.columns.iter().filter(|c| c.is_accuracy_under_attack()).map(|c| c.label.as_str()).collect();
                let of_column = |coordinates: &Coordinates| counted.iter().any(|label| self.parameters.columns.holds(coordinates, label));
                let pieces: Vec<_> = of_row().filter(|(_, piece)| of_column(&piece.coordinates)).collect();
                let complete = models::Complete { columns: &self.parameters.columns, labels: &counted };
                models::attacked(&pieces, Quantity::Accuracy, Some(complete), &axes)
            }
            (_, quantity) => {
                let pieces: Vec<_> =
                    of_row().filter(|(_, piece)| self.parameters.columns.holds(&piece.coordinates, &column.label)).collect();
                models::attacked(&pieces, quantity, None, &axes)
            }
        };
        ("attacks", filling)
    }

    /// Whether an instance of another input belongs to the table's part and to `row`.
    fn belongs(&self, coordinates: &Coordinates, row: &str) -> bool {
        self.parameters.rows.holds(coordinates, row) && meets_where_carried(coordinates, &self.parameters.condition)
    }

    fn training(&self, row: &str) -> Filling {
        let pieces: Vec<_> = self.sources.training.iter().enumerate().filter(|(_, p)| self.belongs(&p.coordinates, row)).collect();
        Filling {
            values: pieces.iter().filter_map(|(_, piece)| piece.get()).map(|training| training.gradients as f64).collect(),
            indices: pieces.iter().map(|(index, _)| *index).collect(),
            gaps: models::gaps(&pieces),
            ..Filling::default()
        }
    }

    /// γ within the table's threat model.
    fn linearity(&self, row: &str, threat: Option<Threat>) -> Filling {
        let pieces: Vec<_> = self.sources.landscape.iter().enumerate().filter(|(_, p)| self.belongs(&p.coordinates, row)).collect();
        let mut filling =
            Filling { indices: pieces.iter().map(|(index, _)| *index).collect(), gaps: models::gaps(&pieces), ..Filling::default() };
        for measurement in pieces.iter().filter_map(|(_, piece)| piece.get()) {
            match threat.and_then(|threat| crate::linearity::gamma(measurement, threat)) {
                Some(scores) => {
                    filling.values.extend(median(scores.values().copied()));
                    filling.scores.push(scores);
                }
                None => filling.gaps.push("missing: γ was not measured within this threat model".to_owned()),
            }
        }
        filling
    }
}

fn listed(names: &BTreeSet<&str>) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn cell(input: &str, filling: &Filling) -> Cell {
    let made_from = filling.indices.iter().map(|&index| Origin { input: input.to_owned(), index }).collect();
    let images = filling.scores.iter().map(Scores::len).min().unwrap_or(0);
    let (ours, spread) = mean_and_spread(&filling.values).map_or((None, None), |(mean, spread)| (Some(mean), spread));
    Cell { ours, spread, instances: filling.values.len(), images, made_from, ..Cell::default() }
}

/// Puts a reference into its cell; answers what there is no place for.
fn add_reference(table: &mut Table, reference: &Reference) -> Option<String> {
    let column = table.columns.iter().position(|c| c.label == reference.column);
    let row = table.rows.iter().position(|r| r.label == reference.row);
    let (Some(column), Some(row)) = (column, row) else {
        let (what, label) = if row.is_none() { ("row", &reference.row) } else { ("column", &reference.column) };
        return Some(format!("{what} `{label}` ({})", reference.place));
    };
    let (certainty, threat) = (reference.certainty.word(), reference.threat);
    let mark = table.mark(format!("{certainty}: {}, on {} under {threat}", reference.source, reference.dataset));
    // Numbers compare only where data set and threat model agree.
    let comparable = Some(threat) == table.threat && reference.dataset == table.dataset;
    if let Some(cell) = table.cell_mut(row, column) {
        cell.reference = Some(reference.value);
        cell.reference_label = Some(certainty.to_owned());
        cell.difference = cell.ours.filter(|_| comparable).map(|ours| ours - reference.value);
        cell.reference_mark = Some(mark);
    }
    None
}

/// Says which values of a set are not shown, and what there is a place for.
fn note_strays(table: &mut Table, set: &str, strays: &[String]) {
    if strays.is_empty() {
        return;
    }
    let rows: Vec<&str> = table.rows.iter().map(|row| row.label.as_str()).collect();
    let columns: Vec<&str> = table.columns.iter().map(|column| column.label.as_str()).collect();
    let mut places = strays.to_vec();
    // A row that is not there has several values in one line.
    places.dedup();
    table.notes.push(format!(
        "Of the references `{set}` this table has no place for {}; its rows are {}, its columns {}.",
        places.join(", "),
        rows.join(", "),
        columns.join(", ")
    ));
}

/// Says how many images a cell stands on and what that is worth.
fn note_counts(table: &mut Table) {
    if !table.columns.iter().any(|column| column.quantity.is_share()) {
        return;
    }
    let (Some(fewest), Some(most)) = (table.counts().filter(|count| *count > 0).min(), table.counts().max()) else { return };
    let images = if fewest == most { most.to_string() } else { format!("{fewest} to {most}") };
    let width = half_width(fewest);
    table.notes.push(format!("Each cell is over {images} images: one cell's 95 % interval is at most ±{width:.1} points."));
}
