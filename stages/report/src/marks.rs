//! Footnotes that say when a number can't be taken at face value.

use crate::collect::Evidence;
use crate::table::Table;

/// A stronger attack (further right) that leaves more accuracy than a weaker one is suspect.
pub(crate) fn order(table: &mut Table, attacks: &[String], evidence: &[&Evidence]) {
    // Rates of success of targeted attacks are no accuracies.
    let accuracy =
        |label: &str| !evidence.iter().any(|e| e.header.targeted_success().is_some() && e.coordinates.values().any(|c| c.label == label));
    let attacks = attacks.iter().filter(|attack| accuracy(attack));
    let positions: Vec<usize> = attacks.filter_map(|a| table.columns.iter().position(|c| c.label == *a)).collect();
    for row in 0..table.rows.len() {
        let mut weakest: Option<f64> = None;
        for &column in &positions {
            let Some(ours) = table.rows.get(row).and_then(|r| r.cells.get(column)).and_then(|c| c.ours) else { continue };
            if weakest.is_some_and(|w| ours > w + 1e-9) {
                let mark = table.mark("a stronger attack left more accuracy than a weaker one".to_owned());
                if let Some(cell) = table.rows.get_mut(row).and_then(|r| r.cells.get_mut(column)) {
                    cell.marks.push(mark);
                }
            }
            weakest = Some(weakest.map_or(ours, |w| w.min(ours)));
        }
    }
}

/// What a piece of evidence says of itself: signs of masked gradients, and that its number is a rate of success.
pub(crate) fn evidence(table: &mut Table, (row, column): (&str, &str), evidence: &Evidence) {
    let mut texts = Vec::new();
    if evidence.header.targeted_success().is_some() {
        texts.push("the share of images that are led to their target class, not an accuracy".to_owned());
    }
    let failed: Vec<&str> = evidence.masking.iter().flat_map(|masking| masking.failed().map(|check| check.name.as_str())).collect();
    if !failed.is_empty() {
        texts.push(format!("signs of masked gradients ({}): the attacks may overstate robustness", failed.join(", ")));
    }
    let Some(column) = table.columns.iter().position(|c| c.label == column) else { return };
    let Some(row) = table.rows.iter().position(|r| r.label == row) else { return };
    for text in texts {
        let mark = table.mark(text);
        let cell = table.rows.get_mut(row).and_then(|r| r.cells.get_mut(column));
        if let Some(cell) = cell.filter(|cell| !cell.marks.contains(&mark)) {
            cell.marks.push(mark);
        }
    }
}
