//! What is known of a data set before it is there.

use std::collections::BTreeMap;

use planish_contract::Known;
use serde::{Deserialize, Serialize};

use crate::SplitName;

/// What is known of a data set before it is there: what estimates of time need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFacts {
    /// Channels, height and width of an image.
    pub shape: [usize; 3],
    /// How many classes there are.
    pub classes: usize,
    /// How many images each split has.
    pub splits: BTreeMap<SplitName, usize>,
}

impl DataFacts {
    /// What is known of the data set that is connected to the input `data`.
    #[must_use]
    pub fn of(inputs: &Known) -> Option<DataFacts> {
        DataFacts::deserialize(inputs.get("data")?).ok()
    }

    /// How many images a split has, of which at most `limit` are used.
    #[must_use]
    pub fn images(&self, split: SplitName, limit: Option<usize>) -> usize {
        let all = self.splits.get(&split).copied().unwrap_or_default();
        limit.map_or(all, |limit| limit.min(all))
    }
}
