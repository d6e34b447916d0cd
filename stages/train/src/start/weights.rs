//! The tensors of a file of trained weights, under the names that a network has for them. No file, no network, no device: bytes and names only.

use std::collections::BTreeMap;

use planish_contract::Failure;
use planish_formats::{NamedTensor, tensors_from_bytes};

/// Name → shape of every tensor that a network needs.
pub(crate) type Wanted = BTreeMap<String, Vec<usize>>;

const FORMAT: &str =
    "`files.start` is a safetensors file in 32 bits; `python docs/interop/pytorch_weights.py convert IN.pt OUT.safetensors` makes one";

/// The tensors of a file; `place` is what messages call it.
///
/// # Errors
/// [`Failure::Input`] when it is no safetensors file.
pub(crate) fn tensors(bytes: &[u8], place: &str) -> Result<Vec<NamedTensor>, Failure> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x80\x02") {
        return Err(Failure::input_hint(format!("{place}: a pickle of PyTorch, which can run any code, is not opened"), FORMAT));
    }
    tensors_from_bytes(bytes, place).map_err(|failure| match failure {
        Failure::Input { message, .. } => Failure::input_hint(message, FORMAT),
        other => other,
    })
}

/// What wrappers of PyTorch modules put before all names.
const WRAPPERS: [&str; 3] = ["module.", "_orig_mod.", "model."];

/// The tensors under the names that the network has, and the names of those that PyTorch keeps and no forward pass reads: counters of batch
/// normalisation, and the block that TRADES' wide residual networks declare and never call.
pub(crate) fn as_named_here(mut tensors: Vec<NamedTensor>, wanted: &Wanted) -> (Vec<NamedTensor>, Vec<String>) {
    while let Some(wrapper) =
        WRAPPERS.iter().find(|wrapper| !tensors.is_empty() && tensors.iter().all(|tensor| tensor.name.starts_with(**wrapper)))
    {
        for tensor in &mut tensors {
            tensor.name.drain(..wrapper.len());
        }
    }
    let idle = |name: &str| name.ends_with(".num_batches_tracked") || name.starts_with("sub_block1.");
    let (left_out, kept): (Vec<_>, Vec<_>) =
        tensors.into_iter().partition(|tensor| !wanted.contains_key(&tensor.name) && idle(&tensor.name));
    (kept, left_out.into_iter().map(|tensor| tensor.name).collect())
}

/// Checks that exactly the wanted tensors are there, in their shapes.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn check(tensors: &[NamedTensor], wanted: &Wanted) -> Result<(), String> {
    let found: BTreeMap<&str, &[usize]> = tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice())).collect();
    let others: Vec<String> = found.keys().filter(|name| !wanted.contains_key(**name)).map(|name| (*name).to_owned()).collect();
    for (name, shape) in wanted {
        match found.get(name.as_str()) {
            Some(there) if there == shape => {}
            Some(there) => return Err(format!("tensor `{name}` has shape {there:?}, but the network needs {shape:?}")),
            None => {
                let instead =
                    if others.is_empty() { String::new() } else { format!("; it has what the network does not: {}", some_of(&others)) };
                return Err(format!("tensor `{name}` of shape {shape:?} is missing{instead}"));
            }
        }
    }
    if others.is_empty() { Ok(()) } else { Err(format!("the network has no {}", some_of(&others))) }
}

/// A few of the names, and how many more there are.
pub(crate) fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
