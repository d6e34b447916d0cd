//! Step sizes, absolute or relative to ε.

use std::borrow::Cow;

use planish_contract::{NUMBER_PATTERN, parse_fraction};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The size of an attack's step: a number (`0.01`, `"2/255"`) in units of the pixel range, or a multiple of ε (`"0.25 eps"`, `"eps/4"`, `"2.5*eps"`).
///
/// Its canonical form is a number or `"FACTOR eps"`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StepSize {
    /// In units of the pixel range `[0,1]`.
    Absolute(f64),
    /// In units of ε.
    Relative(f64),
}

impl StepSize {
    /// The step for a ball of radius `eps`.
    #[must_use]
    pub fn value(self, eps: f64) -> f64 {
        match self {
            StepSize::Absolute(step) => step,
            StepSize::Relative(factor) => factor * eps,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let Some((before, after)) = text.split_once("eps") else {
            return parse_fraction(text).map(StepSize::Absolute);
        };
        let before = before.trim();
        let factor = match before.strip_suffix('*').unwrap_or(before).trim() {
            "" if before.is_empty() => 1.0,
            text => parse_fraction(text)?,
        };
        let divisor = match after.trim() {
            "" => 1.0,
            text => text.strip_prefix('/')?.trim().parse().ok()?,
        };
        let factor: f64 = factor / divisor;
        factor.is_finite().then_some(StepSize::Relative(factor))
    }
}

impl std::fmt::Display for StepSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StepSize::Absolute(step) => write!(f, "{step}"),
            StepSize::Relative(factor) => write!(f, "{factor} eps"),
        }
    }
}

impl Serialize for StepSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            StepSize::Absolute(step) => serializer.serialize_f64(*step),
            StepSize::Relative(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for StepSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = StepSize;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a number, a fraction such as \"2/255\", or a multiple of eps such as \"0.25 eps\" or \"eps/4\"")
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<StepSize, E> {
                if value.is_finite() { Ok(StepSize::Absolute(value)) } else { Err(E::custom("the number is not finite")) }
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<StepSize, E> {
                Ok(StepSize::Absolute(value as f64))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<StepSize, E> {
                Ok(StepSize::Absolute(value as f64))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<StepSize, E> {
                StepSize::parse(value).ok_or_else(|| E::invalid_value(de::Unexpected::Str(value), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A number, a fraction or a multiple of ε.
impl JsonSchema for StepSize {
    fn schema_name() -> Cow<'static, str> {
        "StepSize".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::StepSize").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let fraction = format!("{NUMBER_PATTERN}\\s*(/\\s*{NUMBER_PATTERN}\\s*)?");
        json_schema!({
            "description": "A number or a fraction such as \"2/255\" in units of the pixel range, or a multiple of the radius such as \"0.25 eps\" or \"eps/4\".",
            "anyOf": [
                { "type": "number" },
                { "type": "string", "pattern": format!("^\\s*({fraction}|({fraction}\\*?\\s*)?eps\\s*(/\\s*{NUMBER_PATTERN})?)\\s*$") },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<StepSize> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn numbers_fractions_and_multiples_read() {
        assert_eq!(read("0.01"), Some(StepSize::Absolute(0.01)));
        assert_eq!(read("1"), Some(StepSize::Absolute(1.0)));
        assert_eq!(read("\"2/255\""), Some(StepSize::Absolute(2.0 / 255.0)));
        for text in ["0.25 eps", "eps/4", "eps / 4", "0.25*eps", "0.25 * eps", "1/4 eps", "1/2 eps/2"] {
            assert_eq!(read(&format!("\"{text}\"")), Some(StepSize::Relative(0.25)), "{text}");
        }
        assert_eq!(read("\"eps\""), Some(StepSize::Relative(1.0)));
        for text in ["* eps", "eps4", "eps/0", "eps eps", "", "x eps", "true"] {
            assert_eq!(read(&format!("\"{text}\"")), None, "{text}");
        }
    }

    #[test]
    fn the_canonical_form_reads_back() {
        for step in [StepSize::Absolute(2.0 / 255.0), StepSize::Relative(0.1), StepSize::Relative(1.0 / 3.0)] {
            assert_eq!(read(&serde_json::to_string(&step).unwrap()), Some(step));
        }
        assert_eq!(serde_json::to_string(&StepSize::Relative(0.25)).unwrap(), "\"0.25 eps\"");
        assert!((StepSize::Relative(0.25).value(0.1) - 0.025).abs() < 1e-12);
    }
}
