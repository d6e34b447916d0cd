//! From gathered evidence to cells.

use std::collections::{BTreeMap, BTreeSet};

use planish_contract::{Context, Coordinates, Failure, Gathered};
use planish_formats::HistoryRecord;
use planish_formats::MaskingReport;
use planish_formats::evidence::{EvidenceHeader, ImageEvidence};

use crate::marks;
use crate::parameters::TableParameters;
use crate::statistics::{half_width, mean_and_spread};
use crate::table::{Cell, Column, Row, Table};

/// The evidence of one instance.
pub(crate) struct Evidence {
    pub(crate) coordinates: Coordinates,
    pub(crate) header: EvidenceHeader,
    pub(crate) images: Vec<ImageEvidence>,
    pub(crate) masking: Option<MaskingReport>,
}

/// The training of one instance: forward+backward passes an image over all epochs.
pub(crate) struct Training {
    pub(crate) coordinates: Coordinates,
    pub(crate) gradients: u64,
}

/// Reads every evidence artifact of input `attacks`.
pub(crate) fn read_evidence(context: &Context) -> Result<Vec<Evidence>, Failure> {
    let present = context.gathered("attacks")?.iter().filter_map(|g| Some((g, g.folder.as_ref()?)));
    present
        .map(|(gathered, folder)| {
            let planish_formats::Evidence { header, images, .. } = planish_formats::Evidence::open(folder)?;
            let masking = MaskingReport::open(folder)?;
            Ok(Evidence { coordinates: gathered.coordinates.clone(), header, images, masking })
        })
        .collect()
}

/// Reads the history of every checkpoint of input `training`.
pub(crate) fn read_training(context: &Context) -> Result<Vec<Training>, Failure> {
    context.gathered("training")?.iter().filter_map(training_of).collect()
}

fn training_of(gathered: &Gathered) -> Option<Result<Training, Failure>> {
    let folder = gathered.folder.as_ref()?;
    let history = folder.file(planish_formats::checkpoint::HISTORY).and_then(planish_formats::json::read_json_lines::<HistoryRecord>);
    Some(history.map(|records| Training {
        coordinates: gathered.coordinates.clone(),
        gradients: records.iter().map(|r| r.gradients_per_image).sum(),
    }))
}

/// A copy of a label on `axis`.
fn label(coordinates: &Coordinates, axis: &str) -> Option<String> {
    coordinates.get(axis).map(|c| c.label.clone())
}

/// Builds one table.
pub(crate) fn build(name: &str, parameters: &TableParameters, evidence: &[Evidence], training: &[Training]) -> Result<Table, Failure> {
    let carries = |e: &&Evidence| e.coordinates.contains_key(&parameters.rows.axis) && e.coordinates.contains_key(&parameters.columns.axis);
    let evidence: Vec<&Evidence> = evidence.iter().filter(carries).collect();
    let Some(first) = evidence.first() else {
        let (rows, columns) = (&parameters.rows.axis, &parameters.columns.axis);
        return Err(Failure::input_hint(
            format!("table `{name}`: no gathered evidence carries both axes `{rows}` and `{columns}`"),
            "name axes of the stages gathered in `inputs.attacks`",
        ));
    };
    check_axes(name, parameters, &evidence)?;
    let row_labels = parameters.rows.sorted(&evidence.iter().filter_map(|e| label(&e.coordinates, &parameters.rows.axis)).collect());
    let column_labels =
        parameters.columns.sorted(&evidence.iter().filter_map(|e| label(&e.coordinates, &parameters.columns.axis)).collect());
    let images = evidence.iter().map(|e| e.header.images).min().unwrap_or(0);
    let mut table = Table {
        name: name.to_owned(),
        title: parameters.title.clone(),
        dataset: first.header.dataset.clone(),
        threat: first.header.threat,
        images,
        columns: columns(parameters, &column_labels),
        rows: Vec::new(),
        marks: Vec::new(),
        notes: Vec::new(),
    };
    for row_label in &row_labels {
        let of_row: Vec<&Evidence> =
            evidence.iter().filter(|e| label(&e.coordinates, &parameters.rows.axis).as_deref() == Some(row_label)).copied().collect();
        let row = build_row(row_label, parameters, &of_row, &column_labels, training);
        table.rows.push(row);
    }
    add_references(&mut table, parameters);
    marks::order(&mut table, &column_labels, &evidence);
    for evidence in &evidence {
        let place = label(&evidence.coordinates, &parameters.rows.axis).zip(label(&evidence.coordinates, &parameters.columns.axis));
        if let Some(place) = place {
            marks::evidence(&mut table, (&place.0, &place.1), evidence);
        }
    }
    note_counts(&mut table, &evidence);
    Ok(table)
}

/// Every axis is a row, a column or averaged over; one table has one threat model.
fn check_axes(name: &str, parameters: &TableParameters, evidence: &[&Evidence]) -> Result<(), Failure> {
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for coordinates in evidence.iter().map(|e| &e.coordinates) {
        for (axis, coordinate) in coordinates {
            labels.entry(axis).or_default().insert(&coordinate.label);
        }
    }
    let shown = |axis: &str| axis == parameters.rows.axis || axis == parameters.columns.axis || parameters.over.iter().any(|o| o == axis);
    if let Some((axis, found)) = labels.iter().find(|(axis, found)| found.len() > 1 && !shown(axis)) {
        let found: Vec<&str> = found.iter().copied().collect();
        return Err(Failure::input_hint(
            format!(
                "table `{name}`: the evidence differs on axis `{axis}` ({}), which the table neither shows nor averages over",
                found.join(", ")
            ),
            format!("add `{axis}` to `over`, or gather a part of it: `attack[{axis}=…]`"),
        ));
    }
    one_value(name, "threat models", evidence.iter().map(|e| e.header.threat.to_string()))?;
    one_value(name, "data sets", evidence.iter().map(|e| e.header.dataset.clone()))
}

/// Results under different threat models or on different data sets never share a table.
fn one_value(name: &str, what: &str, values: impl Iterator<Item = String>) -> Result<(), Failure> {
    let values: BTreeSet<String> = values.collect();
    if values.len() > 1 {
        let values: Vec<String> = values.into_iter().collect();
        return Err(Failure::input_hint(
            format!("table `{name}` mixes {what}: {}", values.join(" and ")),
            "such results need tables of their own: gather a part of them, `attack[axis=label]`",
        ));
    }
    Ok(())
}

fn columns(parameters: &TableParameters, labels: &[String]) -> Vec<Column> {
    let column = |label: &str, name: &str| Column { label: label.to_owned(), name: name.to_owned() };
    let mut columns = Vec::new();
    if parameters.nominal {
        columns.push(column("nominal", "Nominal"));
    }
    columns.extend(labels.iter().map(|label| column(label, parameters.columns.name(label))));
    if parameters.worst_case && labels.len() > 1 {
        columns.push(column("worst-case", "Worst case"));
    }
    columns
}

fn build_row(row_label: &str, parameters: &TableParameters, evidence: &[&Evidence], columns: &[String], training: &[Training]) -> Row {
    let mut cells = Vec::new();
    if parameters.nominal {
        // Every attack on one model saw the same clean predictions: count each model once.
        let models: BTreeMap<String, f64> = evidence.iter().map(|e| (group(e, parameters), e.header.clean_accuracy)).collect();
        cells.push(cell(&models.into_values().collect::<Vec<_>>()));
    }
    for column in columns {
        let of_column = evidence.iter().filter(|e| label(&e.coordinates, &parameters.columns.axis).as_ref() == Some(column));
        cells.push(cell(&of_column.map(|e| e.header.targeted_success().unwrap_or(e.header.robust_accuracy)).collect::<Vec<_>>()));
    }
    if parameters.worst_case && columns.len() > 1 {
        cells.push(cell(&worst_case(parameters, evidence, columns.len())));
    }
    let gradients: Vec<f64> = training
        .iter()
        .filter(|t| label(&t.coordinates, &parameters.rows.axis).as_deref() == Some(row_label))
        .map(|t| t.gradients as f64)
        .collect();
    Row {
        label: row_label.to_owned(),
        name: parameters.rows.name(row_label).to_owned(),
        cells,
        training_gradients: mean_and_spread(&gradients).map(|(mean, _)| mean),
    }
}

/// Which model an evidence belongs to: its labels on the axes that are averaged over.
fn group(evidence: &Evidence, parameters: &TableParameters) -> String {
    let labels = parameters.over.iter().map(|axis| label(&evidence.coordinates, axis).unwrap_or_default());
    labels.collect::<Vec<_>>().join("\u{1f}")
}

/// Per model: the share of images that stand against every attack, over the images that all saw;
/// models that lack one of the attacks are left out.
fn worst_case(parameters: &TableParameters, evidence: &[&Evidence], attacks: usize) -> Vec<f64> {
    let mut models: BTreeMap<String, Vec<&Evidence>> = BTreeMap::new();
    for evidence in evidence {
        models.entry(group(evidence, parameters)).or_default().push(evidence);
    }
    let complete = models.values().filter(|model| model.len() == attacks);
    complete
        .map(|model| {
            let mut seen: BTreeMap<u32, (usize, bool)> = BTreeMap::new();
            for image in model.iter().flat_map(|e| &e.images) {
                let entry = seen.entry(image.id).or_insert((0, true));
                *entry = (entry.0 + 1, entry.1 && image.robust);
            }
            let all: Vec<bool> = seen.values().filter(|(count, _)| *count == attacks).map(|(_, robust)| *robust).collect();
            all.iter().filter(|robust| **robust).count() as f64 / all.len().max(1) as f64
        })
        .collect()
}

fn cell(shares: &[f64]) -> Cell {
    let percent: Vec<f64> = shares.iter().map(|share| share * 100.0).collect();
    match mean_and_spread(&percent) {
        None => Cell::default(),
        Some((mean, spread)) => Cell { ours: Some(mean), spread, instances: percent.len(), ..Cell::default() },
    }
}

fn add_references(table: &mut Table, parameters: &TableParameters) {
    for reference in &parameters.references {
        let Some(column) = table.columns.iter().position(|c| c.label == reference.column) else { continue };
        let Some(row) = table.rows.iter().position(|r| r.label == reference.row) else { continue };
        let mark = table.mark(format!(
            "{}: {}, on {} under {}",
            reference.certainty.word(),
            reference.source,
            reference.dataset,
            reference.threat
        ));
        // Numbers compare only where data set and threat model agree.
        let comparable = reference.threat == table.threat && reference.dataset == table.dataset;
        let Some(cell) = table.rows.get_mut(row).and_then(|r| r.cells.get_mut(column)) else { continue };
        cell.reference = Some(reference.value);
        cell.reference_label = Some(reference.certainty.word().to_owned());
        cell.difference = cell.ours.filter(|_| comparable).map(|ours| ours - reference.value);
        cell.reference_mark = Some(mark);
    }
}

/// Says how many images a cell stands on, what that is worth, and whether cells differ in it.
fn note_counts(table: &mut Table, evidence: &[&Evidence]) {
    let most = evidence.iter().map(|e| e.header.images).max().unwrap_or(0);
    if most != table.images {
        table.notes.push(format!("Cells stand on different numbers of images: {} to {most}.", table.images));
    }
    let width = half_width(table.images);
    table.notes.push(format!("Each cell is over {} images: one cell's 95 % interval is at most ±{width:.1} points.", table.images));
}
