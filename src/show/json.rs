//! JSON answers. Each carries a version that rises when a field changes its meaning or goes away.

use serde::Serialize;

/// An answer with the version of its form.
#[derive(Debug, Serialize)]
pub struct Schema<T> {
    /// The version of the form.
    pub schema: u32,
    /// What the answer is about: `plan`, `status`, `why`, `show`.
    pub command: &'static str,
    /// The answer.
    pub instances: T,
}

#[derive(Debug, Serialize)]
struct Answer<T> {
    schema: u32,
    command: &'static str,
    #[serde(flatten)]
    fields: T,
}

/// The answer to a `command` that is not about instances, as JSON text: its fields stand beside `schema` and `command`.
#[must_use]
pub fn json_answer<T: Serialize>(command: &'static str, fields: T) -> String {
    let mut text = serde_json::to_string_pretty(&Answer { schema: 1, command, fields }).unwrap_or_default();
    text.push('\n');
    text
}

/// The answer to `command` as JSON text, with a line end.
#[must_use]
pub fn json<T: Serialize>(command: &'static str, instances: T) -> String {
    let answer = Schema { schema: 1, command, instances };
    // Views are plain structs: they always serialise.
    let mut text = serde_json::to_string_pretty(&answer).unwrap_or_default();
    text.push('\n');
    text
}
