//! TOML text → [`Node`] tree. The only place that knows the `toml` crate.

use toml::de::{DeTable, DeValue};

use super::error::Problem;
use super::node::{Entry, Node, Table, Value};
use super::source::{Sources, Span};

/// How deep tables and lists may nest.
const MAX_DEPTH: usize = 64;

/// Reads a whole document.
pub(crate) fn document(sources: &Sources, file: usize) -> Result<Table, Problem> {
    let text = sources.text(file);
    let parsed = DeTable::parse(text).map_err(|error| syntax(text, file, &error))?;
    table(parsed.get_ref(), file, 0)
}

/// Reads one value, which starts at byte `offset` of text `file`.
pub(crate) fn value(sources: &Sources, file: usize, offset: usize) -> Result<Node, Problem> {
    let text = sources.text(file).get(offset..).unwrap_or_default();
    let parsed = DeValue::parse(text).map_err(|error| {
        // An error at the very end has nothing to underline.
        let range = error.span().filter(|range| range.start < text.len()).unwrap_or(0..text.len());
        Problem::new(format!("the value does not parse: {}", error.message()))
            .at(Span::new(file, range.start + offset..range.end + offset), "here")
            .help("write a TOML value: 3, 0.5, true, \"text\", [1, 2] or { key = \"value\" }")
    })?;
    let mut node = node(parsed.get_ref(), Span::new(file, parsed.span()), 0)?;
    shift(&mut node, offset);
    Ok(node)
}

fn syntax(text: &str, file: usize, error: &toml::de::Error) -> Problem {
    let range = error.span().unwrap_or(0..0);
    let duplicate = error.message() == "duplicate key";
    let mut problem = Problem::new(format!("the file is not valid TOML: {}", error.message()));
    problem = problem.at(Span::new(file, range.clone()), if duplicate { "defined again here" } else { "here" });
    if duplicate {
        problem = problem.help("remove one of the two, or merge them");
        if let Some(first) = first_definition(text, &range) {
            problem = problem.at(Span::new(file, first), "first defined here");
        }
    }
    problem
}

/// Where the key that is written a second time at `range` is written first, when that is certain.
fn first_definition(text: &str, range: &std::ops::Range<usize>) -> Option<std::ops::Range<usize>> {
    if let Some(first) = same_header(text, range.start) {
        return Some(first);
    }
    let again = text.get(range.clone())?;
    let (root, _) = DeTable::parse_recoverable(text);
    let mut found = Vec::new();
    collect(root.get_ref(), again.trim_matches(['"', '\'']), range.start, &mut found, 0);
    match found.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// The earlier line that opens the same table as the line at byte `at`.
fn same_header(text: &str, at: usize) -> Option<std::ops::Range<usize>> {
    let before = text.get(..at)?;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let header = text.get(start..)?.lines().next()?.trim();
    let mut offset = 0;
    for line in before.get(..start)?.split_inclusive('\n') {
        if header.starts_with('[') && line.trim() == header {
            let indent = line.len() - line.trim_start().len();
            return Some(offset + indent..offset + indent + header.len());
        }
        offset += line.len();
    }
    None
}

fn collect(table: &DeTable<'_>, name: &str, before: usize, found: &mut Vec<std::ops::Range<usize>>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    for (key, value) in table {
        if key.get_ref() == name && key.span().end <= before {
            found.push(key.span());
        }
        if let DeValue::Table(inner) = value.get_ref() {
            collect(inner, name, before, found, depth + 1);
        }
    }
}

fn table(table: &DeTable<'_>, file: usize, depth: usize) -> Result<Table, Problem> {
    let mut entries = std::collections::BTreeMap::new();
    for (key, value) in table {
        let key_span = Span::new(file, key.span());
        let node = node(value.get_ref(), Span::new(file, value.span()), depth + 1)?;
        entries.insert(key.get_ref().clone().into_owned(), Entry { key: key_span, node });
    }
    Ok(Table { entries })
}

fn node(value: &DeValue<'_>, span: Span, depth: usize) -> Result<Node, Problem> {
    if depth > MAX_DEPTH {
        return Err(Problem::new(format!("tables and lists nest deeper than {MAX_DEPTH} levels")).at(span, "here"));
    }
    let value = match value {
        DeValue::String(text) => Value::String(text.clone().into_owned()),
        DeValue::Integer(number) => Value::Integer(
            i64::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| Problem::new("the integer is too large").at(span, "here").help("integers lie between -2^63 and 2^63 - 1"))?,
        ),
        DeValue::Float(number) => Value::Float(finite(number.as_str()).ok_or_else(|| {
            Problem::new("the number is not finite").at(span, "here").help("infinite numbers and NaN have no place in a pipeline")
        })?),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(_) => {
            return Err(Problem::new("a date has no meaning in a pipeline").at(span, "here").help("write it as a string, in quotes"));
        }
        DeValue::Array(items) => {
            let read = |item: &toml::Spanned<DeValue<'_>>| node(item.get_ref(), Span::new(span.file, item.span()), depth + 1);
            Value::Array(items.iter().map(read).collect::<Result<_, _>>()?)
        }
        DeValue::Table(inner) => Value::Table(table(inner, span.file, depth)?),
    };
    Ok(Node::new(value, span))
}

fn finite(text: &str) -> Option<f64> {
    // Adding zero makes -0.0 into 0.0: two spellings of one value.
    text.parse().ok().filter(|value: &f64| value.is_finite()).map(|value| value + 0.0)
}

fn shift(node: &mut Node, offset: usize) {
    node.span.start += offset;
    node.span.end += offset;
    match &mut node.value {
        Value::Array(items) => items.iter_mut().for_each(|item| shift(item, offset)),
        Value::Table(table) => {
            for entry in table.entries.values_mut() {
                entry.key.start += offset;
                entry.key.end += offset;
                shift(&mut entry.node, offset);
            }
        }
        _ => {}
    }
}
