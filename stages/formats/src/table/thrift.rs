//! Values of Thrift's compact protocol: structures of numbered fields.

use std::collections::BTreeMap;

/// A value. Integers of all widths are one kind.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// An integer that Thrift calls i32.
    Int(i64),
    /// An integer that Thrift calls i64.
    Long(i64),
    /// Bytes or text.
    Bytes(Vec<u8>),
    /// Values of one kind.
    List(Vec<Value>),
    /// Fields by number.
    Struct(BTreeMap<i16, Value>),
}

const I32: u8 = 5;
const I64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;
/// Structures nest no deeper than this in a Parquet file.
const DEPTH: usize = 12;

impl Value {
    /// A structure of these fields.
    pub(super) fn of<const N: usize>(fields: [(i16, Value); N]) -> Value {
        Value::Struct(BTreeMap::from(fields))
    }

    pub(super) fn text(text: &str) -> Value {
        Value::Bytes(text.as_bytes().to_vec())
    }

    pub(super) fn field(&self, number: i16) -> Option<&Value> {
        match self {
            Value::Struct(fields) => fields.get(&number),
            _ => None,
        }
    }

    pub(super) fn number(&self, number: i16) -> Option<i64> {
        match self.field(number)? {
            Value::Int(value) | Value::Long(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn list(&self, number: i16) -> &[Value] {
        match self.field(number) {
            Some(Value::List(values)) => values,
            _ => &[],
        }
    }

    pub(super) fn string(&self, number: i16) -> Option<String> {
        match self.field(number)? {
            Value::Bytes(bytes) => String::from_utf8(bytes.clone()).ok(),
            _ => None,
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Value::Int(_) => I32,
            Value::Long(_) => I64,
            Value::Bytes(_) => BINARY,
            Value::List(_) => LIST,
            Value::Struct(_) => STRUCT,
        }
    }

    /// Appends the value to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Int(value) | Value::Long(value) => varint(zigzag(*value), out),
            Value::Bytes(bytes) => {
                varint(bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
            Value::List(values) => {
                let kind = values.first().map_or(STRUCT, Value::kind);
                if values.len() < 15 {
                    out.push((values.len() as u8) << 4 | kind);
                } else {
                    out.push(0xf0 | kind);
                    varint(values.len() as u64, out);
                }
                for value in values {
                    value.write(out);
                }
            }
            Value::Struct(fields) => {
                let mut last = 0;
                for (&number, value) in fields {
                    // Field numbers of Parquet's structures lie less than 15 apart.
                    out.push(((number - last) as u8) << 4 | value.kind());
                    value.write(out);
                    last = number;
                }
                out.push(0);
            }
        }
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

pub(super) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that are being read; every read is checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn integer(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// The structure that stands here.
    pub(super) fn structure(&mut self) -> Option<Value> {
        self.value(STRUCT, DEPTH)
    }

    fn value(&mut self, kind: u8, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        match kind {
            // A boolean is its own field type and has no bytes.
            1 => Some(Value::Int(1)),
            2 => Some(Value::Int(0)),
            3 => Some(Value::Int(i64::from(self.byte()?))),
            4 | I32 => self.integer().map(Value::Int),
            I64 => self.integer().map(Value::Long),
            BINARY => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.take(length).map(|bytes| Value::Bytes(bytes.to_vec()))
            }
            LIST => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { usize::try_from(self.varint()?).ok()? } else { usize::from(head >> 4) };
                // Every element takes a byte at least: a boolean, which is none as a field, is one in a list.
                let mut values = Vec::with_capacity(count.min(self.0.len()));
                for _ in 0..count {
                    values.push(match head & 0x0f {
                        1 | 2 => Value::Int(i64::from(self.byte()? == 1)),
                        kind => self.value(kind, depth)?,
                    });
                }
                Some(Value::List(values))
            }
            STRUCT => {
                let mut fields = BTreeMap::new();
                let mut number: i16 = 0;
                loop {
                    let head = self.byte()?;
                    if head == 0 {
                        return Some(Value::Struct(fields));
                    }
                    let delta = i16::from(head >> 4);
                    number = if delta == 0 { i16::try_from(self.integer()?).ok()? } else { number.checked_add(delta)? };
                    fields.insert(number, self.value(head & 0x0f, depth)?);
                }
            }
            _ => None,
        }
    }
}
