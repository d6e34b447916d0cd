//! What is known of the values of a graph before it runs.

use std::collections::{BTreeMap, BTreeSet};

use super::dim::{Dim, product};
use super::node::Reading;
use super::tensor;
use super::tensor::signed;
use crate::proto::tensor_proto::DataType;
use crate::proto::{NodeProto, TensorProto};

/// Sizes, `None` where one is not known.
pub(crate) type Sizes = Vec<Option<Dim>>;

/// What is known of one value.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) element: DataType,
    /// The sizes; `None` when not even their number is known.
    pub(crate) sizes: Option<Sizes>,
    /// The entries of a small tensor of whole numbers.
    pub(crate) entries: Option<Sizes>,
}

impl Fact {
    pub(crate) fn new(element: DataType, sizes: Option<Sizes>) -> Self {
        Fact { element, sizes, entries: None }
    }

    /// A tensor of whole numbers with these entries; `rank` 0 or 1.
    pub(crate) fn whole(entries: Sizes, rank: usize) -> Self {
        let sizes = if rank == 0 { vec![] } else { vec![Some(Dim::of(signed(entries.len())))] };
        Fact { element: DataType::Int64, sizes: Some(sizes), entries: Some(entries) }
    }
}

/// What is known of all values, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    facts: BTreeMap<String, Fact>,
    constants: BTreeMap<String, TensorProto>,
}

impl Facts {
    /// Sizes that no tensor can have, which shapes in a model may lead to, count as not known: what is computed from sizes stays in range.
    pub(crate) fn insert(&mut self, name: &str, mut fact: Fact) {
        for size in fact.sizes.iter_mut().flatten() {
            *size = size.filter(|size| size.is_plausible());
        }
        self.facts.insert(name.to_owned(), fact);
    }

    /// The names of all values.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.facts.keys().cloned()
    }

    /// A tensor that is in the model.
    pub(crate) fn insert_constant(&mut self, name: &str, value: TensorProto) {
        let sizes = value.dims.iter().map(|&size| Some(Dim::of(size))).collect();
        let element = DataType::try_from(value.data_type()).unwrap_or(DataType::Undefined);
        let entries = tensor::integers(&value).map(|entries| entries.into_iter().map(|entry| Some(Dim::of(entry))).collect());
        self.insert(name, Fact { element, sizes: Some(sizes), entries });
        self.constants.insert(name.to_owned(), value);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Fact> {
        self.facts.get(name)
    }

    /// The tensors that are in the model, with their names.
    pub(crate) fn take_constants(&mut self) -> Vec<TensorProto> {
        let named = |(name, value)| TensorProto { name: Some(name), ..value };
        std::mem::take(&mut self.constants).into_iter().map(named).collect()
    }

    /// Leaves out the tensors that are not among `names`.
    pub(crate) fn keep_constants(&mut self, names: &BTreeSet<String>) {
        self.constants.retain(|name, _| names.contains(name));
    }

    /// The value of a tensor that is in the model.
    pub(crate) fn constant(&self, name: &str) -> Option<&TensorProto> {
        self.constants.get(name)
    }

    pub(crate) fn element(&self, name: &str) -> DataType {
        self.get(name).map_or(DataType::Undefined, |fact| fact.element)
    }

    pub(crate) fn sizes(&self, name: &str) -> Option<&Sizes> {
        self.get(name)?.sizes.as_ref()
    }

    pub(crate) fn rank(&self, name: &str) -> Option<usize> {
        self.sizes(name).map(Vec::len)
    }

    /// The size of axis `axis` where it is the same for any number of images.
    pub(crate) fn size(&self, name: &str, axis: usize) -> Option<i64> {
        (*self.sizes(name)?.get(axis)?)?.constant()
    }

    /// The entries of a tensor of whole numbers where they are the same for any number of images.
    pub(crate) fn integers(&self, name: &str) -> Option<Vec<i64>> {
        self.get(name)?.entries.as_ref()?.iter().map(|entry| (*entry)?.constant()).collect()
    }

    /// The number of values of a tensor.
    pub(crate) fn count(&self, name: &str) -> Option<Dim> {
        product(self.sizes(name)?)
    }

    /// The fact of input `index` of a node.
    pub(crate) fn of_input(&self, node: &NodeProto, index: usize) -> Option<&Fact> {
        self.get(node.input_name(index)?)
    }

    /// Whole numbers that newer operator sets keep in input `index` and older ones in the attribute `name`.
    pub(crate) fn listed(&self, node: &NodeProto, index: usize, name: &str) -> Option<Vec<i64>> {
        match node.input_name(index) {
            Some(input) => self.integers(input),
            None => node.ints(name).map(<[i64]>::to_vec),
        }
    }
}

/// An axis counted from the front.
pub(crate) fn from_front(axis: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    let axis = if axis < 0 { axis.checked_add(rank)? } else { axis };
    (0..rank).contains(&axis).then_some(usize::try_from(axis).ok()?)
}

/// The sizes after broadcasting two shapes against each other.
pub(crate) fn broadcast(a: &[Option<Dim>], b: &[Option<Dim>]) -> Sizes {
    let rank = a.len().max(b.len());
    let one = Some(Dim::of(1));
    let of = |sizes: &[Option<Dim>], axis: usize| (axis + sizes.len()).checked_sub(rank).map_or(one, |at| sizes.get(at).copied().flatten());
    let join = |axis: usize| match (of(a, axis), of(b, axis)) {
        (x, y) if x == y => x,
        (x, y) if y == one => x,
        (x, y) if x == one => y,
        // A size that is known and not one wins over an unknown one.
        (Some(x), None) | (None, Some(x)) if x.constant().is_some() => Some(x),
        _ => None,
    };
    (0..rank).map(join).collect()
}
