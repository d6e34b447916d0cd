//! A pipeline file and the command line's wishes → [`Pipeline`].

use std::path::{Path, PathBuf};

use super::error::{Problem, Problems, SpecErrors};
use super::include::{self, Document};
use super::node::{Node, Table, Value};
use super::overlay::{self, Change};
use super::source::{Sources, Span};
use super::suggest::suggest;
use super::{Kinds, LoadOptions, Pipeline, document, sets, shape};

/// The most stages that a pipeline may have.
const MAX_STAGES: usize = 20_000;

/// Reads a pipeline file, lays the profile and `--set` values over it, and checks its structure.
///
/// # Errors
/// Everything that is wrong, with the places: the file can't be read or is no TOML, unknown keys, unknown stage kinds, wrong types.
pub fn load(options: &LoadOptions, kinds: &dyn Kinds) -> Result<Pipeline, SpecErrors> {
    let mut sources = Sources::default();
    let added = match &options.text {
        Some(text) => Ok(sources.add(&options.file.display().to_string(), text.clone())),
        None => sources.add_file(&options.file),
    };
    let file = added.map_err(|reason| {
        let problem = Problem::new(format!("the pipeline can't be read: {reason}"));
        SpecErrors::one(problem.help("`--file PATH` names the pipeline file"), &Sources::default())
    })?;
    let documents = match include::documents(&options.file, file, &mut sources) {
        Ok(documents) => documents,
        Err(problem) => return Err(SpecErrors::one(problem, &sources)),
    };
    let mut problems = Problems::default();
    let (root, late) = overlaid(&documents, options, &mut sources, &mut problems);
    let name = problems.keep(pipeline_name(&root, &options.file)).unwrap_or_default();
    let mut stages = document::stages(&root, kinds, &mut problems);
    if problems.is_empty() && stages.is_empty() {
        let place = Problem::new("the pipeline has no stages").at(Span::new(file, 0..0), "");
        problems.push(place.help("write [stages.NAME] with run = \"KIND\""));
    }
    if stages.len() > MAX_STAGES {
        problems.push(Problem::new(format!("the pipeline has {} stages, more than the {MAX_STAGES} that are possible", stages.len())));
    }
    for change in late {
        if let Some(stage) = change.path.get(1).and_then(|name| stages.iter_mut().find(|stage| stage.name.text == name.text)) {
            stage.sets.push(Change { path: change.path.get(shape::STRUCTURAL..).unwrap_or_default().to_vec(), node: change.node });
        }
    }
    let execution = options.execution.iter().map(|(key, value)| (key.clone(), execution_default(key, value, &mut sources))).collect();
    problems.finish(&sources)?;
    Ok(Pipeline { name, folder: folder_of(&options.file), sources, stages, execution })
}

/// The documents with their profiles and `--set` laid over them; and what `--set` changes in parameters, which comes after the axes.
fn overlaid(documents: &[Document], options: &LoadOptions, sources: &mut Sources, problems: &mut Problems) -> (Table, Vec<Change>) {
    let mut root = Table::default();
    for document in documents {
        let changes = shape::take_apart(&document.table, false, problems);
        lay(&mut root, changes.into_iter().map(|change| document.seen_from_outside(change)).collect(), problems);
    }
    for document in documents {
        let changes = profile(&document.table, options.profile.as_deref(), problems);
        lay(&mut root, changes.into_iter().map(|change| document.seen_from_outside(change)).collect(), problems);
    }
    if let Some(name) = &options.profile {
        let tables = documents.iter().filter_map(|document| document.table.get("profiles")?.node.as_table());
        let known: std::collections::BTreeSet<&str> = tables.flat_map(|profiles| profiles.entries.keys()).map(String::as_str).collect();
        if !known.contains(name.as_str()) {
            problems.push(Problem::new(format!("there is no profile `{name}`")).help(suggest(name, "profile", known)));
        }
    }
    let changes = sets::read(&options.sets, &root, sources, problems);
    let is_late =
        |change: &Change| change.path.get(2).is_some_and(|section| section.text == "params") && change.path.len() > shape::STRUCTURAL;
    let (late, structural): (Vec<Change>, Vec<Change>) = changes.into_iter().partition(is_late);
    for change in &structural {
        problems.keep(overlay::set(&mut root, change, shape::STRUCTURAL));
    }
    (root, late)
}

fn lay(root: &mut Table, changes: Vec<Change>, problems: &mut Problems) {
    for change in problems.keep(overlay::in_order(changes)).unwrap_or_default() {
        problems.keep(overlay::set(root, &change, shape::STRUCTURAL));
    }
}

/// The changes of the chosen profile. The structure of the others is checked too: they must not rot.
fn profile(document: &Table, chosen: Option<&str>, problems: &mut Problems) -> Vec<Change> {
    let entry = document.get("profiles");
    let Some(profiles) = entry.map_or(Some(&Table::default()), |entry| entry.node.as_table()).cloned() else {
        let span = entry.map_or(Span { file: 0, start: 0, end: 0 }, |entry| entry.node.span);
        problems.push(Problem::new("`profiles` must be a table").at(span, "here").help("write [profiles.NAME]"));
        return Vec::new();
    };
    let mut changes = Vec::new();
    for (name, entry) in profiles.written() {
        match entry.node.as_table() {
            Some(table) => {
                let of_this = shape::take_apart(table, true, problems);
                if chosen == Some(name) {
                    changes = of_this;
                }
            }
            None => problems
                .push(Problem::new(format!("profile `{name}` must be a table, not {}", entry.node.describe())).at(entry.node.span, "here")),
        }
    }
    changes
}

fn pipeline_name(root: &Table, file: &Path) -> Result<String, Problem> {
    match root.get("name") {
        Some(entry) => {
            let name = document::text(&entry.node, "name")?;
            if name.trim().is_empty() || name.chars().any(char::is_control) {
                return Err(Problem::new("the pipeline's name must be one line of text").at(entry.node.span, "here"));
            }
            Ok(name.to_owned())
        }
        None => Ok(file.file_stem().map_or_else(|| "pipeline".to_owned(), |stem| stem.to_string_lossy().into_owned())),
    }
}

fn execution_default(key: &str, value: &str, sources: &mut Sources) -> Node {
    let file = sources.add("command line", format!("{key} = {value}"));
    let start = key.len() + 3;
    Node::new(Value::String(value.to_owned()), Span::new(file, start..start + value.len()))
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}
