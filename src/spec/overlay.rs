//! Changes laid over a table: first-level keys are replaced whole, paths reach deeper.

use super::error::Problem;
use super::node::{Entry, Name, Node, Table, Value};
use super::source::Span;

/// A value and the path it is set at.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) path: Vec<Name>,
    pub(crate) node: Node,
}

impl Change {
    /// The path with dots.
    pub(crate) fn dotted(&self) -> String {
        dotted(&self.path)
    }

    /// Where the path is written.
    pub(crate) fn span(&self) -> Span {
        self.path.last().map_or(self.node.span, |name| name.span)
    }
}

/// The keys of a path with dots between them.
pub(crate) fn dotted(path: &[Name]) -> String {
    path.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join(".")
}

/// Splits a key as it is written: `objective.trades.beta` in quotes is a path.
pub(crate) fn split_key(key: &str, span: Span) -> Result<Vec<Name>, Problem> {
    if !key.contains('.') {
        return Ok(vec![Name::new(key, span)]);
    }
    if key.split('.').any(str::is_empty) {
        return Err(Problem::new(format!("the path `{key}` has an empty part")).at(span, "here").help("write a path as \"a.b.c\""));
    }
    Ok(key.split('.').map(|part| Name::new(part, span)).collect())
}

/// The changes that a table of parameters makes, shallow ones first, so that the order of keys does not matter.
pub(crate) fn changes(table: &Table) -> Result<Vec<Change>, Problem> {
    let mut list = Vec::new();
    for (key, entry) in table.written() {
        list.push(Change { path: split_key(key, entry.key)?, node: entry.node.clone() });
    }
    in_order(list)
}

/// Sorts the changes of one layer, shallow ones first, and refuses a path that is set twice.
pub(crate) fn in_order(mut list: Vec<Change>) -> Result<Vec<Change>, Problem> {
    list.sort_by_cached_key(|change| (change.path.len(), change.dotted()));
    for pair in list.windows(2) {
        if let [first, second] = pair
            && first.dotted() == second.dotted()
        {
            return Err(Problem::new(format!("`{}` is set twice", first.dotted()))
                .at(second.span(), "set here")
                .at(first.span(), "and here")
                .help("keep one of the two"));
        }
    }
    Ok(list)
}

/// Sets the value at `path`. The first `structural` keys are part of the document's structure and made where they
/// are missing; deeper ones lead through tables that are there, or that are marked as implied.
pub(crate) fn set(table: &mut Table, change: &Change, structural: usize) -> Result<(), Problem> {
    let Some((last, parents)) = change.path.split_last() else { return Ok(()) };
    let mut table = table;
    for (depth, name) in parents.iter().enumerate() {
        let entry = table.entries.entry(name.text.clone()).or_insert_with(|| {
            let mut node = Node::new(Value::Table(Table::default()), name.span);
            node.implied = depth >= structural;
            Entry { key: name.span, node }
        });
        let next = change.path.get(depth + 1).map(|name| name.text.as_str());
        spell_out(&mut entry.node, next);
        if entry.node.as_table().is_none() {
            return Err(no_table(change, depth, &entry.node));
        }
        let Value::Table(inner) = &mut entry.node.value else { return Ok(()) };
        table = inner;
    }
    // A structural table that is only mentioned stays as it is.
    let mentioned = change.path.len() <= structural && change.node.as_table().is_some_and(|inner| inner.entries.is_empty());
    if !(mentioned && table.entries.contains_key(&last.text)) {
        table.entries.insert(last.text.clone(), Entry { key: last.span, node: change.node.clone() });
    }
    Ok(())
}

/// `objective = "trades"` is another spelling of `objective.trades = {}`.
fn spell_out(node: &mut Node, next: Option<&str>) {
    if let (Value::String(text), Some(next)) = (&node.value, next)
        && text == next
    {
        let inner = Entry { key: node.span, node: Node::new(Value::Table(Table::default()), node.span) };
        node.value = Value::Table(Table { entries: std::iter::once((next.to_owned(), inner)).collect() });
    }
}

fn no_table(change: &Change, depth: usize, found: &Node) -> Problem {
    let through = dotted(change.path.get(..=depth).unwrap_or_default());
    let what = match found.as_str() {
        Some(text) => format!("`{text}`"),
        None => found.describe().to_owned(),
    };
    Problem::new(format!("the path `{}` leads nowhere: `{through}` is {what}", change.dotted()))
        .at(change.span(), "this path")
        .at(found.span, format!("`{through}` is set here"))
        .help("a path reaches into tables and into the selected choice only")
}
