//! What TOML and planish's own reader allow beyond what serde's types say.

use serde_json::{Map, Value, json};

/// Removes what TOML does not have (null), and what only Rust knows (formats of numbers, links in documentation).
pub(super) fn clean(value: &mut Value) {
    match value {
        Value::Object(map) => {
            clean_object(map);
            map.values_mut().for_each(clean);
        }
        Value::Array(items) => items.iter_mut().for_each(clean),
        _ => {}
    }
}

fn clean_object(map: &mut Map<String, Value>) {
    if map.get("format").is_some_and(Value::is_string) {
        map.remove("format");
    }
    if let Some(Value::String(text)) = map.get_mut("description") {
        *text = text.replace("[`", "`").replace("`]", "`");
    }
    if map.get("default").is_some_and(Value::is_null) {
        map.remove("default");
    }
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = map.get_mut("anyOf") {
        choices.retain(|choice| *choice != json!({ "type": "null" }));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            map.remove("anyOf");
            for (key, value) in only {
                map.entry(key).or_insert(value);
            }
        }
    }
}

/// `objective = "nominal"` is another spelling of `objective.nominal = {}`: allowed where the choice needs no parameter.
pub(super) fn allow_bare_names(value: &mut Value, definitions: &Map<String, Value>) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(|inner| allow_bare_names(inner, definitions));
            if let Some(Value::Array(choices)) = map.get_mut("oneOf") {
                let bare: Vec<Value> = choices.iter().filter_map(|choice| name_without_parameters(choice, definitions)).collect();
                if !bare.is_empty() {
                    choices.push(json!({ "type": "string", "enum": bare }));
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| allow_bare_names(inner, definitions)),
        _ => {}
    }
}

/// The name of a choice `{ name = { … } }` that needs no parameters.
fn name_without_parameters(choice: &Value, definitions: &Map<String, Value>) -> Option<Value> {
    let [name] = choice.get("required")?.as_array()?.as_slice() else { return None };
    let content = choice.get("properties")?.get(name.as_str()?)?;
    let content = match content.get("$ref").and_then(Value::as_str) {
        Some(reference) => definitions.get(reference.rsplit('/').next()?)?,
        None => content,
    };
    let is_table = content.get("type").is_some_and(|kind| kind == "object");
    let needs = content.get("required").and_then(Value::as_array).is_some_and(|required| !required.is_empty());
    (is_table && !needs).then(|| name.clone())
}
