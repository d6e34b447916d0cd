//! What a stage keeps busy: `cpus`, `memory`, `gpus`.

use super::error::Problem;
use super::node::{Node, Table, Value};
use crate::plan::Resources;

/// The most processors or GPUs that a stage may ask for.
pub(super) const MOST: usize = 65_536;

pub(super) fn read(table: &Table) -> Result<Resources, Problem> {
    let cpus = table.get("cpus").map(|entry| count(&entry.node, "cpus", 1)).transpose()?.unwrap_or(1);
    let gpus = table.get("gpus").map(|entry| count(&entry.node, "gpus", 0)).transpose()?.unwrap_or(0);
    let memory = table.get("memory").map(|entry| memory(&entry.node)).transpose()?;
    Ok(Resources { cpus, memory, gpus })
}

/// What may be written, as JSON Schema: key → schema.
pub(super) fn schema() -> serde_json::Map<String, serde_json::Value> {
    let count = |what: &str, least: usize| serde_json::json!({ "description": what, "type": "integer", "minimum": least, "maximum": MOST });
    let size = r"^[0-9]*\.?[0-9]*\s*(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?\s*$";
    let memory = serde_json::json!({
        "description": "The memory that it needs: bytes, or a size such as \"4 GB\".",
        "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": size }],
    });
    let named =
        [("cpus", count("The processors that it keeps busy.", 1)), ("memory", memory), ("gpus", count("The GPUs that it needs.", 0))];
    named.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

pub(super) fn count(node: &Node, key: &str, least: usize) -> Result<usize, Problem> {
    match node.value {
        Value::Integer(number) => usize::try_from(number).ok().filter(|number| (least..=MOST).contains(number)),
        _ => None,
    }
    .ok_or_else(|| Problem::new(format!("`{key}` must be an integer from {least} to {MOST}")).at(node.span, "here"))
}

fn memory(node: &Node) -> Result<u64, Problem> {
    let bytes = match &node.value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        Value::String(text) => parse_bytes(text),
        _ => None,
    };
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| {
        Problem::new("`memory` must be a size").at(node.span, "here").help("write a number of bytes, or \"500 MB\", \"4 GB\", \"4 GiB\"")
    })
}

/// How many bytes a size is: `512`, `20GB`, `1.5 GiB`.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let scale: f64 = match unit.trim() {
        "" | "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "TiB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let bytes = number.trim().parse::<f64>().ok()? * scale;
    (bytes.is_finite() && bytes < 1e18).then_some(bytes.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read() {
        assert_eq!(parse_bytes("4 GB"), Some(4_000_000_000));
        assert_eq!(parse_bytes("1.5GiB"), Some(1_610_612_736));
        assert_eq!(parse_bytes("512"), Some(512));
        for wrong in ["", "GB", "4 gigs", "-1 GB", "1e99 GB", "4 GB free"] {
            assert_eq!(parse_bytes(wrong), None, "{wrong}");
        }
    }
}
