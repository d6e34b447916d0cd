//! A stage at one place of its own matrix: parameters merged, typed, checked.

use std::collections::BTreeMap;

use planish_contract::{Coordinate, Coordinates, Interface, Invalid, Prepared};
use serde_json::Value as Json;

use crate::spec::Problem;
use crate::spec::de::{NodeDeserializer, Trace};
use crate::spec::document::StageSpec;
use crate::spec::matrix::{Axis, Variant};
use crate::spec::node::{Entry, Node, Value};
use crate::spec::overlay;
use crate::spec::suggest::suggest;

/// What joins a key beside the keys of `execution`.
const RUNTIME: &str = "runtime";

/// A stage at one place of its own matrix.
#[derive(Clone, Debug)]
pub(super) struct Configured {
    pub(super) parameters: Json,
    pub(super) interface: Interface,
    pub(super) members: Vec<&'static str>,
    pub(super) coordinates: Coordinates,
}

/// Lays the variants, then `--set`, over the parameters and gives them to the stage.
pub(super) fn configure(stage: &StageSpec, variants: &[(&Axis, &Variant)]) -> Result<Configured, Problem> {
    let mut node = stage.params.clone();
    if let Value::Table(table) = &mut node.value {
        let changes = variants.iter().flat_map(|(_, variant)| &variant.changes).chain(&stage.sets);
        for change in changes {
            overlay::set(table, change, 0)?;
        }
    }
    let trace = Trace::default();
    let read = stage.kind.prepare(&mut <dyn erased_serde::Deserializer>::erase(NodeDeserializer::new(&node, &trace)));
    let prepared = match read {
        Ok(Ok(prepared)) => prepared,
        Ok(Err(invalid)) => return Err(refused(&node, &invalid)),
        Err(error) => return Err(trace.problem(&error.to_string(), node.span)),
    };
    let Prepared { parameters, interface, members } = prepared;
    let coordinates = variants.iter().map(|(axis, variant)| (axis.name.text.clone(), coordinate(axis, variant, &parameters))).collect();
    Ok(Configured { parameters, interface, members, coordinates })
}

fn refused(node: &Node, invalid: &Invalid) -> Problem {
    let place = node.deepest(&invalid.path);
    Problem::new(format!("`{}`: {}", invalid.path.join("."), invalid.message)).at(place.span, "here").help_if(invalid.hint.clone())
}

/// Where the stage stands on an axis. The value is the typed one, so that its spelling does not matter.
fn coordinate(axis: &Axis, variant: &Variant, parameters: &Json) -> Coordinate {
    let typed = |change: &overlay::Change| {
        let found = change.path.iter().try_fold(parameters, |value, name| value.get(&name.text));
        found.cloned().unwrap_or_else(|| change.node.to_json())
    };
    let value = match variant.changes.as_slice() {
        [only] if axis.short => typed(only),
        changes => Json::Object(changes.iter().map(|change| (change.dotted(), typed(change))).collect()),
    };
    Coordinate { label: variant.label.text.clone(), value }
}

/// The typed `execution` of a stage, with the defaults that it has a key for.
pub(super) fn execution(stage: &StageSpec, defaults: &BTreeMap<String, Node>) -> Result<Json, Problem> {
    let mut node = stage.execution.clone();
    let mut typed = read_execution(stage, &node, None)?.unwrap_or_default();
    for (key, default) in defaults {
        let mut with = node.clone();
        let Value::Table(table) = &mut with.value else { continue };
        if table.entries.contains_key(key) {
            continue;
        }
        table.entries.insert(key.clone(), Entry { key: default.span, node: default.clone() });
        // A stage that does not have the key is left as it is.
        if let Some(read) = read_execution(stage, &with, Some(default))? {
            (node, typed) = (with, read);
        }
    }
    for name in &stage.key_also {
        if name.text != RUNTIME && typed.get(&name.text).is_none() {
            let keys = typed.as_object().into_iter().flat_map(|map| map.keys().map(String::as_str)).chain([RUNTIME]);
            return Err(Problem::new(format!("`{}` can't join the key", name.text))
                .at(name.span, "here")
                .help(suggest(&name.text, "name", keys)));
        }
    }
    Ok(typed)
}

/// Reads `execution`; `None` when the stage does not know the key of `default`.
fn read_execution(stage: &StageSpec, node: &Node, default: Option<&Node>) -> Result<Option<Json>, Problem> {
    let trace = Trace::default();
    match stage.kind.prepare_execution(&mut <dyn erased_serde::Deserializer>::erase(NodeDeserializer::new(node, &trace))) {
        Ok(value) => Ok(Some(value)),
        Err(_) if default.is_some_and(|default| trace.is_unknown_key(default.span)) => Ok(None),
        Err(error) => Err(trace.problem(&error.to_string(), node.span)),
    }
}
