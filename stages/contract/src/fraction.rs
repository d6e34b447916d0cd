//! Numbers that may be written as fractions.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A decimal number in a string, as a regular expression.
pub const NUMBER_PATTERN: &str = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?";

/// A number that TOML may write as `0.1`, `1` or `"8/255"`. Its canonical form is the number.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Fraction(pub f64);

impl Fraction {
    /// The value.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }
}

/// Reads `"8/255"`, `"0.1"` or `"1"`.
#[must_use]
pub fn parse_fraction(text: &str) -> Option<f64> {
    let value = match text.split_once('/') {
        Some((numerator, denominator)) => numerator.trim().parse::<f64>().ok()? / denominator.trim().parse::<f64>().ok()?,
        None => text.trim().parse().ok()?,
    };
    value.is_finite().then_some(value)
}

impl<'de> Deserialize<'de> for Fraction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Fraction;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a number or a fraction such as \"8/255\"")
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Fraction, E> {
                if value.is_finite() { Ok(Fraction(value)) } else { Err(E::custom("the number is not finite")) }
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Fraction, E> {
                Ok(Fraction(value as f64))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Fraction, E> {
                Ok(Fraction(value as f64))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Fraction, E> {
                parse_fraction(value).map(Fraction).ok_or_else(|| E::invalid_value(de::Unexpected::Str(value), &self))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// A number, or a string such as `"8/255"`.
impl JsonSchema for Fraction {
    fn schema_name() -> Cow<'static, str> {
        "Fraction".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Fraction").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number, or a fraction such as \"8/255\".",
            "anyOf": [{ "type": "number" }, { "type": "string", "pattern": format!("^\\s*{NUMBER_PATTERN}\\s*(/\\s*{NUMBER_PATTERN}\\s*)?$") }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_read_as_numbers() {
        assert_eq!(parse_fraction("8/255"), Some(8.0 / 255.0));
        assert_eq!(parse_fraction(" 1 / 4 "), Some(0.25));
        assert_eq!(parse_fraction("0.5"), Some(0.5));
        assert_eq!(parse_fraction("1/0"), None);
        assert_eq!(parse_fraction("eps"), None);
    }
}
