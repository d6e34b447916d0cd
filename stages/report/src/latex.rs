//! Tables as LaTeX, for `\usepackage{booktabs}`.

use std::fmt::Write;

use crate::markdown::signed;
use crate::table::{Cell, Column, Row, Table, Tables, letter};

/// All tables, each a `table` environment that stands on its own.
pub(crate) fn render(tables: &Tables) -> String {
    let mut text = "% Needs \\usepackage{booktabs}.\n".to_owned();
    for table in &tables.tables {
        text.push('\n');
        match &table.problem {
            Some(problem) => {
                let _ = writeln!(text, "% Table {} could not be made: {}", one_line(&table.name), one_line(problem));
            }
            None => render_table(table, &mut text),
        }
    }
    text
}

/// A comment ends with its line.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn render_table(table: &Table, text: &mut String) {
    let _ = writeln!(text, "\\begin{{table}}\n\\centering\n\\caption{{{}. {}}}", escape(&table.title), escape(&table.subject()));
    let _ = writeln!(text, "\\label{{tab:{}}}", crate::figures::file_stem(&table.name));
    let _ = writeln!(text, "\\begin{{tabular}}{{l{}}}\n\\toprule", "r".repeat(table.columns.len()));
    let header: Vec<String> = table.columns.iter().map(|column| escape(&column.name)).collect();
    let _ = writeln!(text, " & {} \\\\\n\\midrule", header.join(" & "));
    for row in &table.rows {
        line(table, text, &escape(&row.name), row, ours);
    }
    if table.has_references() {
        text.push_str("\\midrule\n");
    }
    for row in table.rows.iter().filter(|row| row.has_references()) {
        line(table, text, &format!("{} (reference)", escape(&row.name)), row, reference);
    }
    text.push_str("\\bottomrule\n\\end{tabular}\n");
    let marks =
        table.marks.iter().enumerate().map(|(index, mark)| format!("\\textsuperscript{{{}}}~{}.", letter(index), escape(&mark.text)));
    let notes: Vec<String> = marks.chain(table.notes.iter().map(|note| escape(note))).collect();
    if !notes.is_empty() {
        let _ = writeln!(text, "\\par\\medskip\\footnotesize\\raggedright\n{}", notes.join("\\\\\n"));
    }
    text.push_str("\\end{table}\n");
}

fn line(table: &Table, text: &mut String, name: &str, row: &Row, show: fn(&Column, &Cell) -> String) {
    let cells: Vec<String> = table.columns.iter().zip(&row.cells).map(|(column, cell)| show(column, cell)).collect();
    let _ = writeln!(text, "{name} & {} \\\\", cells.join(" & "));
}

fn ours(column: &Column, cell: &Cell) -> String {
    let marks = superscript(cell.marks.iter());
    let Some(ours) = cell.ours else { return format!("--{marks}") };
    let value = column.show(ours, cell.images);
    let value = if cell.best { format!("\\textbf{{{value}}}") } else { value };
    let spread = cell.spread.map_or(String::new(), |spread| format!(" $\\pm$ {}", column.show(spread, cell.images)));
    format!("{value}{spread}{marks}")
}

fn reference(column: &Column, cell: &Cell) -> String {
    let Some(value) = cell.reference else { return "--".to_owned() };
    let difference = cell.difference.map_or(String::new(), |d| format!(" (${}$)", signed(column, d, cell.images)));
    let value = column.quantity.show_reported(value);
    format!("{value}{difference}{}", superscript(cell.reference_mark.iter()))
}

fn superscript<'a>(marks: impl Iterator<Item = &'a usize>) -> String {
    let marks: Vec<String> = marks.map(|mark| letter(*mark)).collect();
    if marks.is_empty() { String::new() } else { format!("\\textsuperscript{{{}}}", marks.join(",")) }
}

/// Escapes what LaTeX would read as markup, and writes out what its default fonts lack.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            // Behind the end of a row they would be an option of it.
            '[' => escaped.push_str("{[}"),
            '*' => escaped.push_str("{*}"),
            '|' => escaped.push_str("\\textbar{}"),
            '`' => escaped.push_str("\\textasciigrave{}"),
            '±' => escaped.push_str("$\\pm$"),
            '–' => escaped.push_str("--"),
            'γ' => escaped.push_str("$\\gamma$"),
            'δ' => escaped.push_str("$\\delta$"),
            'ε' => escaped.push_str("$\\varepsilon$"),
            'λ' => escaped.push_str("$\\lambda$"),
            'μ' => escaped.push_str("$\\mu$"),
            'β' => escaped.push_str("$\\beta$"),
            '∞' => escaped.push_str("$\\infty$"),
            // An empty line would end a paragraph, which captions can't hold.
            '\n' | '\r' => escaped.push(' '),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn special_characters_are_written_out() {
        assert_eq!(
            escape("50 % of $x_1 & y^2 # {a}~b\\c"),
            "50 \\% of \\$x\\_1 \\& y\\textasciicircum{}2 \\# \\{a\\}\\textasciitilde{}b\\textbackslash{}c"
        );
        assert_eq!(escape("[13] LLR*"), "{[}13] LLR{*}");
        assert_eq!(escape("γ < 1 ± 2\n\nnext"), "$\\gamma$ \\textless{} 1 $\\pm$ 2  next");
    }
}
