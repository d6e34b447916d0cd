//! A serde deserializer over [`Node`] whose errors keep the innermost place.
//!
//! Stages are erased, and errors that cross the erasure keep their text only. So the first error is noted on a
//! [`Trace`] where it happens, innermost first, and read back when the whole reading has failed.

mod access;

use std::cell::RefCell;
use std::fmt::Display;

use serde::de::{self, Unexpected, Visitor};

use super::error::Problem;
use super::node::{Node, Table, Value};
use super::source::Span;
use super::suggest::suggest;

/// What went wrong and where, noted where it happened.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    error: DeError,
    span: Span,
    second: Option<Second>,
}

/// Another place that belongs to an error, and what to do.
#[derive(Clone, Copy, Debug)]
struct Second {
    span: Span,
    label: &'static str,
    help: &'static str,
}

/// Where the deserializer notes the innermost error.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    noted: RefCell<Option<Noted>>,
}

impl Trace {
    fn note(&self, error: &DeError, span: Span) {
        self.note_two(error, span, None);
    }

    fn note_two(&self, error: &DeError, span: Span, second: Option<Second>) {
        let mut noted = self.noted.borrow_mut();
        // An error that passes outwards has the text of the one that was noted; another text is another error.
        if noted.as_ref().is_none_or(|inner| inner.error.to_string() != error.to_string()) {
            *noted = Some(Noted { error: error.clone(), span, second });
        }
    }

    /// The problem for an error whose text is `message`; `root` is the place if none was noted.
    pub(crate) fn problem(&self, message: &str, root: Span) -> Problem {
        match self.noted.borrow().as_ref().filter(|noted| noted.error.to_string() == message) {
            Some(noted) => noted.problem(),
            None => Problem::new(message.to_owned()).at(root, "here"),
        }
    }

    /// Whether the error is that the key written at `key` is not known.
    pub(crate) fn is_unknown_key(&self, key: Span) -> bool {
        self.noted.borrow().as_ref().is_some_and(|noted| noted.span == key && matches!(noted.error, DeError::UnknownField { .. }))
    }
}

impl Noted {
    fn problem(&self) -> Problem {
        let label = match &self.error {
            DeError::Other(_) => "here",
            DeError::UnknownField { .. } => "not a key that this table has",
            DeError::UnknownVariant { .. } => "not one of the choices",
            DeError::MissingField(_) => "this table lacks it",
        };
        let problem = Problem::new(self.error.to_string()).at(self.span, label);
        let problem = match self.second {
            Some(second) => problem.at(second.span, second.label).help(second.help),
            None => problem,
        };
        match &self.error {
            DeError::Other(_) | DeError::MissingField(_) => problem,
            DeError::UnknownField { name, expected } => problem.help(suggest(name, "key", expected.iter().copied())),
            DeError::UnknownVariant { name, expected } => problem.help(suggest(name, "choice", expected.iter().copied())),
        }
    }
}

/// The error of the deserializer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum DeError {
    #[error("{0}")]
    Other(String),
    #[error("unknown key `{name}`")]
    UnknownField { name: String, expected: &'static [&'static str] },
    #[error("unknown choice `{name}`")]
    UnknownVariant { name: String, expected: &'static [&'static str] },
    #[error("`{0}` is missing")]
    MissingField(&'static str),
}

impl de::Error for DeError {
    fn custom<T: Display>(message: T) -> Self {
        DeError::Other(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected, expected: &dyn de::Expected) -> Self {
        DeError::Other(format!("expected {}, found {}", plainly(&expected.to_string()), in_words(unexpected)))
    }

    fn invalid_value(unexpected: Unexpected, expected: &dyn de::Expected) -> Self {
        DeError::Other(format!("expected {}, found {}", plainly(&expected.to_string()), in_words(unexpected)))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        DeError::UnknownField { name: field.to_owned(), expected }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        DeError::UnknownVariant { name: variant.to_owned(), expected }
    }

    fn missing_field(field: &'static str) -> Self {
        DeError::MissingField(field)
    }
}

/// What serde expects, without the names of Rust.
fn plainly(expected: &str) -> String {
    let text = match expected {
        "u8" => "an integer from 0 to 255",
        "u16" => "an integer from 0 to 65535",
        "u32" => "an integer from 0 to 4294967295",
        "u64" | "u128" | "usize" | "a nonzero u64" | "a nonzero usize" => "an integer that is not negative",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "an integer",
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "a table",
        _ if expected.starts_with("struct ") => "a table",
        _ => expected,
    };
    text.to_owned()
}

fn in_words(unexpected: Unexpected) -> String {
    match unexpected {
        Unexpected::Map => "a table".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Float(number) => format!("the number {number:?}"),
        Unexpected::Signed(number) => format!("the integer {number}"),
        Unexpected::Unsigned(number) => format!("the integer {number}"),
        Unexpected::Bool(value) => format!("{value}"),
        Unexpected::Str(text) => format!("the string {text:?}"),
        other => other.to_string(),
    }
}

/// Reads a node; borrows it.
#[derive(Clone, Copy)]
pub(crate) struct NodeDeserializer<'a> {
    node: &'a Node,
    trace: &'a Trace,
}

impl<'a> NodeDeserializer<'a> {
    pub(crate) fn new(node: &'a Node, trace: &'a Trace) -> Self {
        NodeDeserializer { node, trace }
    }

    fn noted<T>(self, result: Result<T, DeError>) -> Result<T, DeError> {
        result.inspect_err(|error| self.trace.note(error, self.node.span))
    }

    /// The variant that the node names, and what it holds.
    fn variant(self) -> Result<access::Variant<'a>, DeError> {
        match &self.node.value {
            Value::String(name) => Ok(access::Variant { name, span: self.node.span, content: None, trace: self.trace }),
            Value::Table(table) => self.only(table),
            _ => self.noted(Err(DeError::Other(format!("expected the name of a choice or a table, found {}", self.node.describe())))),
        }
    }

    /// The only entry of the table that selects a variant.
    fn only(self, table: &'a Table) -> Result<access::Variant<'a>, DeError> {
        let mut entries = table.written().into_iter();
        let (message, span, second) = match (entries.next(), entries.next()) {
            (Some((name, entry)), None) if !self.node.implied => {
                return Ok(access::Variant { name, span: entry.key, content: Some(&entry.node), trace: self.trace });
            }
            (Some((name, entry)), None) => {
                let second = Second {
                    span: self.node.span,
                    label: "nothing is chosen here",
                    help: "a path reaches into the selected choice only; set the whole: { choice = { … } }",
                };
                (format!("the path leads into `{name}`, which is not selected"), entry.key, second)
            }
            (Some((first, kept)), Some((second, extra))) => {
                let other = Second {
                    span: kept.key,
                    label: "the other one",
                    help: "keep one of the two; a path reaches into the selected choice only",
                };
                (format!("one choice is possible here, but both `{first}` and `{second}` are given"), extra.key, other)
            }
            (None, _) => return self.noted(Err(DeError::Other("a choice is needed here, but the table is empty".to_owned()))),
        };
        let error = DeError::Other(message);
        self.trace.note_two(&error, span, Some(second));
        Err(error)
    }

    /// A table where one is needed: serde would take a list for a struct, in the order of its fields.
    fn no_list(self, expected: &dyn de::Expected) -> Result<(), DeError> {
        match self.node.value {
            Value::Array(_) => self.noted(Err(de::Error::invalid_type(Unexpected::Seq, expected))),
            _ => Ok(()),
        }
    }
}

impl<'de, 'a: 'de> de::Deserializer<'de> for NodeDeserializer<'a> {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        let result = match &self.node.value {
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Integer(number) => match u64::try_from(*number) {
                Ok(number) => visitor.visit_u64(number),
                Err(_) => visitor.visit_i64(*number),
            },
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Array(items) => visitor.visit_seq(access::Items::new(items, self.trace)),
            Value::Table(table) => visitor.visit_map(access::Entries::new(table, self.trace)),
        };
        self.noted(result)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        // TOML has no null: what is written is there.
        let result = visitor.visit_some(self);
        self.noted(result)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, DeError> {
        let result = visitor.visit_newtype_struct(self);
        self.noted(result)
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, DeError> {
        self.no_list(&visitor)?;
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, DeError> {
        let variant = self.variant()?;
        let result = visitor.visit_enum(variant);
        self.noted(result)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct
        map identifier ignored_any
    }
}
