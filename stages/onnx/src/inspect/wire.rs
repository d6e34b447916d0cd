//! A walk over the protobuf encoding that builds nothing.
//!
//! Decoding turns a field of two bytes into a string of 24 or a node of some hundred bytes, so a small file could
//! fill the memory. The walk counts first what decoding would build.

use super::problem::Problem;

/// The most fields, which includes repeated numbers that are not packed. The largest networks in use have a tenth.
const MOST_FIELDS: u64 = 8 << 20;
/// The most nested messages: nodes, attributes, tensors, dimensions.
const MOST_MESSAGES: u64 = 1 << 20;
/// The most bytes of packed whole numbers of variable length, each of which takes up to eight times as much in memory.
const MOST_PACKED: u64 = 64 << 20;
/// How deep messages nest; the decoder's own limit.
const DEEPEST: usize = 100;

/// The kinds of messages that differ in what they contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Model,
    Training,
    Graph,
    Function,
    Node,
    Attribute,
    Tensor,
    Sparse,
    ValueInfo,
    Type,
    TensorType,
    WrappedType,
    Map,
    Shape,
    Annotation,
    NodeDevice,
    Sharding,
    ShardedDim,
    /// A message without messages inside.
    Flat,
}

/// What a length-delimited field holds.
enum Content {
    Message(Kind),
    /// Packed numbers of variable length.
    Packed,
    /// Text, bytes, or packed numbers of fixed length.
    Bytes,
}

/// The messages inside messages, as `onnx.proto` numbers them.
fn content(kind: Kind, field: u64) -> Content {
    use Kind::{
        Annotation, Attribute, Flat, Function, Graph, Map, Model, Node, NodeDevice, Shape, ShardedDim, Sharding, Sparse, Tensor,
        TensorType, Training, Type, ValueInfo, WrappedType,
    };
    let inner = match (kind, field) {
        (Model, 7) | (Training, 1 | 2) | (Attribute, 6 | 11) => Graph,
        (Model, 20) => Training,
        (Model, 25) => Function,
        (Graph, 1) | (Function, 7) => Node,
        (Node, 5) | (Function, 11) => Attribute,
        (Graph, 5) | (Attribute, 5 | 10) | (Sparse, 1 | 2) => Tensor,
        (Graph, 15) | (Attribute, 22 | 23) => Sparse,
        (Graph, 11..=13) | (Function, 12) => ValueInfo,
        (ValueInfo | Map, 2) | (Attribute, 14 | 15) | (WrappedType, 1) => Type,
        (Type, 1 | 8) => TensorType,
        (Type, 4 | 9) => WrappedType,
        (Type, 5) => Map,
        (TensorType, 2) => Shape,
        (Graph, 14) => Annotation,
        (Node, 10) => NodeDevice,
        (NodeDevice, 2) => Sharding,
        (Sharding, 4) => ShardedDim,
        (Model, 8 | 14 | 26)
        | (Training, 3 | 4)
        | (Graph, 16)
        | (Function, 9 | 14)
        | (Node, 9)
        | (Tensor, 3 | 13 | 16)
        | (ValueInfo, 4)
        | (Type, 7)
        | (Shape, 1)
        | (Annotation | ShardedDim, 2)
        | (Sharding, 3) => Flat,
        (Tensor, 1 | 5 | 7 | 11) | (Attribute, 8) | (Sparse, 3) | (Sharding | Flat, 2) => return Content::Packed,
        _ => return Content::Bytes,
    };
    Content::Message(inner)
}

/// Refuses what is no protobuf encoding of a model, or would take too much memory to decode.
pub(super) fn check(bytes: &[u8]) -> Result<(), Problem> {
    let mut walk = Walk::default();
    walk.message(Kind::Model, bytes, 0)
}

#[derive(Default)]
struct Walk {
    fields: u64,
    messages: u64,
    packed: u64,
}

impl Walk {
    fn message(&mut self, kind: Kind, mut rest: &[u8], depth: usize) -> Result<(), Problem> {
        if depth > DEEPEST {
            return Err(Problem::new(format!("nests more than {DEEPEST} levels deep")).hint("export the model without nested graphs"));
        }
        while !rest.is_empty() {
            self.fields += 1;
            if self.fields > MOST_FIELDS {
                return Err(too_many("fields", MOST_FIELDS).hint("save the values of tensors as `raw_data`"));
            }
            let key = varint(&mut rest)?;
            match key & 7 {
                0 => drop(varint(&mut rest)?),
                1 => drop(take(&mut rest, 8)?),
                2 => {
                    let length = varint(&mut rest)?;
                    let bytes = take(&mut rest, length)?;
                    self.delimited(&content(kind, key >> 3), bytes, depth)?;
                }
                5 => drop(take(&mut rest, 4)?),
                other => return Err(malformed(&format!("a field of the unknown wire type {other}"))),
            }
        }
        Ok(())
    }

    fn delimited(&mut self, content: &Content, bytes: &[u8], depth: usize) -> Result<(), Problem> {
        match *content {
            Content::Bytes => Ok(()),
            Content::Packed => {
                self.packed += bytes.len() as u64;
                if self.packed <= MOST_PACKED {
                    return Ok(());
                }
                Err(too_many("bytes of packed numbers", MOST_PACKED).hint("save the values of tensors as `raw_data`"))
            }
            Content::Message(inner) => {
                self.messages += 1;
                if self.messages > MOST_MESSAGES {
                    return Err(too_many("nested messages", MOST_MESSAGES).hint("simplify the model, for example with onnxsim"));
                }
                self.message(inner, bytes, depth + 1)
            }
        }
    }
}

fn too_many(what: &str, limit: u64) -> Problem {
    Problem::new(format!("has more than {limit} {what}, the most that is read"))
}

fn malformed(what: &str) -> Problem {
    Problem::new(format!("is not an ONNX model, or is cut off: {what}"))
}

fn varint(rest: &mut &[u8]) -> Result<u64, Problem> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let Some((&byte, tail)) = rest.split_first() else { return Err(malformed("it ends within a number")) };
        *rest = tail;
        // The bits above 64 are dropped, as decoders do.
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(malformed("a number is longer than ten bytes"))
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], Problem> {
    let taken = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
    let (bytes, tail) = taken.ok_or_else(|| malformed(&format!("{length} bytes are announced and {} are left", rest.len())))?;
    *rest = tail;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};
    use crate::testing;

    fn message(model: &ModelProto) -> String {
        check(&model.encode_to_vec()).unwrap_err().message
    }

    #[test]
    fn a_model_passes() {
        check(&testing::linear(&[1.0; 24]).encode_to_vec()).unwrap();
    }

    #[test]
    fn what_is_cut_off_or_no_protobuf_is_refused() {
        assert!(check(b"\x89PNG\r\n\x1a\n").unwrap_err().message.contains("not an ONNX model"));
        assert!(check(&[0xff; 12]).unwrap_err().message.contains("longer than ten bytes"));
        assert!(check(&[0x0a, 0x7f, 1]).unwrap_err().message.contains("127 bytes are announced and 1 are left"));
    }

    #[test]
    fn many_small_fields_are_refused_before_they_are_built() {
        let graph = |graph: GraphProto| ModelProto { graph: Some(graph), ..Default::default() };
        let nodes = vec![NodeProto::default(); MOST_MESSAGES as usize + 1];
        assert!(message(&graph(GraphProto { node: nodes, ..Default::default() })).contains("nested messages"));
        let node = NodeProto { input: vec![String::new(); MOST_FIELDS as usize + 1], ..Default::default() };
        assert!(message(&graph(GraphProto { node: vec![node], ..Default::default() })).contains("fields"));
        let tensor = TensorProto { int64_data: vec![0; MOST_PACKED as usize + 1], ..Default::default() };
        assert!(message(&graph(GraphProto { initializer: vec![tensor], ..Default::default() })).contains("packed numbers"));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let mut graph = GraphProto::default();
        for _ in 0..40 {
            let attribute = AttributeProto { g: Some(graph), ..Default::default() };
            graph = GraphProto { node: vec![NodeProto { attribute: vec![attribute], ..Default::default() }], ..Default::default() };
        }
        assert!(message(&ModelProto { graph: Some(graph), ..Default::default() }).contains("levels deep"));
    }
}
