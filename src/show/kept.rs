//! What keeps results from being collected: `pin`, `unpin`, and a part of `gc`.

use std::collections::BTreeSet;

use planish_cache::{Key, Root};
use schemars::JsonSchema;
use serde::Serialize;

use super::listing::table;
use super::words;

/// What keeps results from being collected.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RootView {
    /// `plan` or `pin`.
    kind: &'static str,
    /// The pipeline file and profile, or the name of the pin.
    pub(super) name: String,
    /// How many results it keeps, of those that are there: a plan names the keys of work that failed or never ended as well.
    pub(super) results: usize,
    /// Whether its list of results can't be read: `gc` refuses to work then.
    damaged: bool,
}

/// What keeps results from being collected: the answer of `pin` and `unpin`, once they are done.
#[derive(Debug, Serialize, JsonSchema)]
pub struct KeptView {
    /// The latest plan of each pipeline file and profile, and the pins.
    pub kept: Vec<RootView>,
}

impl RootView {
    /// The view of a root; `there` are the keys that have a result.
    #[must_use]
    pub fn new(root: &Root, there: &BTreeSet<Key>) -> Self {
        let kind = if root.pinned { "pin" } else { "plan" };
        let results = root.keys.values().filter(|key| there.contains(key)).count();
        RootView { kind, name: root.title.clone(), results, damaged: root.damaged }
    }
}

/// What keeps results from being collected, a line each.
#[must_use]
pub fn roots(KeptView { kept: roots }: &KeptView) -> String {
    let row = |root: &RootView| {
        let state = if root.damaged { "damaged".to_owned() } else { words::count(root.results, "result") };
        [root.kind.to_owned(), root.name.clone(), state]
    };
    if roots.is_empty() { "nothing is kept from `planish gc`\n".to_owned() } else { table(&roots.iter().map(row).collect::<Vec<_>>()) }
}
