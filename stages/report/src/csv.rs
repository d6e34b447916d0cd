//! Tables as CSV, one line a cell (RFC 4180).

use crate::table::Tables;

/// All cells of all tables.
pub(crate) fn render(tables: &Tables) -> String {
    let mut text = "table,row,column,threat,images,accuracy,standard_deviation,instances,reference,reference_label,difference\n".to_owned();
    for table in &tables.tables {
        for row in &table.rows {
            for (column, cell) in table.columns.iter().zip(&row.cells) {
                let fields = [
                    table.name.clone(),
                    row.label.clone(),
                    column.label.clone(),
                    table.threat.to_string(),
                    table.images.to_string(),
                    number(cell.ours),
                    number(cell.spread),
                    cell.instances.to_string(),
                    number(cell.reference),
                    cell.reference_label.clone().unwrap_or_default(),
                    number(cell.difference),
                ];
                text.push_str(&fields.map(|field| quote(&field)).join(","));
                text.push('\n');
            }
        }
    }
    text
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
