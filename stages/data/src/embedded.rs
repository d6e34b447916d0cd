//! Selections that are part of the program.

use std::collections::BTreeMap;
use std::io::Read;

use lzma_rust2::LzmaReader;
use planish_contract::Failure;
use planish_formats::{NamedTensor, Split, SplitName, Values, tensors_from_bytes};
use sha2::{Digest, Sha256};

use crate::dataset::Sizes;

/// More than any embedded selection unpacks to.
const LIMIT: u64 = 1 << 25;
/// The memory that unpacking may take, in KiB.
const MEMORY: u32 = 1 << 16;

/// A selection that is part of the program: safetensors, packed as an `.lzma` stream.
#[derive(Debug)]
pub struct Embedded {
    /// The packed file.
    pub packed: &'static [u8],
    /// Its SHA-256, in lower-case hexadecimal.
    pub sha256: &'static str,
    /// How many images it has.
    pub sizes: Sizes,
}

impl Embedded {
    /// Unpacks all splits; smaller selections are prefixes of them.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the program was built with a damaged pack.
    pub(crate) fn unpack(&self, shape: [usize; 3]) -> Result<BTreeMap<SplitName, Split>, Failure> {
        let damaged = |what: String| Failure::internal(format!("the embedded data set is damaged: {what}"));
        let found = format!("{:x}", Sha256::digest(self.packed));
        if found != self.sha256 {
            return Err(damaged(format!("sha256 {} expected, {found} found", self.sha256)));
        }
        let mut content = Vec::new();
        let reader = LzmaReader::new_mem_limit(self.packed, MEMORY, None).map_err(|e| damaged(e.to_string()))?;
        reader.take(LIMIT).read_to_end(&mut content).map_err(|e| damaged(e.to_string()))?;
        let mut tensors = tensors_from_bytes(&content, "the embedded data set")?;
        let mut splits = BTreeMap::new();
        for name in SplitName::ALL {
            let split = split(&mut tensors, name, shape).ok_or_else(|| damaged(format!("split {name}")))?;
            splits.insert(name, split);
        }
        Ok(splits)
    }
}

fn split(tensors: &mut Vec<NamedTensor>, name: SplitName, shape: [usize; 3]) -> Option<Split> {
    let images = take(tensors, name, "images")?;
    let labels = whole_numbers(take(tensors, name, "labels")?)?;
    let ids = whole_numbers(take(tensors, name, "ids")?)?;
    let [c, h, w] = shape;
    let Values::U8(pixels) = images.values else { return None };
    let whole = images.shape == [labels.len(), c, h, w] && ids.len() == labels.len();
    whole.then_some(Split { shape, images: pixels.into(), labels, ids })
}

fn take(tensors: &mut Vec<NamedTensor>, split: SplitName, what: &str) -> Option<NamedTensor> {
    let name = format!("{split}.{what}");
    let index = tensors.iter().position(|tensor| tensor.name == name)?;
    Some(tensors.swap_remove(index))
}

fn whole_numbers(tensor: NamedTensor) -> Option<Vec<u32>> {
    match tensor.values {
        Values::I64(values) => values.into_iter().map(|value| u32::try_from(value).ok()).collect(),
        _ => None,
    }
}
