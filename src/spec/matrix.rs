//! Axes: named variants of a stage, or values of one parameter.

use std::collections::BTreeMap;

use super::error::{Problem, Problems};
use super::name::{refuse_label, refuse_name};
use super::node::{Entry, Name, Node, Table, Value};
use super::overlay::{self, Change};
use super::source::Span;

/// The most axes that a stage may declare.
const MAX_AXES: usize = 16;
/// The most exclusions that a stage may have.
const MAX_EXCLUSIONS: usize = 1000;

/// An axis of a stage's matrix.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) name: Name,
    /// At least one, labels all different.
    pub(crate) variants: Vec<Variant>,
    /// The variants are values of the parameter that is named like the axis.
    pub(crate) short: bool,
}

/// One place on an axis.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) label: Name,
    /// What it changes in the parameters, shallow paths first.
    pub(crate) changes: Vec<Change>,
}

/// Places of the matrix that are left out: those that stand at all these labels.
#[derive(Clone, Debug)]
pub(crate) struct Exclusion {
    pub(crate) places: Vec<(Name, Name)>,
}

/// Reads the axes of a stage, in the order written.
pub(super) fn axes(matrix: Option<&Table>, problems: &mut Problems) -> Vec<Axis> {
    let mut axes: Vec<Axis> = Vec::new();
    for (key, entry) in matrix.map(Table::written).unwrap_or_default() {
        let Some(read) = problems.keep(axis(key, entry)) else { continue };
        if let Some(problem) = axes.iter().find_map(|other| clash(other, &read)) {
            problems.push(problem);
        }
        if axes.len() == MAX_AXES {
            problems.push(Problem::new(format!("a stage has at most {MAX_AXES} axes")).at(read.name.span, "one too many"));
            break;
        }
        axes.push(read);
    }
    axes
}

fn axis(key: &str, entry: &Entry) -> Result<Axis, Problem> {
    if let Some(reason) = refuse_name(key) {
        return Err(Problem::new(format!("`{key}` can't name an axis")).at(entry.key, "here").help(reason));
    }
    let name = Name::new(key, entry.key);
    let (variants, short) = match &entry.node.value {
        Value::Array(items) => (items.iter().map(|item| value_variant(&name, item)).collect::<Result<Vec<_>, _>>()?, true),
        Value::Table(table) => {
            (table.written().into_iter().map(|(label, entry)| named_variant(label, entry)).collect::<Result<Vec<_>, _>>()?, false)
        }
        _ => {
            return Err(Problem::new(format!(
                "axis `{key}` must be a list of values or a table of variants, not {}",
                entry.node.describe()
            ))
            .at(entry.node.span, "here")
            .help(format!("write {key} = [1, 2], or {key}.some-name = {{ … }}")));
        }
    };
    if variants.is_empty() {
        return Err(Problem::new(format!("axis `{key}` has no variants")).at(entry.node.span, "here").help("an axis needs at least one"));
    }
    let mut seen = BTreeMap::new();
    for variant in &variants {
        if let Some(first) = seen.insert(variant.label.text.as_str(), variant.label.span) {
            return Err(Problem::new(format!("axis `{key}` has two variants `{}`", variant.label.text))
                .at(variant.label.span, "again here")
                .at(first, "first here"));
        }
    }
    Ok(Axis { name, variants, short })
}

fn named_variant(label: &str, entry: &Entry) -> Result<Variant, Problem> {
    let table = entry.node.as_table().ok_or_else(|| {
        Problem::new(format!("variant `{label}` must be a table of parameters, not {}", entry.node.describe())).at(entry.node.span, "here")
    })?;
    let label = checked_label(label, entry.key)?;
    Ok(Variant { label, changes: overlay::changes(table)? })
}

fn value_variant(axis: &Name, item: &Node) -> Result<Variant, Problem> {
    let text = label_of(item).ok_or_else(|| {
        Problem::new(format!("{} can't label a variant of axis `{}`", item.describe(), axis.text))
            .at(item.span, "here")
            .help(format!("give it a name: {0}.some-name = {{ {0} = … }}", axis.text))
    })?;
    let label = checked_label(&text, item.span)?;
    Ok(Variant { label, changes: vec![Change { path: vec![axis.clone()], node: item.clone() }] })
}

fn checked_label(label: &str, span: Span) -> Result<Name, Problem> {
    match refuse_label(label) {
        None => Ok(Name::new(label, span)),
        Some(reason) => Err(Problem::new(format!("{label:?} can't be a label")).at(span, "here").help(reason)),
    }
}

/// The canonical form of a plain value: `1`, `1.0` and `1e0` are all `1`.
pub(crate) fn label_of(node: &Node) -> Option<String> {
    match &node.value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) if *number == 0.0 => Some("0".to_owned()),
        Value::Float(number) if (1e-5..1e16).contains(&number.abs()) => Some(format!("{number}")),
        Value::Float(number) => Some(format!("{number:e}")),
        Value::Boolean(value) => Some(value.to_string()),
        Value::Array(_) | Value::Table(_) => None,
    }
}

/// Two axes that touch one path.
fn clash(first: &Axis, second: &Axis) -> Option<Problem> {
    let (a, b) = touching(first, second)?;
    Some(
        Problem::new(format!("axes `{}` and `{}` both set `{}`", first.name.text, second.name.text, longer(a, b).dotted()))
            .at(b.span(), format!("axis `{}` sets it here", second.name.text))
            .at(a.span(), format!("axis `{}` sets it here", first.name.text))
            .help("which one wins would depend on their order: let one axis set it, or make ragged sweeps separate stages"),
    )
}

fn touching<'a>(first: &'a Axis, second: &'a Axis) -> Option<(&'a Change, &'a Change)> {
    let (firsts, seconds) = (paths(first), paths(second));
    let through = |of: &BTreeMap<String, &'a Change>, change: &'a Change| {
        (1..=change.path.len()).find_map(|depth| of.get(&overlay::dotted(change.path.get(..depth).unwrap_or_default())).copied())
    };
    firsts
        .values()
        .find_map(|a| through(&seconds, a).map(|b| (*a, b)))
        .or_else(|| seconds.values().find_map(|b| through(&firsts, b).map(|a| (a, *b))))
}

/// The paths that an axis sets, each once.
fn paths(axis: &Axis) -> BTreeMap<String, &Change> {
    axis.variants.iter().flat_map(|variant| &variant.changes).map(|change| (change.dotted(), change)).collect()
}

fn longer<'a>(a: &'a Change, b: &'a Change) -> &'a Change {
    if a.path.len() >= b.path.len() { a } else { b }
}

/// Reads `exclude = [{ axis = label }, …]`.
pub(super) fn exclusions(node: &Node) -> Result<Vec<Exclusion>, Problem> {
    let wrong = |node: &Node| {
        Problem::new(format!("`exclude` must be a list of tables, not {}", node.describe()))
            .at(node.span, "here")
            .help("write exclude = [{ axis = \"label\", other-axis = 3 }]")
    };
    let Value::Array(items) = &node.value else { return Err(wrong(node)) };
    if items.len() > MAX_EXCLUSIONS {
        return Err(Problem::new(format!("a stage has at most {MAX_EXCLUSIONS} exclusions")).at(node.span, "too many"));
    }
    items.iter().map(|item| item.as_table().ok_or_else(|| wrong(item)).and_then(|table| exclusion(table, item.span))).collect()
}

fn exclusion(table: &Table, span: Span) -> Result<Exclusion, Problem> {
    if table.entries.is_empty() {
        return Err(Problem::new("an empty exclusion would leave nothing").at(span, "here").help("name at least one axis"));
    }
    let place = |(axis, entry): (&String, &Entry)| {
        let label = label_of(&entry.node)
            .ok_or_else(|| Problem::new(format!("an exclusion names labels, not {}", entry.node.describe())).at(entry.node.span, "here"))?;
        Ok((Name::new(axis.clone(), entry.key), Name::new(label, entry.node.span)))
    };
    Ok(Exclusion { places: table.written().into_iter().map(place).collect::<Result<_, _>>()? })
}
