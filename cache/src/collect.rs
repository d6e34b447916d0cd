//! Collection: removing what nothing needs, safely beside runs.
//!
//! A result is needed when a root ([`crate::Root`]) names its key, when a living process relies on it, or when its
//! key is locked. All else may go: results, checkpoints of work that nothing will go on with, packs of the memo, what
//! was set aside. Blobs go when nothing that stays needs them. Records go first, so that an interrupted collection
//! leaves blobs that nothing needs, never records whose blobs are gone.

mod census;
mod sweep;

use std::path::PathBuf;
use std::time::Duration;

use crate::{Digest, Key, Root, Store, StoreError, fs};
use census::{Census, Holder, Holding};

/// How long a pack of the memo stays after its last use when no age is asked for.
pub const MEMO_AGE: Duration = Duration::from_hours(30 * 24);

/// What a collection may remove.
#[derive(Clone, Debug, Default)]
pub struct CollectOptions {
    /// Only what was last used longer ago than this.
    pub older_than: Option<Duration>,
    /// Only as much as it takes, what was used longest ago first, to have no more than this many bytes.
    pub max_size: Option<u64>,
    /// Remove nothing, only say what would be removed.
    pub dry_run: bool,
}

/// What something removed was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Garbage {
    /// A result that nothing reaches.
    Result {
        /// Its key.
        key: Key,
        /// The instance that made it, if its record could be read.
        instance: Option<String>,
    },
    /// Checkpoints that no work will go on from.
    Checkpoints {
        /// The key of that work.
        key: Key,
    },
    /// A pack of the memo of pure parts.
    Parts {
        /// The digest of the pack.
        pack: Digest,
    },
    /// A damaged file that was set aside.
    SetAside {
        /// Where it was.
        path: PathBuf,
    },
    /// Blobs that nothing held before, left by killed processes.
    Orphans {
        /// How many.
        count: usize,
    },
}

/// One thing that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// What it was.
    pub what: Garbage,
    /// How many bytes that freed.
    pub bytes: u64,
    /// When it was last used, in nanoseconds since 1970; for results when they were made or last reached by a plan.
    pub used: i64,
}

/// What a collection did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// What was removed, in that order.
    pub removed: Vec<Removed>,
    /// How many bytes that freed.
    pub freed: u64,
    /// How many bytes there are now: blobs, records, checkpoints and what is set aside.
    pub size: u64,
    /// How many results stay.
    pub results: usize,
    /// How many of them nothing reaches, which stay because of `older_than` or `max_size`.
    pub unreached: usize,
    /// How many results stay because living processes rely on them and nothing else does.
    pub in_use: usize,
    /// The plans and pins that were heeded, with those of their results that are there.
    pub roots: Vec<Root>,
    /// Whether `max_size` was met.
    pub within_budget: bool,
}

impl Store {
    /// Removes what nothing needs. Lookups of other processes wait while it works, and it waits for theirs. A dry run
    /// works in a store that may only be read, too.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Invalid`] when it can't be known what is needed (a damaged root, records of a later
    /// planish), [`StoreError::Io`] and the like. What was removed by then was not needed.
    pub fn collect(&self, options: &CollectOptions) -> Result<Collected, StoreError> {
        let _alone = self.collecting(options.dry_run)?;
        let mut census = Census::take(self, options.dry_run)?;
        let chosen = choose(&mut census, options);
        if !options.dry_run {
            self.sweep(&census, &chosen)?;
        }
        Ok(report(census, chosen, options))
    }
}

/// What goes, in order.
struct Chosen {
    removed: Vec<(usize, Removed)>,
    /// Blobs that nothing holds any more.
    blobs: Vec<Digest>,
    orphans: Option<Removed>,
    /// How many bytes stay.
    size: u64,
}

fn choose(census: &mut Census, options: &CollectOptions) -> Chosen {
    let now = fs::now();
    let mut size = census.size();
    let (mut blobs, orphans) = census.orphans();
    size = size.saturating_sub(orphans.as_ref().map_or(0, |orphans| orphans.bytes));
    let mut candidates: Vec<usize> = (0..census.holders.len()).filter(|index| may_go(&census.holders[*index], options, now)).collect();
    candidates.sort_by_key(|index| census.holders.get(*index).map(|holder| (holder.used, holder.what.clone())));
    let mut removed = Vec::new();
    for index in candidates {
        if options.max_size.is_some_and(|most| size <= most) {
            break;
        }
        let (freed, bytes) = census.release(index);
        blobs.extend(freed);
        size = size.saturating_sub(bytes);
        if let Some(Holder { what, used, .. }) = census.holders.get(index) {
            removed.push((index, Removed { what: what.clone(), bytes, used: *used }));
        }
    }
    Chosen { removed, blobs, orphans, size }
}

fn may_go(holder: &Holder, options: &CollectOptions, now: i64) -> bool {
    if holder.holding != Holding::Nothing {
        return false;
    }
    let age = match (&holder.what, options.older_than, options.max_size) {
        (_, Some(age), _) => age,
        // A plan can't reach parts, so their use is what counts.
        (Garbage::Parts { .. }, None, None) => MEMO_AGE,
        _ => return true,
    };
    // A clock that was set back makes things younger, which keeps them.
    i128::from(now) - i128::from(holder.used) >= i128::try_from(age.as_nanos()).unwrap_or(i128::MAX)
}

fn report(census: Census, chosen: Chosen, options: &CollectOptions) -> Collected {
    let gone: std::collections::HashSet<usize> = chosen.removed.iter().map(|(index, _)| *index).collect();
    let stays = |holding: Option<Holding>| {
        let counts = |(index, holder): &(usize, &Holder)| {
            !gone.contains(index) && matches!(holder.what, Garbage::Result { .. }) && holding.is_none_or(|kind| kind == holder.holding)
        };
        census.holders.iter().enumerate().filter(counts).count()
    };
    let (results, unreached, in_use) = (stays(None), stays(Some(Holding::Nothing)), stays(Some(Holding::InUse)));
    let removed: Vec<Removed> = chosen.orphans.into_iter().chain(chosen.removed.into_iter().map(|(_, removed)| removed)).collect();
    Collected {
        freed: removed.iter().map(|removed| removed.bytes).sum(),
        removed,
        size: chosen.size,
        results,
        unreached,
        in_use,
        roots: census.roots,
        within_budget: options.max_size.is_none_or(|most| chosen.size <= most),
    }
}
