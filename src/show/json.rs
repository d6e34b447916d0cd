//! JSON answers. Each carries the version of its form, which rises when a field changes its meaning or goes away; new fields may join
//! without. `docs/json.md` describes them, `planish schema COMMAND` has the JSON Schema, made from the same types.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

/// The version of the form of all answers.
pub const VERSION: u32 = 1;

/// An answer with the version of its form.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Answer")]
pub struct Schema<T> {
    /// The version of the form.
    pub schema: u32,
    /// The command that answers.
    pub command: &'static str,
    /// The answer, an instance each.
    pub instances: T,
}

/// An answer that is not about instances: its fields stand beside the version.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Answer")]
struct Flat<T> {
    /// The version of the form.
    schema: u32,
    /// The command that answers.
    command: &'static str,
    #[serde(flatten)]
    fields: T,
}

/// The answer to a `command` that is not about instances, as JSON text: its fields stand beside `schema` and `command`.
#[must_use]
pub fn json_answer<T: Serialize>(command: &'static str, fields: T) -> String {
    pretty(&Flat { schema: VERSION, command, fields })
}

/// The same on one line, without its end.
#[must_use]
pub fn json_line<T: Serialize>(command: &'static str, fields: T) -> String {
    serde_json::to_string(&Flat { schema: VERSION, command, fields }).unwrap_or_default()
}

/// The answer to `command` as JSON text, with a line end.
#[must_use]
pub fn json<T: Serialize>(command: &'static str, instances: T) -> String {
    pretty(&Schema { schema: VERSION, command, instances })
}

/// A value as JSON text, with a line end.
#[must_use]
pub fn pretty<T: Serialize>(value: &T) -> String {
    // Views are plain structs: they always serialise.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// The JSON Schema of what [`json`] makes of `T`.
#[must_use]
pub fn answer_schema<T: JsonSchema>() -> serde_json::Value {
    schema_of::<Schema<T>>()
}

/// The JSON Schema of what [`json_answer`] makes of `T`.
#[must_use]
pub fn flat_schema<T: JsonSchema>() -> serde_json::Value {
    schema_of::<Flat<T>>()
}

fn schema_of<T: JsonSchema>() -> serde_json::Value {
    SchemaSettings::draft07().for_serialize().into_generator().into_root_schema_for::<T>().to_value()
}
