//! Tables as Markdown.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::figures::file_stem;
use crate::table::{Cell, Column, Row, Section, Table, Tables, letter};

/// All tables as Markdown, and sections with their tables and figures, whose pictures lie beside the text.
pub(crate) fn render(tables: &Tables) -> String {
    let mut text = format!("# {}\n", escape(&tables.title));
    let in_sections: BTreeSet<usize> = tables.sections.iter().flat_map(|section| section.tables.iter().copied()).collect();
    for (_, table) in tables.tables.iter().enumerate().filter(|(index, _)| !in_sections.contains(index)) {
        text.push('\n');
        render_table(table, "##", &mut text);
    }
    for section in &tables.sections {
        render_section(tables, section, &mut text);
    }
    text
}

fn render_section(tables: &Tables, section: &Section, text: &mut String) {
    let _ = writeln!(text, "\n## {}", escape(&section.title));
    for paragraph in &section.text {
        let _ = writeln!(text, "\n{}", escape(paragraph));
    }
    for table in section.tables.iter().filter_map(|index| tables.tables.get(*index)) {
        text.push('\n');
        render_table(table, "###", text);
    }
    for figure in section.figures.iter().filter_map(|index| tables.figures.get(*index)) {
        let title = escape(&figure.title);
        let _ = if let Some(problem) = &figure.problem {
            writeln!(text, "\n### {title}\n\n**This figure could not be drawn:** {}", escape(problem))
        } else {
            let (stem, caption) = (file_stem(&figure.name), escape(&figure.caption));
            writeln!(text, "\n### {title}\n\n![{title}](figures/{stem}.svg)\n\n{caption}")
        };
    }
}

fn render_table(table: &Table, heading: &str, text: &mut String) {
    let _ = writeln!(text, "{heading} {}\n", escape(&table.title));
    if let Some(problem) = &table.problem {
        let _ = writeln!(text, "**This table could not be made:** {}", escape(problem));
        return;
    }
    let _ = writeln!(text, "{}\n", escape(&table.subject()));
    let mut rows = vec![std::iter::once(String::new()).chain(table.columns.iter().map(|column| escape(&column.name))).collect()];
    let line = |name: String, row: &Row, show: fn(&Column, &Cell) -> String| -> Vec<String> {
        std::iter::once(name).chain(table.columns.iter().zip(&row.cells).map(|(column, cell)| show(column, cell))).collect()
    };
    rows.extend(table.rows.iter().map(|row| line(escape(&row.name), row, ours)));
    let referred = table.rows.iter().filter(|row| row.has_references());
    rows.extend(referred.map(|row| line(format!("{} *(reference)*", escape(&row.name)), row, reference)));
    text.push_str(&aligned(&rows));
    text.push('\n');
    for (index, mark) in table.marks.iter().enumerate() {
        let _ = writeln!(text, "{}. {}", letter(index), escape(&mark.text));
    }
    for (index, note) in table.notes.iter().enumerate() {
        let _ = writeln!(text, "{}{}", if table.marks.is_empty() && index == 0 { "" } else { "\n" }, escape(note));
    }
}

fn ours(column: &Column, cell: &Cell) -> String {
    let marks: Vec<String> = cell.marks.iter().map(|m| letter(*m)).collect();
    let Some(ours) = cell.ours else { return format!("–{}", superscript(&marks)) };
    let value = column.show(ours, cell.images);
    let value = if cell.best { format!("**{value}**") } else { value };
    let spread = cell.spread.map_or(String::new(), |spread| format!(" ± {}", column.show(spread, cell.images)));
    format!("{value}{spread}{}", superscript(&marks))
}

fn reference(column: &Column, cell: &Cell) -> String {
    let Some(value) = cell.reference else { return "–".to_owned() };
    let difference = cell.difference.map_or(String::new(), |d| format!(" ({})", signed(column, d, cell.images)));
    let marks: Vec<String> = cell.reference_mark.iter().map(|m| letter(*m)).collect();
    let value = column.quantity.show_reported(value);
    format!("{value}{difference}{}", superscript(&marks))
}

/// A difference with its sign.
pub(crate) fn signed(column: &Column, difference: f64, images: usize) -> String {
    format!("{}{}", if difference < 0.0 { "-" } else { "+" }, column.show(difference.abs(), images))
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
