//! Inspection: what must hold before ONNX Runtime, or anything else, gets to see a model.
//!
//! A file becomes a [`ModelFile`](crate::ModelFile) in this order, and the first rule that is broken refuses it:
//!
//! 1. `wire` walks the protobuf encoding without building anything, so that decoding is bounded by the size of the file;
//! 2. `versions`: the format and the operator sets are known ones;
//! 3. `external`: values in other files are fetched, if those lie in the model's folder;
//! 4. `tensor`: every tensor holds as many values as its shape says, once, and they are numbers;
//! 5. `operators`, `functions`: every operator is a standard one without unbounded loops, functions are not recursive;
//! 6. `names`: every value is computed once, before it is read, from values that exist;
//! 7. `sizes`: nothing whose size the file fixes is larger than memory;
//! 8. `signature`: one batch of float images goes in, one batch of float logits comes out.
//!
//! What is odd but legitimate is a [`Note`]. What only shows when the model runs is the business of [`crate::probe`].

pub(crate) mod external;
mod functions;
mod layout;
mod names;
mod notes;
mod operators;
mod problem;
mod signature;
mod sizes;
mod standard;
mod tensor;
pub(crate) mod versions;
pub(crate) mod walk;
mod wire;

use std::collections::BTreeMap;

use prost::Message;

use crate::proto::ModelProto;

pub(crate) use layout::channels_first;
pub use notes::{Note, NoteKind};
pub use problem::Problem;
pub use signature::{Layout, Signature};

/// What an inspection found out about a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The version of the format.
    pub ir_version: i64,
    /// The version of ONNX's own operator set.
    pub opset: i64,
    /// How many nodes of each operator there are, in nested graphs and functions too.
    pub operators: BTreeMap<String, usize>,
    /// How many numbers the initializers hold.
    pub parameters: u64,
    /// What is odd, but no reason to refuse the model.
    pub notes: Vec<Note>,
}

/// Decodes the bytes of a model file.
pub(crate) fn decode(bytes: &[u8]) -> Result<ModelProto, Problem> {
    if bytes.is_empty() {
        return Err(Problem::new("is empty, not an ONNX model"));
    }
    wire::check(bytes)?;
    let model = ModelProto::decode(bytes).map_err(|e| Problem::new(format!("is not an ONNX model, or is cut off: {e}")))?;
    versions::check(&model)?;
    if model.graph.is_none() {
        return Err(Problem::new("is not an ONNX model: it has no graph"));
    }
    Ok(model)
}

/// Checks a decoded model whose values are all inside it.
pub(crate) fn inspect(model: &ModelProto, layout: Option<Layout>) -> Result<(Signature, Inspection), Problem> {
    let graph = model.graph.as_ref().ok_or_else(|| Problem::new("has no graph"))?;
    tensor::check(model)?;
    let operators = operators::check(model)?;
    functions::check(model)?;
    names::check(model)?;
    sizes::check(model)?;
    let signature = signature::of(graph, layout)?;
    let inspection = Inspection {
        ir_version: model.ir_version(),
        opset: versions::opset(model),
        operators,
        parameters: graph.initializer.iter().map(tensor::elements).sum(),
        notes: notes::of(model),
    };
    Ok((signature, inspection))
}
