//! Placeholders in arguments and in the environment: `{inputs.NAME}`, `{files.NAME}`, `{outputs.NAME}`.

use serde::Deserialize;

use crate::command::{self, CommandParameters};
use crate::plan::Instance;

/// The first placeholder of a `command` stage that names nothing the instance has, as a message.
#[must_use]
pub fn unknown_placeholder(instance: &Instance) -> Option<String> {
    let parameters = CommandParameters::deserialize(&instance.parameters).ok().filter(|_| instance.kind == command::NAME)?;
    let mut known: Vec<String> = instance.inputs.iter().map(|input| format!("inputs.{}", input.name)).collect();
    known.extend(instance.files.iter().map(|file| format!("files.{}", file.name)));
    known.extend(instance.interface.outputs.iter().map(|output| format!("outputs.{}", output.name)));
    let texts = parameters.command.iter().chain(parameters.environment.values());
    texts.flat_map(|text| pieces(text)).find_map(|piece| match piece {
        Piece::Placeholder(name) if !known.iter().any(|known| known == name) => Some(unknown(name, known.iter().map(String::as_str))),
        _ => None,
    })
}

pub(super) fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<String> = known.map(|name| format!("{{{name}}}")).collect();
    format!("the command names `{{{name}}}`, but the stage has only {}", known.join(", "))
}

/// A part of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('{') {
        pieces.push(Piece::Text(before));
        if let Some((name, after)) = tail.split_once('}').filter(|(name, _)| is_placeholder(name)) {
            pieces.push(Piece::Placeholder(name));
            rest = after;
        } else {
            pieces.push(Piece::Text("{"));
            rest = tail;
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

fn is_placeholder(name: &str) -> bool {
    ["inputs.", "files.", "outputs."].iter().any(|group| name.starts_with(group))
}
