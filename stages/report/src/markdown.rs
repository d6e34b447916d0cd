//! Tables as Markdown.

use std::fmt::Write;

use crate::table::{Cell, Table, Tables, letter};

/// All tables as Markdown.
pub(crate) fn render(tables: &Tables) -> String {
    let mut text = format!("# {}\n", escape(&tables.title));
    for table in &tables.tables {
        text.push('\n');
        render_table(table, &mut text);
    }
    text
}

fn render_table(table: &Table, text: &mut String) {
    let _ = writeln!(
        text,
        "## {}\n\nAccuracy in %, {}, {}, {} images.\n",
        escape(&table.title),
        escape(&table.dataset),
        table.threat,
        table.images
    );
    let mut rows = vec![header(table)];
    rows.extend(table.rows.iter().map(|row| {
        let mut line = vec![escape(&row.name)];
        line.extend(row.cells.iter().map(|cell| ours(table, cell)));
        line.push(row.training_gradients.map_or("–".to_owned(), |g| format!("{g:.0}")));
        line
    }));
    for row in table.rows.iter().filter(|row| row.cells.iter().any(|cell| cell.reference.is_some())) {
        let mut line = vec![format!("{} *(reference)*", escape(&row.name))];
        line.extend(row.cells.iter().map(|cell| reference(table, cell)));
        line.push("–".to_owned());
        rows.push(line);
    }
    text.push_str(&aligned(&rows));
    text.push('\n');
    for (index, mark) in table.marks.iter().enumerate() {
        let _ = writeln!(text, "{}. {}", letter(index), escape(&mark.text));
    }
    for note in &table.notes {
        let _ = writeln!(text, "{}{}", if table.marks.is_empty() { "" } else { "\n" }, escape(note));
    }
}

fn header(table: &Table) -> Vec<String> {
    let mut line = vec![String::new()];
    line.extend(table.columns.iter().map(|column| escape(&column.name)));
    line.push("Training gradients an image".to_owned());
    line
}

fn ours(table: &Table, cell: &Cell) -> String {
    let decimals = table.decimals();
    let Some(ours) = cell.ours else { return "–".to_owned() };
    let spread = cell.spread.map_or(String::new(), |s| format!(" ± {s:.decimals$}"));
    let marks: Vec<String> = cell.marks.iter().map(|m| letter(*m)).collect();
    format!("{ours:.decimals$}{spread}{}", superscript(&marks))
}

fn reference(table: &Table, cell: &Cell) -> String {
    let decimals = table.decimals();
    let Some(value) = cell.reference else { return "–".to_owned() };
    let difference = cell.difference.map_or(String::new(), |d| format!(" ({d:+.decimals$})"));
    let marks: Vec<String> = cell.reference_mark.iter().map(|m| letter(*m)).collect();
    format!("{value:.2}{difference}{}", superscript(&marks))
}

fn superscript(marks: &[String]) -> String {
    if marks.is_empty() { String::new() } else { format!(" [{}]", marks.join(",")) }
}

/// A Markdown table whose columns line up in plain text too.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0).max(3);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        text.push('|');
        for (column, width) in widths.iter().enumerate() {
            let cell = row.get(column).map_or("", String::as_str);
            let padding = " ".repeat(width - cell.chars().count());
            let _ = if column == 0 { write!(text, " {cell}{padding} |") } else { write!(text, " {padding}{cell} |") };
        }
        text.push('\n');
        if index == 0 {
            text.push('|');
            for (column, width) in widths.iter().enumerate() {
                let dashes = "-".repeat(width + 1);
                let _ = if column == 0 { write!(text, "{dashes}-|") } else { write!(text, "{dashes}:|") };
            }
            text.push('\n');
        }
    }
    text
}

/// Escapes what Markdown or HTML would read as markup.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '|' | '*' | '`' | '[' | ']' | '\\' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '_' => escaped.push_str("\\_"),
            '\n' | '\r' => escaped.push(' '),
            _ => escaped.push(character),
        }
    }
    escaped
}
