//! What may be written in a pipeline file, as JSON Schema: for editors, made from the same types that read it.
//!
//! Draft 7, which editors for TOML understand. It allows everything that planish reads and refuses unknown keys and
//! values of the wrong type; what only the whole pipeline can tell (ranges, references, parameters that are set nowhere) it leaves to planish.

mod spelling;

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use planish_contract::AnyStage;

use super::Kinds;

/// A name of a stage, an axis, an input: see [`super::refuse_name`].
const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$";
/// A path that reaches inside a parameter.
const PATH: &str = "\\.";

/// The schema of pipeline files that use these stage kinds.
#[must_use]
pub fn schema(kinds: &dyn Kinds) -> Value {
    let mut generator = SchemaSettings::draft07().into_generator();
    let mut all: Vec<&dyn AnyStage> = kinds.names().into_iter().filter_map(|name| kinds.get(name)).collect();
    all.push(crate::command::stage());
    let mut tables = Map::new();
    let stages: Vec<Value> = all.into_iter().map(|kind| stage(kind, &mut generator, &mut tables)).collect();
    let mut definitions: Map<String, Value> = generator.take_definitions(false);
    definitions.extend(tables);
    definitions.values_mut().for_each(spelling::clean);
    let mut stages = Value::Array(stages);
    spelling::clean(&mut stages);
    spelling::allow_bare_names(&mut stages, &definitions);
    let unchanged = definitions.clone();
    definitions.values_mut().for_each(|definition| spelling::allow_bare_names(definition, &unchanged));
    definitions.insert("stage".to_owned(), json!({ "description": "A stage: what it runs, what it takes, and how.", "anyOf": stages }));
    definitions.insert("reference".to_owned(), reference());
    definitions.insert("input".to_owned(), input());
    root(&definitions)
}

fn root(definitions: &Map<String, Value>) -> Value {
    let stages = json!({
        "description": "The stages by name.",
        "type": "object",
        "propertyNames": { "pattern": NAME },
        "additionalProperties": { "$ref": "#/definitions/stage" },
    });
    let name = json!({ "description": "The pipeline's name.", "type": "string" });
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "planish pipeline",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "name": name,
            "include": {
                "description": "Other pipeline files that this one is laid over, relative to it.",
                "type": "array",
                "items": { "type": "string" },
            },
            "stages": stages,
            "profiles": {
                "description": "Overlays by name: `--profile NAME`.",
                "type": "object",
                "additionalProperties": { "type": "object", "additionalProperties": false, "properties": { "name": name, "stages": stages } },
            },
        },
        "definitions": definitions,
    })
}

fn reference() -> Value {
    json!({
        "description": "A stage, one of its outputs, or those of its instances that stand at some labels: stage:output[axis=label].",
        "type": "string",
        "pattern": "^\\s*[A-Za-z0-9][A-Za-z0-9_-]*\\s*(:\\s*[A-Za-z0-9][A-Za-z0-9_-]*\\s*)?(\\[[^\\[\\]]+\\])?$",
    })
}

fn input() -> Value {
    let one = json!({ "$ref": "#/definitions/reference" });
    let list = json!({ "description": "Gathers all instances.", "type": "array", "items": one });
    let detailed = json!({
        "description": "Gathers along some axes and maps along the rest.",
        "type": "object",
        "additionalProperties": false,
        "required": ["from"],
        "properties": {
            "from": { "anyOf": [one, list] },
            "over": { "description": "The axes that are gathered along.", "type": "array", "items": { "type": "string" }, "minItems": 1 },
            "optional": { "description": "Whether an instance without result enters as absent.", "type": "boolean" },
        },
    });
    json!({ "anyOf": [one, list, detailed] })
}

/// A stage of one kind; its tables of parameters and variants join `tables`. `run` may be missing: in a profile, and where another file is laid over.
fn stage(kind: &dyn AnyStage, generator: &mut SchemaGenerator, tables: &mut Map<String, Value>) -> Value {
    let params = overlay(kind.parameters_schema(generator));
    let execution = overlay(kind.execution_schema(generator));
    let labels = json!({ "type": ["string", "number", "integer", "boolean"] });
    let mut properties = json!({
        "run": { "description": "The kind of stage.", "const": kind.name() },
        "inputs": {
            "description": "What it takes: a stage, a list of stages to gather, or { from, over, optional }.",
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "additionalProperties": { "$ref": "#/definitions/input" },
        },
        "files": {
            "description": "Files from outside, by name: a path or a glob, relative to the pipeline file.",
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "additionalProperties": { "type": "string" },
        },
        "key_also": {
            "description": "What joins the key although it should not change the result: keys of `execution`, or `runtime`.",
            "type": "array",
            "items": { "type": "string" },
        },
        "exclude": {
            "description": "Places of the matrix that are left out.",
            "type": "array",
            "items": { "type": "object", "minProperties": 1, "additionalProperties": labels },
        },
    });
    if let Value::Object(properties) = &mut properties {
        let (parameters, variants) = (format!("{}-parameters", kind.name()), format!("{}-variants", kind.name()));
        let named = |name: &str| json!({ "$ref": format!("#/definitions/{name}") });
        properties.insert("matrix".to_owned(), matrix(&params, &parameters, &named(&variants)));
        properties.insert("params".to_owned(), named(&parameters));
        let all = json!({ "description": "Named variants: parameters that they set.", "type": "object", "minProperties": 1, "additionalProperties": named(&parameters) });
        tables.extend([(parameters, params), (variants, all)]);
        properties.insert("execution".to_owned(), execution);
        properties.extend(super::resources::schema());
        properties.extend(super::limits::schema());
    }
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// A table of parameters of which some may be set elsewhere, or by paths.
fn overlay(schema: Schema) -> Value {
    let mut value = schema.to_value();
    if let Value::Object(map) = &mut value {
        map.remove("required");
        map.remove("$schema");
        map.insert("patternProperties".to_owned(), json!({ PATH: {} }));
    }
    value
}

/// The axes: values of one parameter, or named variants. `parameters` names the definition of `params`.
fn matrix(params: &Value, parameters: &str, variants: &Value) -> Value {
    let values = |name: &str| {
        let items = json!({ "$ref": format!("#/definitions/{parameters}/properties/{name}") });
        json!({ "description": "Values of this parameter.", "type": "array", "minItems": 1, "items": items })
    };
    let known = params.get("properties").and_then(Value::as_object).into_iter().flatten();
    let axes: Map<String, Value> = known.map(|(name, _)| (name.clone(), json!({ "anyOf": [values(name), variants] }))).collect();
    json!({
        "description": "Axes by name: a list of values of the parameter of that name, or named variants.",
        "type": "object",
        "propertyNames": { "pattern": NAME },
        "properties": axes,
        "additionalProperties": variants,
    })
}

#[cfg(test)]
mod tests;
