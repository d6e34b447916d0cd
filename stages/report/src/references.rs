//! Values that others reported: a TOML file beside the pipeline, declared as `files.references` of the stage.
//!
//! ```toml
//! [table-2]                                  # a set; tables name the sets that they show
//! source = "arXiv 1907.02610, Table 2"
//! certainty = "recalled"                     # paper, code, second-hand or recalled
//! dataset = "cifar10"
//! threat = { norm = "linf", eps = "8/255" }
//!
//! [table-2.values.llr]                       # a row's label
//! nominal = 86.83                            # a column's label
//! worst-case = { value = 52.84, certainty = "second-hand", source = "robustbench.github.io" }
//! ```

use std::collections::BTreeMap;
use std::ops::Range;

use planish_contract::{Context, Failure};
use planish_formats::Threat;
use serde::{Deserialize, Serialize};
use toml::Spanned;

/// How sure a reference value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Read in the paper itself.
    Paper,
    /// Read in the authors' released code.
    Code,
    /// From a later paper, a leaderboard or third-party code.
    SecondHand,
    /// From memory, not seen again.
    Recalled,
}

impl Certainty {
    /// The word that is printed with the value.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Certainty::Paper => "paper",
            Certainty::Code => "released code",
            Certainty::SecondHand => "second hand",
            Certainty::Recalled => "paper (recalled)",
        }
    }
}

/// A set of values as the file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSet {
    source: String,
    certainty: Certainty,
    dataset: String,
    threat: Threat,
    values: BTreeMap<String, BTreeMap<String, Spanned<WrittenValue>>>,
}

/// A number, or a number with what differs from its set.
#[derive(Debug)]
struct WrittenValue {
    value: f64,
    certainty: Option<Certainty>,
    source: Option<String>,
}

impl<'de> Deserialize<'de> for WrittenValue {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Detailed {
            value: f64,
            certainty: Option<Certainty>,
            source: Option<String>,
        }
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = WrittenValue;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, or { value = …, certainty = …, source = … }")
            }
            fn visit_f64<E>(self, value: f64) -> Result<WrittenValue, E> {
                Ok(WrittenValue { value, certainty: None, source: None })
            }
            fn visit_i64<E>(self, value: i64) -> Result<WrittenValue, E> {
                Ok(WrittenValue { value: value as f64, certainty: None, source: None })
            }
            fn visit_u64<E>(self, value: u64) -> Result<WrittenValue, E> {
                Ok(WrittenValue { value: value as f64, certainty: None, source: None })
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<WrittenValue, A::Error> {
                let read = Detailed::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(WrittenValue { value: read.value, certainty: read.certainty, source: read.source })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A value that others reported.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reference {
    pub(crate) row: String,
    pub(crate) column: String,
    /// In the unit of its column.
    pub(crate) value: f64,
    pub(crate) certainty: Certainty,
    pub(crate) source: String,
    pub(crate) dataset: String,
    pub(crate) threat: Threat,
    /// `references.toml, line 12`.
    pub(crate) place: String,
}

/// Set → its values, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct References {
    sets: BTreeMap<String, Vec<Reference>>,
}

impl References {
    /// Reads every file of `files.references`; no set where none is declared.
    pub(crate) fn read(context: &Context) -> Result<Self, Failure> {
        let mut sets = BTreeMap::new();
        for (name, path) in context.files.get("references").into_iter().flat_map(planish_contract::Folder::files) {
            let text = std::fs::read_to_string(path).map_err(|e| Failure::io(path, e))?;
            for (set, values) in parse(name, &text)? {
                if sets.insert(set.clone(), values).is_some() {
                    return Err(Failure::input(format!("{name}: the set `{set}` stands in another file of `files.references` as well")));
                }
            }
        }
        Ok(References { sets })
    }

    /// The values of set `name`.
    pub(crate) fn set(&self, name: &str) -> Result<&[Reference], Failure> {
        self.sets.get(name).map(Vec::as_slice).ok_or_else(|| {
            let known: Vec<&str> = self.sets.keys().map(String::as_str).collect();
            let message = if known.is_empty() {
                format!("there is no set of references `{name}`: the stage has no `files.references`")
            } else {
                format!("there is no set of references `{name}` (there are: {})", known.join(", "))
            };
            Failure::input_hint(message, "declare files = { references = \"references.toml\" } and a table `[NAME]` in that file")
        })
    }
}

/// Reads one file; `name` is for messages.
fn parse(name: &str, text: &str) -> Result<BTreeMap<String, Vec<Reference>>, Failure> {
    const HINT: &str = "a set has source, certainty (paper, code, second-hand or recalled), dataset, threat = { norm = …, eps = … } and \
                        [SET.values.ROW] with COLUMN = NUMBER";
    let written: BTreeMap<String, WrittenSet> = toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        Failure::input_hint(pointed(name, text, &span, error.message()), HINT)
    })?;
    let mut sets = BTreeMap::new();
    for (set, WrittenSet { source, certainty, dataset, threat, values }) in written {
        threat.check("threat").map_err(|invalid| {
            Failure::input_hint(format!("{name}: set `{set}`: {}", invalid.message), invalid.hint.unwrap_or_default())
        })?;
        let mut references = Vec::new();
        for (row, columns) in values {
            for (column, value) in columns {
                let span = value.span();
                let value = value.into_inner();
                if !value.value.is_finite() || value.value < 0.0 {
                    return Err(Failure::input(pointed(name, text, &span, "a reported value is a number that is not negative")));
                }
                references.push(Reference {
                    row: row.clone(),
                    column,
                    value: value.value,
                    certainty: value.certainty.unwrap_or(certainty),
                    source: value.source.unwrap_or_else(|| source.clone()),
                    dataset: dataset.clone(),
                    threat,
                    place: format!("{name}, line {}", line(text, span.start).0),
                });
            }
        }
        sets.insert(set, references);
    }
    Ok(sets)
}

/// The number of the line that holds byte `at`, from 1, the line, and the column of `at` in it, in characters.
fn line(text: &str, at: usize) -> (usize, &str, usize) {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    (before.matches('\n').count() + 1, line, before.get(start..).unwrap_or_default().chars().count())
}

/// A message with the line that it is about, underlined.
fn pointed(name: &str, text: &str, span: &Range<usize>, message: &str) -> String {
    let (number, line, column) = line(text, span.start);
    let end = text.get(span.clone()).map_or(1, |marked| marked.lines().next().unwrap_or_default().chars().count());
    let room = line.chars().count().saturating_sub(column).max(1);
    let (gutter, marks) = (number.to_string(), "─".repeat(end.clamp(1, room)));
    let blank = " ".repeat(gutter.len());
    let message = message.trim_end();
    format!(
        "{message}\n{blank} ╭─[{name}:{number}:{}]\n{gutter} │ {line}\n{blank} · {}{marks} here\n{blank} ╰────",
        column + 1,
        " ".repeat(column)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[paper]\nsource = \"Table 2\"\ncertainty = \"recalled\"\ndataset = \"cifar10\"\nthreat = { norm = \"linf\", eps = \"8/255\" }\n\n[paper.values.llr]\nnominal = 86.83\nweak = { value = 54, certainty = \"second-hand\", source = \"a leaderboard\" }\n";

    #[test]
    fn values_take_what_they_lack_from_their_set() {
        let sets = parse("references.toml", FILE).unwrap();
        let found: Vec<_> =
            sets["paper"].iter().map(|r| (r.column.as_str(), r.value, r.certainty, r.source.as_str(), r.place.as_str())).collect();
        assert_eq!(
            found,
            [
                ("nominal", 86.83, Certainty::Recalled, "Table 2", "references.toml, line 8"),
                ("weak", 54.0, Certainty::SecondHand, "a leaderboard", "references.toml, line 9"),
            ]
        );
    }

    fn refused(wrong: &str, right: &str) -> String {
        let text = FILE.replace(right, wrong);
        assert_ne!(text, FILE);
        parse("references.toml", &text).unwrap_err().to_string()
    }

    #[test]
    fn mistakes_are_pointed_at() {
        insta::assert_snapshot!(refused("certainti = \"recalled\"", "certainty = \"recalled\""), @r#"
        unknown field `certainti`, expected one of `source`, `certainty`, `dataset`, `threat`, `values`
          ╭─[references.toml:3:1]
        3 │ certainti = "recalled"
          · ───────── here
          ╰────
        "#);
        assert!(refused("nominal = \"86\"", "nominal = 86.83").contains("references.toml:8:11"));
        assert!(refused("nominal = -1.0", "nominal = 86.83").contains("nominal = -1.0\n  ·           ──── here"));
        assert!(refused("value = 54, certainly", "value = 54, certainty").contains("unknown field `certainly`"));
        assert!(refused("\"remembered\"", "\"recalled\"").contains("unknown variant `remembered`, expected one of `paper`"));
        assert!(refused("eps = \"8\"", "eps = \"8/255\"").contains("set `paper`: a radius of 8"));
        assert!(refused("nominal = ", "nominal = 86.83").contains("references.toml:8"));
        assert!(refused("", "dataset = \"cifar10\"\n").contains("missing field `dataset`"));
    }
}
