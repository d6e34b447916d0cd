//! Tables as CSV, one line a cell (RFC 4180).

use crate::table::{Cell, Column, Table, Tables};

/// All cells of all tables.
pub(crate) fn render(tables: &Tables) -> String {
    let mut text = "table,row,column,quantity,unit,threat,images,value,standard_deviation,instances,best,reference,reference_label,\
                    difference,marks\n"
        .to_owned();
    for table in &tables.tables {
        for row in &table.rows {
            for (column, cell) in table.columns.iter().zip(&row.cells) {
                text.push_str(&fields(table, &row.label, (column, cell)).map(|field| quote(&field)).join(","));
                text.push('\n');
            }
        }
    }
    text
}

fn fields(table: &Table, row: &str, (column, cell): (&Column, &Cell)) -> [String; 15] {
    let marks: Vec<&str> = cell.marks.iter().filter_map(|mark| table.marks.get(*mark)).map(|mark| mark.text.as_str()).collect();
    let quantity = serde_json::to_value(column.quantity).ok().and_then(|value| value.as_str().map(str::to_owned));
    [
        table.name.clone(),
        row.to_owned(),
        column.label.clone(),
        quantity.unwrap_or_default(),
        column.quantity.unit().to_owned(),
        table.threat.map_or(String::new(), |threat| threat.to_string()),
        cell.images.to_string(),
        number(cell.ours),
        number(cell.spread),
        cell.instances.to_string(),
        cell.best.to_string(),
        number(cell.reference),
        cell.reference_label.clone().unwrap_or_default(),
        number(cell.difference),
        marks.join("; "),
    ]
}

fn number(value: Option<f64>) -> String {
    value.map_or(String::new(), |v| format!("{v:.4}"))
}

/// Quotes a field that needs it.
pub(crate) fn quote(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn fields_with_separators_are_quoted() {
        assert_eq!(quote("plain"), "plain");
        assert_eq!(quote("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
