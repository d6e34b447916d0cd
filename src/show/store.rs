//! What became of the store: `gc`, `verify`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use indicatif::{ProgressBar, ProgressStyle};
use planish_cache::{CollectOptions, Collected, Fault, Finding, Garbage, Key, Removed, Repair, Verified, VerifyProgress};
use schemars::JsonSchema;
use serde::Serialize;

use crate::run::{OldNotes, OldRun};

use super::kept::RootView;
use super::listing::table;
use super::{Screen, words};

/// How many lines of what was removed are shown.
const MOST: usize = 40;
/// How often progress is said where no bar is shown.
const INTERVAL: Duration = Duration::from_secs(10);

/// What a collection did.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CollectionView {
    /// Whether nothing was removed, only looked for.
    dry_run: bool,
    /// What was removed, or would be.
    removed: Vec<RemovedView>,
    /// The bytes that this gives back.
    freed_bytes: u64,
    /// The size of the store afterwards.
    size_bytes: u64,
    /// How many results stay.
    results_kept: usize,
    /// How many of those nothing reaches.
    results_unreached: usize,
    /// How many of those only running work needs.
    results_in_use: usize,
    /// Whether the store is no larger than `--max-size` afterwards; true when no size was asked for.
    within_budget: bool,
    /// What keeps results.
    kept: Vec<RootView>,
}

/// One thing that was removed.
#[derive(Debug, Serialize, JsonSchema)]
struct RemovedView {
    /// `result`, `checkpoints`, `parts`, `damaged`, `orphans`, `run` or `notes`.
    kind: &'static str,
    /// The instance that made a result; a path for what was set aside; a run.
    name: Option<String>,
    /// The key of a result or of checkpoints, the digest of parts.
    key: Option<String>,
    /// How many bytes that frees.
    bytes: u64,
    /// Seconds since it was last used.
    unused_seconds: u64,
}

impl RemovedView {
    fn new(removed: &Removed) -> Self {
        let (kind, name, key) = match &removed.what {
            Garbage::Result { key, instance } => ("result", instance.clone(), Some(key.to_string())),
            Garbage::Checkpoints { key } => ("checkpoints", None, Some(key.to_string())),
            Garbage::Parts { pack } => ("parts", None, Some(pack.to_string())),
            Garbage::SetAside { path } => ("damaged", Some(super::path(path)), None),
            Garbage::Orphans { count } => ("orphans", Some(words::count(*count, "blob")), None),
        };
        let used = u64::try_from(removed.used / 1_000_000_000).unwrap_or(0);
        RemovedView { kind, name, key, bytes: removed.bytes, unused_seconds: seconds(SystemTime::now()).saturating_sub(used) }
    }

    fn of_run(old: &OldRun) -> Self {
        let unused_seconds = seconds(SystemTime::now()).saturating_sub(seconds(old.written));
        RemovedView { kind: "run", name: Some(old.run.clone()), key: None, bytes: old.bytes, unused_seconds }
    }

    fn of_notes(notes: &OldNotes, written: SystemTime) -> Self {
        let unused_seconds = seconds(SystemTime::now()).saturating_sub(seconds(written));
        let name = words::count(notes.count(), "note");
        RemovedView { kind: "notes", name: Some(name), key: None, bytes: notes.bytes, unused_seconds }
    }

    fn row(&self) -> [String; 4] {
        let name = self.name.clone().or_else(|| self.key.as_ref().map(|key| key.chars().take(12).collect())).unwrap_or_default();
        [self.kind.to_owned(), name, words::size(self.bytes), format!("unused for {}", words::age(self.unused_seconds))]
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl CollectionView {
    /// The view of what a collection with these options did; `there` are the keys that have a result.
    #[must_use]
    pub fn new(collected: &Collected, options: &CollectOptions, there: &BTreeSet<Key>) -> Self {
        CollectionView {
            dry_run: options.dry_run,
            removed: collected.removed.iter().map(RemovedView::new).collect(),
            freed_bytes: collected.freed,
            size_bytes: collected.size,
            results_kept: collected.results,
            results_unreached: collected.unreached,
            results_in_use: collected.in_use,
            within_budget: collected.within_budget,
            kept: collected.roots.iter().map(|root| RootView::new(root, there)).collect(),
        }
    }

    /// The same with the folders of runs that were removed; they are not part of the store's size.
    #[must_use]
    pub fn runs(mut self, runs: &[OldRun]) -> Self {
        self.freed_bytes += runs.iter().map(|run| run.bytes).sum::<u64>();
        self.removed.extend(runs.iter().map(RemovedView::of_run));
        self
    }

    /// The same with the notes that were removed; they are not part of the store's size either.
    #[must_use]
    pub fn notes(mut self, notes: &OldNotes) -> Self {
        self.freed_bytes += notes.bytes;
        self.removed.extend(notes.written.map(|written| RemovedView::of_notes(notes, written)));
        self
    }

    /// It as text.
    #[must_use]
    pub fn text(&self) -> String {
        let rows: Vec<_> = self.removed.iter().take(MOST).map(RemovedView::row).collect();
        let more = self.removed.len().saturating_sub(MOST);
        let more = if more > 0 { format!("and {more} more (--json lists all)\n") } else { String::new() };
        let results = self.removed.iter().filter(|removed| removed.kind == "result").count();
        let others = self.removed.len() - results;
        let others = if others > 0 { format!(" and {}", words::count(others, "other thing")) } else { String::new() };
        let freed = match (self.removed.len(), self.dry_run) {
            (0, _) => "nothing to remove".to_owned(),
            (_, dry_run) => {
                let verb = if dry_run { "would free" } else { "freed" };
                format!("{verb} {}: {}{others}", words::size(self.freed_bytes), words::count(results, "result"))
            }
        };
        let stay = if self.results_kept == 1 { "stays" } else { "stay" };
        let sums = format!("{freed}; {} {stay}, {} in all\n", words::count(self.results_kept, "result"), words::size(self.size_bytes));
        [table(&rows), more, sums, self.reasons()].concat()
    }

    /// Why what stays does.
    fn reasons(&self) -> String {
        let mut rows: Vec<[String; 3]> = Vec::new();
        for root in &self.kept {
            rows.push(["kept for".to_owned(), root.name.clone(), words::count(root.results, "result")]);
        }
        if self.results_in_use > 0 {
            rows.push(["kept for".to_owned(), "running work".to_owned(), words::count(self.results_in_use, "result")]);
        }
        if self.results_unreached > 0 {
            rows.push(["not reached".to_owned(), "by any plan or pin".to_owned(), words::count(self.results_unreached, "result")]);
        }
        table(&rows)
    }

    /// What to say when the store is larger than was asked for.
    #[must_use]
    pub fn over_budget(&self, most: u64) -> String {
        let (size, most) = (words::size(self.size_bytes), words::size(most));
        format!(
            "the store has {size}, more than {most}: all that may go is gone; `planish pin` lists what is kept, `planish unpin` lets pins go"
        )
    }
}

/// What a verification found.
#[derive(Debug, Serialize, JsonSchema)]
pub struct VerificationView {
    /// How many objects were read.
    objects: usize,
    /// Their bytes.
    bytes: u64,
    /// How many results are intact.
    results: usize,
    /// How many sub-results are intact.
    parts: usize,
    /// How many results are in a format of another planish; they are left alone.
    other_versions: usize,
    /// Whether every fault was repaired.
    repaired: bool,
    /// The faults.
    findings: Vec<FindingView>,
}

/// One fault.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Fault")]
struct FindingView {
    /// `damaged-blob`, `unreadable-blob`, `damaged-entry`, `incomplete-result`, `lost-parts`, `unmarked-parts`, `damaged-memo`,
    /// `damaged-snapshot` or `damaged-root`.
    fault: &'static str,
    /// The digest or key concerned.
    id: Option<String>,
    /// It in words.
    message: String,
    /// The file concerned.
    path: String,
    /// `set-aside`, `removed`, `rebuilt`, `left` or `failed`.
    repair: &'static str,
    /// The repair in words.
    repair_message: String,
}

impl FindingView {
    fn new(finding: &Finding) -> Self {
        let (fault, id) = match &finding.fault {
            Fault::DamagedBlob(digest) => ("damaged-blob", Some(digest.to_string())),
            Fault::UnreadableBlob(digest) => ("unreadable-blob", Some(digest.to_string())),
            Fault::DamagedEntry(key, _) => ("damaged-entry", Some(key.to_string())),
            Fault::IncompleteResult(key, _) => ("incomplete-result", Some(key.to_string())),
            Fault::LostParts(digest) => ("lost-parts", Some(digest.to_string())),
            Fault::UnmarkedParts(digest) => ("unmarked-parts", Some(digest.to_string())),
            Fault::DamagedMemo => ("damaged-memo", None),
            Fault::DamagedSnapshot => ("damaged-snapshot", None),
            Fault::DamagedRoot(_) => ("damaged-root", None),
        };
        let repair = match finding.repair {
            Repair::SetAside(_) => "set-aside",
            Repair::Removed => "removed",
            Repair::Rebuilt => "rebuilt",
            Repair::DryRun => "left",
            Repair::Failed(_) => "failed",
        };
        let repair_message = match &finding.repair {
            Repair::SetAside(path) => format!("set aside as {}", super::path(path)),
            repair => repair.to_string(),
        };
        FindingView { fault, id, message: finding.fault.to_string(), path: super::path(&finding.path), repair, repair_message }
    }
}

impl VerificationView {
    /// The view of what a verification found.
    #[must_use]
    pub fn new(verified: &Verified) -> Self {
        VerificationView {
            objects: verified.objects,
            bytes: verified.bytes,
            results: verified.results,
            parts: verified.parts,
            other_versions: verified.other_versions,
            repaired: verified.is_repaired(),
            findings: verified.findings.iter().map(FindingView::new).collect(),
        }
    }

    /// It as text.
    #[must_use]
    pub fn text(&self) -> String {
        let findings = self.findings.iter().map(|finding| format!("{}: {}", finding.message, finding.repair_message));
        let intact = [words::count(self.results, "result"), words::count(self.parts, "sub-result")].join(", ");
        let read = format!("read {} in {}: {intact} intact", words::size(self.bytes), words::count(self.objects, "object"));
        let others =
            (self.other_versions > 0).then(|| format!("{} of another planish left alone", words::count(self.other_versions, "result")));
        let faults = words::count(self.findings.len(), "fault");
        let open = self.findings.iter().filter(|finding| matches!(finding.repair, "left" | "failed")).count();
        let sum = match (self.findings.len(), open) {
            (0, _) => "no faults".to_owned(),
            (_, 0) => format!("{faults}, all repaired; `planish run` makes again what was lost"),
            (_, open) => format!("{faults}, {open} not repaired"),
        };
        let lines: Vec<String> = findings.chain([read]).chain(others).chain([sum]).collect();
        lines.join("\n") + "\n"
    }
}

/// How far a verification is, on standard error: a bar on a terminal, a line now and then elsewhere.
#[derive(Debug)]
pub struct VerifyBar {
    screen: Screen,
    bar: Option<ProgressBar>,
    said: Instant,
}

impl VerifyBar {
    /// A bar that shows nothing yet.
    #[must_use]
    pub fn new(screen: Screen) -> Self {
        let bar = (screen.is_terminal() && !screen.is_quiet()).then(|| {
            let style = ProgressStyle::with_template("{bar:30.green} {bytes}/{total_bytes}, {eta} left");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        VerifyBar { screen, bar, said: Instant::now() }
    }

    /// Shows how far it is now.
    pub fn advance(&mut self, progress: VerifyProgress) {
        if let Some(bar) = &self.bar {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
        } else if self.said.elapsed() >= INTERVAL {
            self.said = Instant::now();
            self.screen.say(&format!("read {} of {}", words::size(progress.done), words::size(progress.total)));
        }
    }
}

impl Drop for VerifyBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
