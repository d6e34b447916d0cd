//! The structure of a document: which keys there are, and what an overlay replaces whole.

use super::error::{Problem, Problems};
use super::name::refuse_name;
use super::node::{Name, Node, Table};
use super::overlay::{Change, dotted, split_key};
use super::suggest::suggest;

/// Keys of a stage that hold tables; an overlay replaces each entry of them whole.
const SECTIONS: [&str; 5] = ["inputs", "params", "execution", "files", "matrix"];
/// Keys of a stage that hold one value.
const VALUES: [&str; 8] = ["run", "key_also", "exclude", "cpus", "memory", "gpus", "timeout", "retries"];
/// How many keys lead to what an overlay replaces whole: `stages.NAME.params.KEY`.
pub(super) const STRUCTURAL: usize = 3;

/// All keys that a stage may have.
pub(super) fn stage_keys() -> impl Iterator<Item = &'static str> {
    VALUES.into_iter().chain(SECTIONS)
}

/// Takes a document, or a profile, apart into changes at structural paths.
pub(super) fn take_apart(document: &Table, is_profile: bool, problems: &mut Problems) -> Vec<Change> {
    let mut shape = Shape { is_profile, problems, changes: Vec::new() };
    shape.table(&[], document);
    shape.changes
}

/// The changes that one value at one path makes (`--set`).
pub(super) fn take_apart_at(path: Vec<Name>, node: &Node, problems: &mut Problems) -> Vec<Change> {
    let mut shape = Shape { is_profile: true, problems, changes: Vec::new() };
    shape.place(path, node);
    shape.changes
}

struct Shape<'a> {
    is_profile: bool,
    problems: &'a mut Problems,
    changes: Vec<Change>,
}

enum Level {
    /// A table that is part of the structure.
    Table,
    /// What an overlay replaces whole, or something inside it.
    Leaf,
    /// Read elsewhere.
    Skip,
}

impl Shape<'_> {
    fn table(&mut self, prefix: &[Name], table: &Table) {
        for (key, entry) in table.written() {
            match split_key(key, entry.key) {
                Ok(names) => self.place([prefix, names.as_slice()].concat(), &entry.node),
                Err(problem) => self.problems.push(problem),
            }
        }
    }

    fn place(&mut self, path: Vec<Name>, node: &Node) {
        match (self.level(&path), node.as_table()) {
            (Ok(Level::Skip), _) => {}
            (Ok(Level::Leaf), _) => self.changes.push(Change { path, node: node.clone() }),
            (Ok(Level::Table), Some(table)) if table.entries.is_empty() => self.changes.push(Change { path, node: node.clone() }),
            (Ok(Level::Table), Some(table)) => self.table(&path, table),
            (Ok(Level::Table), None) => self
                .problems
                .push(Problem::new(format!("`{}` must be a table, not {}", dotted(&path), node.describe())).at(node.span, "here")),
            (Err(problem), _) => self.problems.push(problem),
        }
    }

    fn level(&self, path: &[Name]) -> Result<Level, Problem> {
        match path {
            [] => Ok(Level::Table),
            [first, rest @ ..] => match (first.text.as_str(), rest) {
                ("name", []) => Ok(Level::Leaf),
                ("stages", []) => Ok(Level::Table),
                ("stages", [stage, rest @ ..]) => stage_level(path, stage, rest),
                ("profiles", _) | ("include", []) if !self.is_profile => Ok(Level::Skip),
                ("profiles", _) => Err(Problem::new("a profile can't hold profiles").at(first.span, "here")),
                ("name", _) => Err(no_keys(path, 1)),
                (key, _) => {
                    let keys: &[&str] = if self.is_profile { &["name", "stages"] } else { &["name", "include", "stages", "profiles"] };
                    Err(Problem::new(format!("unknown key `{key}`")).at(first.span, "not a key that a pipeline has").help(suggest(
                        key,
                        "key",
                        keys.iter().copied(),
                    )))
                }
            },
        }
    }
}

fn stage_level(path: &[Name], stage: &Name, rest: &[Name]) -> Result<Level, Problem> {
    if let Some(reason) = refuse_name(&stage.text) {
        return Err(Problem::new(format!("`{}` can't name a stage", stage.text)).at(stage.span, "here").help(reason));
    }
    let Some((key, below)) = rest.split_first() else { return Ok(Level::Table) };
    let text = key.text.as_str();
    if VALUES.contains(&text) {
        return if below.is_empty() { Ok(Level::Leaf) } else { Err(no_keys(path, 3)) };
    }
    if !SECTIONS.contains(&text) {
        return Err(Problem::new(format!("unknown key `{text}` in stage `{}`", stage.text))
            .at(key.span, "not a key that a stage has")
            .help(unknown_stage_key(text)));
    }
    match below {
        [] => Ok(Level::Table),
        [_] => Ok(Level::Leaf),
        _ if text == "params" || text == "execution" => Ok(Level::Leaf),
        [entry, ..] => Err(Problem::new(format!("`{}` is replaced whole", dotted(path.get(..=STRUCTURAL).unwrap_or_default())))
            .at(entry.span, "this path reaches inside it")
            .help("paths reach inside `params` and `execution` only; set the entry itself instead")),
    }
}

fn unknown_stage_key(key: &str) -> String {
    let list = suggest(key, "key", stage_keys());
    if list.starts_with("did you mean") { list } else { format!("{list}\nparameters of the stage go under `params`") }
}

fn no_keys(path: &[Name], depth: usize) -> Problem {
    let whole = dotted(path.get(..depth).unwrap_or_default());
    let span = path.get(depth).or(path.first()).map_or(super::source::Span { file: 0, start: 0, end: 0 }, |name| name.span);
    Problem::new(format!("`{whole}` has no keys")).at(span, "this path reaches inside it")
}
