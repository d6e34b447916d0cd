//! The structured document → the stages, each with its inputs, axes, files.

use planish_contract::AnyStage;

use super::error::{Problem, Problems};
use super::matrix::{self, Axis, Exclusion};
use super::name::refuse_name;
use super::node::{Entry, Name, Node, Table, Value};
use super::overlay::Change;
use super::reference::Reference;
use super::suggest::{nearest, suggest};
use super::{Kinds, limits, resources};
use crate::plan::{Limits, Resources};

/// The most references that one input may list.
const MAX_REFERENCES: usize = 20_000;

/// A stage as the document has it, after the profile and the structural part of `--set`.
pub(crate) struct StageSpec {
    pub(crate) name: Name,
    pub(crate) kind: &'static dyn AnyStage,
    /// Where `run` is written.
    pub(crate) run: super::Span,
    pub(crate) inputs: Vec<Connection>,
    /// The parameters before axes and `--set`.
    pub(crate) params: Node,
    /// What `--set` changes in the parameters, after the axes; in the order given.
    pub(crate) sets: Vec<Change>,
    pub(crate) execution: Node,
    pub(crate) key_also: Vec<Name>,
    pub(crate) files: Vec<FileSpec>,
    pub(crate) axes: Vec<Axis>,
    pub(crate) exclude: Vec<Exclusion>,
    pub(crate) resources: Resources,
    pub(crate) limits: Limits,
}

/// What an input is connected to.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) name: Name,
    pub(crate) from: Vec<Reference>,
    pub(crate) mode: Mode,
    pub(crate) optional: bool,
    /// Where the value is written.
    pub(crate) span: super::Span,
}

/// How instances of the source become instances of the stage.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    /// One to one.
    One,
    /// All into one list.
    Gather,
    /// Along these axes into lists, one to one along the rest.
    GatherOver(Vec<Name>),
}

/// An entry of `files`.
#[derive(Clone, Debug)]
pub(crate) struct FileSpec {
    pub(crate) name: Name,
    pub(crate) pattern: Name,
}

/// Reads every stage of the document, in the order written.
pub(super) fn stages(root: &Table, kinds: &dyn Kinds, problems: &mut Problems) -> Vec<StageSpec> {
    let Some(table) = root.get("stages").and_then(|entry| entry.node.as_table()) else { return Vec::new() };
    let names: Vec<&str> = table.entries.keys().map(String::as_str).collect();
    let mut stages = Vec::new();
    for (name, entry) in table.written() {
        let name = Name::new(name.clone(), entry.key);
        stages.extend(entry.node.as_table().and_then(|stage| read_stage(name, stage, kinds, &names, problems)));
        if problems.is_full() {
            break;
        }
    }
    stages
}

fn read_stage(name: Name, table: &Table, kinds: &dyn Kinds, names: &[&str], problems: &mut Problems) -> Option<StageSpec> {
    let run = problems.keep(kind(&name, table, kinds, names));
    let section = |key: &str| table.get(key).map_or_else(|| empty(name.span), |entry| entry.node.clone());
    let inputs = entries(table, "inputs").filter_map(|(key, entry)| problems.keep(connection(key, entry))).collect();
    let files = entries(table, "files").filter_map(|(key, entry)| problems.keep(file(key, entry))).collect();
    let axes = matrix::axes(table.get("matrix").and_then(|entry| entry.node.as_table()), problems);
    let exclude = table.get("exclude").and_then(|entry| problems.keep(matrix::exclusions(&entry.node))).unwrap_or_default();
    let key_also = table.get("key_also").and_then(|entry| problems.keep(names_list(&entry.node, "key_also"))).unwrap_or_default();
    let resources = problems.keep(resources::read(table))?;
    let limits = problems.keep(limits::read(table))?;
    let (kind, run) = run?;
    Some(StageSpec {
        params: section("params"),
        execution: section("execution"),
        sets: Vec::new(),
        name,
        kind,
        run,
        inputs,
        key_also,
        files,
        axes,
        exclude,
        resources,
        limits,
    })
}

fn empty(span: super::Span) -> Node {
    Node::new(Value::Table(Table::default()), span)
}

fn entries<'a>(table: &'a Table, section: &str) -> impl Iterator<Item = (&'a String, &'a Entry)> {
    table.get(section).and_then(|entry| entry.node.as_table()).map(Table::written).unwrap_or_default().into_iter()
}

fn kind(name: &Name, table: &Table, kinds: &dyn Kinds, stages: &[&str]) -> Result<(&'static dyn AnyStage, super::Span), Problem> {
    let Some(run) = table.get("run") else {
        let others = stages.iter().copied().filter(|other| *other != name.text);
        let help = match nearest(&name.text, others) {
            Some(other) => format!("did you mean stage `{other}`? a new stage needs `run = \"KIND\"`"),
            None => "write `run = \"KIND\"`, the kind of stage".to_owned(),
        };
        return Err(Problem::new(format!("stage `{}` has no `run`", name.text)).at(name.span, "this stage").help(help));
    };
    let text = text(&run.node, "run")?;
    let kind = if text == crate::command::NAME { Some(crate::command::stage()) } else { kinds.get(text) };
    kind.map(|kind| (kind, run.node.span)).ok_or_else(|| {
        let known = kinds.names().into_iter().chain([crate::command::NAME]).collect::<std::collections::BTreeSet<_>>();
        Problem::new(format!("unknown stage kind `{text}`")).at(run.node.span, "here").help(suggest(text, "kind", known))
    })
}

/// The string that a key must hold.
pub(super) fn text<'a>(node: &'a Node, key: &str) -> Result<&'a str, Problem> {
    node.as_str().ok_or_else(|| Problem::new(format!("`{key}` must be a string, not {}", node.describe())).at(node.span, "here"))
}

fn names_list(node: &Node, key: &str) -> Result<Vec<Name>, Problem> {
    let wrong = || Problem::new(format!("`{key}` must be a list of names, not {}", node.describe())).at(node.span, "here");
    let Value::Array(items) = &node.value else { return Err(wrong().help(format!("write {key} = [\"name\"]"))) };
    let mut names: Vec<Name> = Vec::new();
    for item in items {
        let name = Name::new(text(item, key)?, item.span);
        if let Some(first) = names.iter().find(|other| other.text == name.text) {
            return Err(Problem::new(format!("`{}` is in the list twice", name.text))
                .at(name.span, "again here")
                .at(first.span, "first here"));
        }
        names.push(name);
    }
    Ok(names)
}

fn checked_name(key: &str, entry: &Entry, what: &str) -> Result<Name, Problem> {
    match refuse_name(key) {
        None => Ok(Name::new(key, entry.key)),
        Some(reason) => Err(Problem::new(format!("`{key}` can't name {what}")).at(entry.key, "here").help(reason)),
    }
}

fn file(key: &str, entry: &Entry) -> Result<FileSpec, Problem> {
    let name = checked_name(key, entry, "files")?;
    let pattern = text(&entry.node, key)?;
    if pattern.is_empty() || pattern.contains('\0') {
        return Err(Problem::new(format!("`files.{key}` names no file")).at(entry.node.span, "here").help("write a path or a glob"));
    }
    Ok(FileSpec { name, pattern: Name::new(pattern, entry.node.span) })
}

fn connection(key: &str, entry: &Entry) -> Result<Connection, Problem> {
    let name = checked_name(key, entry, "an input")?;
    let span = entry.node.span;
    match &entry.node.value {
        Value::String(_) | Value::Array(_) => {
            let (from, gather) = sources(&entry.node)?;
            Ok(Connection { name, from, mode: if gather { Mode::Gather } else { Mode::One }, optional: false, span })
        }
        Value::Table(table) => detailed(name, table, span),
        _ => Err(Problem::new(format!("input `{key}` must be a reference, not {}", entry.node.describe()))
            .at(span, "here")
            .help("write \"stage\", [\"stage\"] to gather, or { from = \"stage\", over = [\"axis\"] }")),
    }
}

/// One reference, or a list of them.
fn sources(node: &Node) -> Result<(Vec<Reference>, bool), Problem> {
    match &node.value {
        Value::Array(items) => {
            if items.len() > MAX_REFERENCES {
                return Err(Problem::new(format!("an input lists at most {MAX_REFERENCES} references")).at(node.span, "too many"));
            }
            let read = |item: &Node| Reference::parse(text(item, "a reference")?, item.span);
            Ok((items.iter().map(read).collect::<Result<_, _>>()?, true))
        }
        _ => Ok((vec![Reference::parse(text(node, "from")?, node.span)?], false)),
    }
}

/// `{ from = …, over = […], optional = true }`.
fn detailed(name: Name, table: &Table, span: super::Span) -> Result<Connection, Problem> {
    const KEYS: [&str; 3] = ["from", "over", "optional"];
    if let Some((key, entry)) = table.written().into_iter().find(|(key, _)| !KEYS.contains(&key.as_str())) {
        return Err(Problem::new(format!("unknown key `{key}` in input `{}`", name.text))
            .at(entry.key, "here")
            .help(suggest(key, "key", KEYS)));
    }
    let from = table.get("from").ok_or_else(|| {
        Problem::new(format!("input `{}` has no `from`", name.text)).at(span, "here").help("write { from = \"stage\", over = [\"axis\"] }")
    })?;
    let (references, listed) = sources(&from.node)?;
    let over = table.get("over").map(|entry| names_list(&entry.node, "over").map(|axes| (axes, entry.node.span))).transpose()?;
    let mode = match over {
        Some((_, span)) if listed => {
            return Err(Problem::new("`over` goes with one stage, and `from` is a list")
                .at(span, "this gathers along some axes")
                .at(from.node.span, "this gathers along all")
                .help("write from = \"stage\""));
        }
        Some((axes, span)) if axes.is_empty() => {
            return Err(Problem::new("`over` names no axis").at(span, "here").help("leave `over` out to connect one to one"));
        }
        Some((axes, _)) => Mode::GatherOver(axes),
        None if listed => Mode::Gather,
        None => Mode::One,
    };
    let optional = match table.get("optional") {
        None => false,
        Some(entry) => match (&entry.node.value, &mode) {
            (Value::Boolean(true), Mode::One) => {
                return Err(Problem::new("only a gathered input can be optional")
                    .at(entry.key, "here")
                    .help("an input that takes one artifact is left out instead, where the stage allows it"));
            }
            (Value::Boolean(optional), _) => *optional,
            _ => return Err(Problem::new("`optional` must be true or false").at(entry.node.span, "here")),
        },
    };
    Ok(Connection { name, from: references, mode, optional, span })
}
