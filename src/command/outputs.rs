//! The outputs that a command declares.

use std::borrow::Cow;

use planish_contract::{Invalid, Kind};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::spec::refuse_name;

/// An output of a command: `"name"`, or `{ name = "…", kind = "…" }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommandOutput {
    /// Its name, and that of its folder.
    pub name: String,
    /// The kind of artifact it holds; `any` when none is declared.
    pub kind: String,
}

/// The long form.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Declared {
    name: String,
    #[serde(default = "any")]
    kind: String,
}

fn any() -> String {
    Kind::ANY.as_str().to_owned()
}

impl<'de> Deserialize<'de> for CommandOutput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Output;
        impl<'de> Visitor<'de> for Output {
            type Value = CommandOutput;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("an output's name or { name = \"…\", kind = \"…\" }")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<CommandOutput, E> {
                Ok(CommandOutput { name: name.to_owned(), kind: any() })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CommandOutput, A::Error> {
                let Declared { name, kind } = Declared::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(CommandOutput { name, kind })
            }
        }
        deserializer.deserialize_any(Output)
    }
}

impl JsonSchema for CommandOutput {
    fn schema_name() -> Cow<'static, str> {
        "CommandOutput".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::CommandOutput").into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let declared = Declared::json_schema(generator);
        json_schema!({ "description": "An output: its name, or its name and kind.", "anyOf": [{ "type": "string" }, declared] })
    }
}

/// Refuses an empty list, names that can't name a folder, and names used twice.
pub(super) fn check(outputs: &[CommandOutput]) -> Result<(), Invalid> {
    if outputs.is_empty() {
        return Err(Invalid::at("outputs", "a stage without outputs leaves nothing").hint("write outputs = [\"NAME\"]"));
    }
    for (index, output) in outputs.iter().enumerate() {
        let at = format!("outputs.{index}");
        for (name, what) in [(&output.name, "an output"), (&output.kind, "a kind of artifact")] {
            if let Some(reason) = refuse_name(name) {
                return Err(Invalid::at(&at, format!("`{name}` can't name {what}")).hint(reason));
            }
        }
        if outputs.iter().take(index).any(|other| other.name == output.name) {
            return Err(Invalid::at(&at, format!("output `{}` is declared twice", output.name)));
        }
    }
    Ok(())
}
