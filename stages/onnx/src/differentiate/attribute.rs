//! Making attributes.

use crate::proto::AttributeProto;
use crate::proto::attribute_proto::AttributeType;

/// An attribute that holds a whole number.
pub(crate) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(AttributeType::Int as i32), i: Some(value), ..Default::default() }
}

/// An attribute that holds whole numbers.
pub(crate) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(AttributeType::Ints as i32), ints: values.to_vec(), ..Default::default() }
}

/// An attribute that holds a float.
pub(crate) fn float(name: &str, value: f64) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(AttributeType::Float as i32), f: Some(value as f32), ..Default::default() }
}

/// An attribute that holds a word.
pub(crate) fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::String as i32),
        s: Some(value.as_bytes().to_vec()),
        ..Default::default()
    }
}
