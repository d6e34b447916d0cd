//! `--set path=value`.

use super::error::{Problem, Problems};
use super::node::{Name, Node, Table, Value};
use super::overlay::Change;
use super::parse;
use super::shape::{stage_keys, take_apart_at};
use super::source::{Sources, Span};
use super::suggest::suggest;

/// Reads `--set` values, in the order given, into changes of the document.
pub(super) fn read(sets: &[String], root: &Table, sources: &mut Sources, problems: &mut Problems) -> Vec<Change> {
    let mut changes = Vec::new();
    for set in sets {
        let file = sources.add("--set", set.clone());
        if let Some((path, node)) = problems.keep(read_one(set, file, root, sources)) {
            changes.extend(take_apart_at(path, &node, problems));
        }
    }
    changes
}

fn read_one(set: &str, file: usize, root: &Table, sources: &Sources) -> Result<(Vec<Name>, Node), Problem> {
    let whole = Span::new(file, 0..set.len());
    let Some((path, value)) = set.split_once('=') else {
        return Err(Problem::new(format!("`{set}` sets nothing")).at(whole, "here").help("write --set stage.parameter=value"));
    };
    let path = in_full(read_path(path, file)?, root)?;
    let offset = set.len() - value.len();
    Ok((path, read_value(value, offset, file, sources)?))
}

fn read_path(text: &str, file: usize) -> Result<Vec<Name>, Problem> {
    let mut start = 0;
    let mut path = Vec::new();
    for part in text.split('.') {
        let span = Span::new(file, start..start + part.len());
        let name = part.trim().trim_matches(['"', '\'']);
        if name.is_empty() {
            return Err(Problem::new(format!("the path `{text}` has an empty part"))
                .at(span, "here")
                .help("write --set stage.parameter=value"));
        }
        path.push(Name::new(name, span));
        start += part.len() + 1;
    }
    Ok(path)
}

/// `train.epochs` is short for `stages.train.params.epochs`, `train.matrix.seed` for `stages.train.matrix.seed`.
fn in_full(path: Vec<Name>, root: &Table) -> Result<Vec<Name>, Problem> {
    match path.as_slice() {
        [only] if only.text == "name" => Ok(path),
        [first, stage, ..] if first.text == "stages" => check_stage(stage, root).map(|()| path),
        [stage, rest @ ..] => {
            check_stage(stage, root)?;
            let mut full = vec![Name::new("stages", stage.span), stage.clone()];
            if let Some(key) = rest.first()
                && !stage_keys().any(|known| known == key.text)
            {
                full.push(Name::new("params", key.span));
            }
            full.extend_from_slice(rest);
            Ok(full)
        }
        [] => Ok(path),
    }
}

fn check_stage(stage: &Name, root: &Table) -> Result<(), Problem> {
    let stages = root.get("stages").and_then(|entry| entry.node.as_table());
    if stages.is_some_and(|stages| stages.entries.contains_key(&stage.text)) {
        return Ok(());
    }
    let names = stages.into_iter().flat_map(|stages| stages.entries.keys()).map(String::as_str);
    Err(Problem::new(format!("there is no stage `{}` to set anything in", stage.text)).at(stage.span, "here").help(suggest(
        &stage.text,
        "stage",
        names,
    )))
}

/// A TOML value; or, when it has none of TOML's punctuation, the text itself (`cifar10`, `8/255`, `cuda:0`).
fn read_value(text: &str, offset: usize, file: usize, sources: &Sources) -> Result<Node, Problem> {
    let plain = text.trim();
    match parse::value(sources, file, offset) {
        Err(_) if !plain.is_empty() && !plain.contains(['"', '\'', '[', ']', '{', '}', ',', '\n']) => {
            Ok(Node::new(Value::String(plain.to_owned()), Span::new(file, offset..offset + text.len())))
        }
        result => result,
    }
}
