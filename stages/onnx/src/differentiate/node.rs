//! Reading nodes.

use super::refusal::Place;
use crate::inspect::versions::is_standard;
use crate::proto::{AttributeProto, NodeProto, TensorProto};

/// Short ways to what a node says.
pub(crate) trait Reading {
    fn attribute_named(&self, name: &str) -> Option<&AttributeProto>;
    /// The name of input `index`; `None` where it is left out.
    fn input_name(&self, index: usize) -> Option<&str>;
    /// The name of output `index`; `None` where it is left out.
    fn output_name(&self, index: usize) -> Option<&str>;
    fn int(&self, name: &str, default: i64) -> i64;
    fn float(&self, name: &str, default: f32) -> f64;
    fn ints(&self, name: &str) -> Option<&[i64]>;
    fn text(&self, name: &str) -> Option<&str>;
    fn tensor(&self, name: &str) -> Option<&TensorProto>;
    fn place(&self) -> Place;
    /// The operator, with its domain where it is not a standard one.
    fn operator(&self) -> String;
}

impl Reading for NodeProto {
    fn attribute_named(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute.iter().find(|attribute| attribute.name() == name)
    }

    fn input_name(&self, index: usize) -> Option<&str> {
        self.input.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    fn output_name(&self, index: usize) -> Option<&str> {
        self.output.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute_named(name).and_then(|attribute| attribute.i).unwrap_or(default)
    }

    fn float(&self, name: &str, default: f32) -> f64 {
        f64::from(self.attribute_named(name).and_then(|attribute| attribute.f).unwrap_or(default))
    }

    fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute_named(name).map(|attribute| attribute.ints.as_slice())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.attribute_named(name).and_then(|attribute| std::str::from_utf8(attribute.s.as_deref()?).ok())
    }

    fn tensor(&self, name: &str) -> Option<&TensorProto> {
        self.attribute_named(name).and_then(|attribute| attribute.t.as_ref())
    }

    fn place(&self) -> Place {
        let node = match &self.name {
            Some(name) if !name.is_empty() => name.clone(),
            _ => self.output.iter().find(|name| !name.is_empty()).cloned().unwrap_or_default(),
        };
        Place { operator: self.operator(), node }
    }

    fn operator(&self) -> String {
        let (domain, operator) = (self.domain(), self.op_type());
        if is_standard(domain) { operator.to_owned() } else { format!("{domain}.{operator}") }
    }
}
