//! What keeps results from being collected: `pin`, `unpin`, and a part of `gc`.

use planish_cache::Root;
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
    /// How many results it keeps.
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
    /// The view of a root.
    #[must_use]
    pub fn new(root: &Root) -> Self {
        let kind = if root.pinned { "pin" } else { "plan" };
        RootView { kind, name: root.title.clone(), results: root.keys.len(), damaged: root.damaged }
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
