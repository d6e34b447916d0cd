//! Which rows of a column are printed in bold: by a paired test on the images, not by the largest number.

use crate::statistics::{Scores, holm, sign_test, signs};
use crate::table::Table;

/// The level of the tests of one column together.
const LEVEL: f64 = 0.05;

/// Marks, in every column, the best row and those that the images can't tell from it, unless that is all of them. `scores` holds one
/// number an image for each cell.
pub(crate) fn decide(table: &mut Table, scores: &[Vec<Scores>]) {
    let (mut any, mut tested, mut averaged) = (false, false, false);
    for column in 0..table.columns.len() {
        let Some(larger) = table.columns.get(column).and_then(|column| column.quantity.larger_is_better()) else { continue };
        let better = if larger { 1.0 } else { -1.0 };
        let mut rows: Vec<(usize, f64, &Scores)> = Vec::new();
        for (row, of_row) in scores.iter().enumerate() {
            let value = table.cell(row, column).and_then(|cell| cell.ours);
            if let (Some(value), Some(scores)) = (value, of_row.get(column).filter(|scores| !scores.is_empty())) {
                rows.push((row, better * value, scores));
            }
        }
        // The first of equals.
        let Some(&(best, _, of_best)) = rows.iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))) else { continue };
        let others: Vec<_> = rows.iter().filter(|(row, ..)| *row != best).collect();
        // The best by its median may be behind on most images: then the other is not worse.
        let chance = |scores: &Scores| {
            let [ahead, behind] = signs(of_best, scores);
            if (ahead > behind) == larger { sign_test(of_best, scores) } else { 1.0 }
        };
        let worse = holm(&others.iter().map(|(_, _, scores)| chance(scores)).collect::<Vec<_>>(), LEVEL);
        tested |= !others.is_empty();
        if !worse.contains(&true) {
            continue;
        }
        any = true;
        let level = others.iter().zip(&worse).filter(|(_, worse)| !**worse).map(|((row, ..), _)| *row);
        for row in std::iter::once(best).chain(level.collect::<Vec<_>>()) {
            if let Some(cell) = table.cell_mut(row, column) {
                cell.best = true;
                averaged |= cell.instances > 1;
            }
        }
    }
    if tested {
        table.notes.push(note(any, averaged));
    }
}

fn note(any: bool, averaged: bool) -> String {
    const TEST: &str = "McNemar's exact test image by image, Holm's correction within a column, 5 %";
    let seeds = if averaged { "; it does not take the spread over seeds into account" } else { "" };
    if any {
        format!("Bold: the best of a column and what the images can't tell from it ({TEST}{seeds}).")
    } else {
        format!("No row is bold: the images can't tell the rows of any column apart ({TEST}).")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Quantity;
    use crate::table::{Cell, Column, Role, Row};

    fn decided(quantity: Quantity, rows: &[(f64, &[f64])]) -> (Vec<bool>, String) {
        let mut table =
            Table { columns: vec![Column { label: "c".into(), name: "c".into(), quantity, role: Role::Attack }], ..Table::default() };
        let mut scores = Vec::new();
        for (ours, images) in rows {
            let cells = vec![Cell { ours: Some(*ours), instances: 1, images: images.len(), ..Cell::default() }];
            table.rows.push(Row { label: String::new(), name: String::new(), cells });
            scores.push(vec![(0..).zip(images.iter().copied()).collect::<Scores>()]);
        }
        decide(&mut table, &scores);
        (table.rows.iter().map(|row| row.cells[0].best).collect(), table.notes.concat())
    }

    #[test]
    fn what_the_images_cannot_tell_from_the_best_is_as_good() {
        let (all, most, never) = ([1.0; 20], [[0.0].as_slice(), &[1.0; 19]].concat(), [0.0; 20]);
        let (best, note) = decided(Quantity::Accuracy, &[(0.0, &never), (95.0, &most), (100.0, &all)]);
        assert_eq!(best, [false, true, true]);
        assert!(note.contains("McNemar"), "{note}");
        assert_eq!(decided(Quantity::SuccessRate, &[(0.0, &never), (95.0, &most), (100.0, &all)]).0, [true, false, false]);
        let (best, note) = decided(Quantity::Accuracy, &[(95.0, &most), (100.0, &all)]);
        assert_eq!(best, [false, false]);
        assert!(note.contains("No row is bold"), "{note}");
        assert_eq!(decided(Quantity::TrainingGradients, &[(95.0, &most), (100.0, &all)]), (vec![false, false], String::new()));
    }
}
