//! Footnotes that say when a number can't be taken at face value.

use planish_formats::SplitName;

use crate::gather::{Attacked, Sources};
use crate::quantity::Quantity;
use crate::table::{Role, Table};

/// Adds the marks that the evidence and the neighbouring cells ask for.
pub(crate) fn add(table: &mut Table, sources: &Sources) {
    order(table);
    for row in 0..table.rows.len() {
        for column in 0..table.columns.len() {
            cell(table, (row, column), sources);
        }
    }
}

/// A stronger attack (further right) that leaves more accuracy than a weaker one is suspect.
fn order(table: &mut Table) {
    let shown: Vec<usize> =
        table.columns.iter().enumerate().filter(|(_, column)| column.is_accuracy_under_attack()).map(|(index, _)| index).collect();
    for row in 0..table.rows.len() {
        let mut weakest: Option<f64> = None;
        for &column in &shown {
            let Some(ours) = table.cell(row, column).and_then(|cell| cell.ours) else { continue };
            if weakest.is_some_and(|w| ours > w + 1e-9) {
                table.mark_cell((row, column), "a stronger attack left more accuracy than a weaker one".to_owned());
            }
            weakest = Some(weakest.map_or(ours, |w| w.min(ours)));
        }
    }
}

fn cell(table: &mut Table, place: (usize, usize), sources: &Sources) {
    let Some(quantity) = table.columns.get(place.1).map(|column| column.quantity) else { return };
    let Some(cell) = table.cell(place.0, place.1) else { return };
    let evidence: Vec<&Attacked> =
        cell.made_from.iter().filter(|o| o.input == "attacks").filter_map(|o| sources.attacks.get(o.index)?.get()).collect();
    let mut texts = Vec::new();
    if cell.ours.is_some() && cell.images > 0 && cell.images != table.images && quantity != Quantity::MedianDistance {
        texts.push(format!("over {} images, not {}", cell.images, table.images));
    }
    if quantity == Quantity::SuccessRate {
        texts.push("the share of images that are led to their target class, not an accuracy".to_owned());
    }
    if quantity == Quantity::MedianDistance {
        let threat = table.threat.map_or(String::new(), |threat| format!(", in the {} norm", threat.norm));
        texts.push(format!("the median of the smallest perturbation that breaks an image{threat}, not an accuracy"));
    }
    if evidence.iter().any(|attacked| attacked.evidence.header.split != SplitName::Test) {
        texts.push("not on the test split: checkpoints and settings may have been selected on these images".to_owned());
    }
    let nominal = table.columns.get(place.1).is_some_and(|column| column.role == Role::Nominal);
    let mut failed: Vec<&str> = evidence
        .iter()
        .filter(|_| !nominal)
        .flat_map(|attacked| &attacked.masking)
        .flat_map(|masking| masking.failed().map(|check| check.name.as_str()))
        .collect();
    failed.sort_unstable();
    failed.dedup();
    if !failed.is_empty() {
        texts.push(format!("signs of masked gradients ({}): the attacks may overstate robustness", failed.join(", ")));
    }
    for text in texts {
        table.mark_cell(place, text);
    }
}
