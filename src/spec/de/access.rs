//! Lists, tables and variants for the deserializer.

use serde::de::{self, DeserializeSeed, Visitor};

use super::{DeError, NodeDeserializer, Trace};
use crate::spec::node::{Entry, Node, Table};
use crate::spec::source::Span;

/// The items of a list.
pub(super) struct Items<'a> {
    items: std::slice::Iter<'a, Node>,
    trace: &'a Trace,
}

impl<'a> Items<'a> {
    pub(super) fn new(items: &'a [Node], trace: &'a Trace) -> Self {
        Items { items: items.iter(), trace }
    }
}

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = DeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DeError> {
        let Some(node) = self.items.next() else { return Ok(None) };
        seed.deserialize(NodeDeserializer::new(node, self.trace)).inspect_err(|error| self.trace.note(error, node.span)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The entries of a table, in the order written.
pub(super) struct Entries<'a> {
    rest: std::vec::IntoIter<(&'a String, &'a Entry)>,
    current: Option<&'a Entry>,
    trace: &'a Trace,
}

impl<'a> Entries<'a> {
    pub(super) fn new(table: &'a Table, trace: &'a Trace) -> Self {
        Entries { rest: table.written().into_iter(), current: None, trace }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = DeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DeError> {
        let Some((name, entry)) = self.rest.next() else { return Ok(None) };
        self.current = Some(entry);
        seed.deserialize(Key { name, span: entry.key, trace: self.trace }).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DeError> {
        let entry = self.current.take().ok_or_else(|| DeError::Other("a value was read before its key".to_owned()))?;
        seed.deserialize(NodeDeserializer::new(&entry.node, self.trace)).inspect_err(|error| self.trace.note(error, entry.node.span))
    }
}

/// A key, or the name of a variant. It notes its errors itself: on the way out their kind is lost.
#[derive(Clone, Copy)]
struct Key<'a> {
    name: &'a str,
    span: Span,
    trace: &'a Trace,
}

impl<'a> Key<'a> {
    fn text(self) -> de::value::BorrowedStrDeserializer<'a, DeError> {
        de::value::BorrowedStrDeserializer::new(self.name)
    }

    fn noted<T>(self, result: Result<T, DeError>) -> Result<T, DeError> {
        result.inspect_err(|error| self.trace.note(error, self.span))
    }
}

impl<'de> de::Deserializer<'de> for Key<'de> {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.noted(self.text().deserialize_any(visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.noted(self.text().deserialize_enum(name, variants, visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// A variant by name: bare (`"nominal"`) or with content (`{ nominal = { … } }`).
pub(super) struct Variant<'a> {
    pub(super) name: &'a str,
    pub(super) span: Span,
    pub(super) content: Option<&'a Node>,
    pub(super) trace: &'a Trace,
}

impl<'de> de::EnumAccess<'de> for Variant<'de> {
    type Error = DeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DeError> {
        let value = seed.deserialize(Key { name: self.name, span: self.span, trace: self.trace })?;
        Ok((value, self))
    }
}

impl Variant<'_> {
    fn noted<T>(&self, result: Result<T, DeError>) -> Result<T, DeError> {
        let span = self.content.map_or(self.span, |node| node.span);
        result.inspect_err(|error| self.trace.note(error, span))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'de> {
    type Error = DeError;

    fn unit_variant(self) -> Result<(), DeError> {
        // `activation.relu = {}` is another spelling of `activation = "relu"`.
        match self.content {
            None => Ok(()),
            Some(node) if node.as_table().is_some_and(|table| table.entries.is_empty()) => Ok(()),
            Some(node) => self.noted(Err(DeError::Other(format!("`{}` takes no parameters, found {}", self.name, node.describe())))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DeError> {
        let result = match self.content {
            Some(node) => seed.deserialize(NodeDeserializer::new(node, self.trace)),
            // `objective = "nominal"` is another spelling of `objective.nominal = {}`.
            None => seed.deserialize(de::value::MapDeserializer::<_, DeError>::new(std::iter::empty::<(&str, &str)>())),
        };
        self.noted(result)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DeError> {
        let result = match self.content {
            Some(node) => de::Deserializer::deserialize_any(NodeDeserializer::new(node, self.trace), visitor),
            None => Err(DeError::Other(format!("`{}` needs a list", self.name))),
        };
        self.noted(result)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, DeError> {
        let result = match self.content {
            Some(node) => de::Deserializer::deserialize_struct(NodeDeserializer::new(node, self.trace), "", fields, visitor),
            None => visitor.visit_map(de::value::MapDeserializer::<_, DeError>::new(std::iter::empty::<(&str, &str)>())),
        };
        self.noted(result)
    }
}
