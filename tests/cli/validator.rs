//! JSON Schema, as far as planish's own schemas use it. Any keyword that is not known here fails, so none is passed over.

use regex_lite::Regex;
use serde_json::{Map, Value};

/// What of `value` the schema refuses: the first place and why.
pub(crate) fn refusal(schema: &Value, value: &Value) -> Option<String> {
    check(schema, schema, value, "").err()
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let Some(map) = schema.as_object() else {
        return if *schema == Value::Bool(true) { Ok(()) } else { Err(format!("{at}: not allowed")) };
    };
    for (keyword, rule) in map {
        let inner = |rule: &Value, value: &Value, at: &str| check(root, rule, value, at);
        let number = || rule.as_f64().unwrap();
        let holds = match keyword.as_str() {
            "$ref" => {
                let target = rule.as_str().unwrap().strip_prefix('#').unwrap();
                inner(root.pointer(target).unwrap_or_else(|| panic!("{target}")), value, at)?;
                true
            }
            "type" => types(rule).iter().any(|name| is(name, value)),
            "const" => rule == value,
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|value| value >= number()),
            "maximum" => value.as_f64().is_none_or(|value| value <= number()),
            "pattern" => value.as_str().is_none_or(|text| Regex::new(rule.as_str().unwrap()).unwrap().is_match(text)),
            "exclusiveMinimum" => value.as_f64().is_none_or(|value| value > number()),
            "minItems" => value.as_array().is_none_or(|items| items.len() as f64 >= number()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as f64 <= number()),
            "minProperties" => value.as_object().is_none_or(|map| map.len() as f64 >= number()),
            "required" => {
                value.as_object().is_none_or(|map| rule.as_array().unwrap().iter().all(|key| map.contains_key(key.as_str().unwrap())))
            }
            "items" => {
                each(rule, value, at, &inner)?;
                true
            }
            "allOf" => {
                rule.as_array().unwrap().iter().try_for_each(|rule| inner(rule, value, at))?;
                true
            }
            "anyOf" => rule.as_array().unwrap().iter().any(|rule| inner(rule, value, at).is_ok()),
            "oneOf" => rule.as_array().unwrap().iter().filter(|rule| inner(rule, value, at).is_ok()).count() == 1,
            // What says nothing about values, and what is looked at below.
            "$schema"
            | "title"
            | "description"
            | "default"
            | "definitions"
            | "format"
            | "properties"
            | "patternProperties"
            | "additionalProperties"
            | "propertyNames" => true,
            other => panic!("the validator does not know `{other}`"),
        };
        if !holds {
            return Err(format!("{at}: {keyword} {rule} refuses {value}"));
        }
    }
    value.as_object().map_or(Ok(()), |entries| object(root, map, entries, at))
}

fn each(rule: &Value, value: &Value, at: &str, inner: &dyn Fn(&Value, &Value, &str) -> Result<(), String>) -> Result<(), String> {
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        // A list of rules is for the items of a tuple.
        let rule = rule.as_array().map_or(Some(rule), |rules| rules.get(index));
        inner(rule.unwrap_or(&Value::Bool(true)), item, &format!("{at}[{index}]"))?;
    }
    Ok(())
}

fn object(root: &Value, schema: &Map<String, Value>, entries: &Map<String, Value>, at: &str) -> Result<(), String> {
    for (key, value) in entries {
        let at = format!("{at}.{key}");
        if let Some(rule) = schema.get("propertyNames") {
            check(root, rule, &Value::from(key.as_str()), &at)?;
        }
        let named = schema.get("properties").and_then(|properties| properties.get(key));
        let patterns = schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
        let matching: Vec<&Value> =
            patterns.filter(|(pattern, _)| Regex::new(pattern).unwrap().is_match(key)).map(|(_, rule)| rule).collect();
        let other = schema.get("additionalProperties").filter(|_| named.is_none() && matching.is_empty());
        for rule in named.into_iter().chain(matching).chain(other) {
            check(root, rule, value, &at)?;
        }
    }
    Ok(())
}

fn types(rule: &Value) -> Vec<&str> {
    rule.as_str().map_or_else(|| rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect(), |name| vec![name])
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("the validator does not know type `{other}`"),
    }
}

#[test]
fn the_validator_refuses() {
    let schema = serde_json::json!({
        "type": "object", "additionalProperties": false, "required": ["a"],
        "properties": { "a": { "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": "^x" }] }, "b": { "items": { "const": 1 } } },
    });
    for (value, sound) in [
        (r#"{"a":1}"#, true),
        (r#"{"a":"xy","b":[1,1]}"#, true),
        (r#"{"a":0}"#, false),
        (r#"{"a":"y"}"#, false),
        (r#"{"b":[]}"#, false),
        (r#"{"a":1,"b":[2]}"#, false),
        (r#"{"a":1,"c":1}"#, false),
        ("[]", false),
    ] {
        assert_eq!(refusal(&schema, &serde_json::from_str(value).unwrap()).is_none(), sound, "{value}");
    }
}
