//! What ends a stage before its time, and how often it is tried again: `timeout`, `retries`.

use std::time::Duration;

use super::error::Problem;
use super::node::{Node, Table, Value};
use super::resources::count;
use super::suggest::suggest;
use crate::plan::Limits;

/// How long to wait before the second try, unless the pipeline says.
const WAIT: Duration = Duration::from_secs(10);

pub(super) fn read(table: &Table) -> Result<Limits, Problem> {
    let timeout = table.get("timeout").map(|entry| duration(&entry.node, "timeout")).transpose()?;
    let (retries, wait) = table.get("retries").map_or(Ok((0, WAIT)), |entry| retries(&entry.node))?;
    Ok(Limits { timeout, retries, wait })
}

/// What may be written, as JSON Schema: key → schema.
pub(super) fn schema() -> [(String, serde_json::Value); 2] {
    let duration = |what: &str| {
        let text = r"^\s*([0-9]*\.?[0-9]*\s*(ms|s|sec|m|min|h|d|w)\s*)+$";
        serde_json::json!({ "description": what, "anyOf": [{ "type": "number", "exclusiveMinimum": 0 }, { "type": "string", "pattern": text }] })
    };
    let times = serde_json::json!({ "description": "How often it is tried again.", "type": "integer", "minimum": 0, "maximum": super::resources::MOST });
    let table = serde_json::json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["times"],
        "properties": { "times": times, "wait": duration("How long to wait before the second try; doubled each time.") },
    });
    let retries = serde_json::json!({ "description": "How often a failed stage is tried again.", "anyOf": [times, table] });
    [("timeout".to_owned(), duration("The longest that it may take: seconds, or \"1h 30m\".")), ("retries".to_owned(), retries)]
}

/// A number, or `{ times = 2, wait = "10s" }`.
fn retries(node: &Node) -> Result<(u32, Duration), Problem> {
    const KEYS: [&str; 2] = ["times", "wait"];
    let Some(table) = node.as_table() else { return Ok((times(node, "retries")?, WAIT)) };
    if let Some((key, entry)) = table.written().into_iter().find(|(key, _)| !KEYS.contains(&key.as_str())) {
        return Err(Problem::new(format!("unknown key `{key}` in `retries`")).at(entry.key, "here").help(suggest(key, "key", KEYS)));
    }
    let Some(entry) = table.get("times") else {
        return Err(Problem::new("`retries` has no `times`").at(node.span, "here").help("write retries = { times = 2, wait = \"10s\" }"));
    };
    let wait = table.get("wait").map_or(Ok(WAIT), |entry| duration(&entry.node, "wait"))?;
    Ok((times(&entry.node, "times")?, wait))
}

fn times(node: &Node, key: &str) -> Result<u32, Problem> {
    let times = count(node, key, 0);
    times.and_then(|times| u32::try_from(times).map_err(|_| Problem::new(format!("`{key}` is too large")).at(node.span, "here")))
}

/// A time longer than none: seconds as a number, or a text with units.
fn duration(node: &Node, key: &str) -> Result<Duration, Problem> {
    let read = match &node.value {
        Value::Integer(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
        Value::Float(seconds) => Duration::try_from_secs_f64(*seconds).ok(),
        Value::String(text) => parse_duration(text),
        _ => None,
    };
    let fits = |read: &Duration| !read.is_zero() && *read <= Duration::from_hours(24 * 3660);
    read.filter(fits).ok_or_else(|| {
        let help = "write a number of seconds, or \"30s\", \"10m\", \"1h 30m\", \"2d\"";
        Problem::new(format!("`{key}` must be a time")).at(node.span, "here").help(help)
    })
}

/// How long a time is: `90s`, `1h 30m`, `1.5 h`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut sum = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, tail) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?)?;
        let tail = tail.trim_start();
        let (unit, tail) = tail.split_at_checked(tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len()))?;
        let scale = match unit {
            "ms" => 1e-3,
            "s" | "sec" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            _ => return None,
        };
        sum += number.parse::<f64>().ok()? * scale;
        rest = tail.trim_start();
    }
    Duration::try_from_secs_f64(sum).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read() {
        for (text, seconds) in [("90s", 90.0), ("1h 30m", 5400.0), ("1h30m", 5400.0), ("1.5 h", 5400.0), ("2d", 172_800.0), ("250ms", 0.25)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
        for wrong in ["", "10", "s", "10 parsecs", "-1s", "1h 30", "1..2s", "1e400s", "99999999999999999999w"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }
}
