//! The last lines of a run.

use std::fmt::Write;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::plan::Plan;
use crate::run::{Failed, Mark, Outcome, RunResult};

use super::listing::few;
use super::ran::CountsView;
use super::words;

/// How many lines of a failed instance's log are shown.
const TAIL_LINES: usize = 8;
/// How many bytes of a log are looked at for them.
const TAIL_BYTES: u64 = 8192;

/// What the last lines are made from.
#[derive(Clone, Copy)]
pub struct Summary<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What the run came to.
    pub result: &'a RunResult,
    /// The log of each instance, whether or not it is there.
    pub logs: &'a [PathBuf],
}

/// What went wrong and what deserves a remark, a line or more each; empty when there is nothing.
#[must_use]
pub fn remarks(summary: Summary<'_>) -> String {
    let mut text = String::new();
    let instances = summary.plan.instances.iter().zip(&summary.result.outcomes).zip(summary.logs);
    for ((instance, outcome), log) in instances {
        match outcome {
            Outcome::Failed { failed, .. } => failure(&mut text, &instance.id, failed, log),
            Outcome::Blocked { by } => {
                let missing: Vec<&str> = by.iter().filter_map(|i| summary.plan.instances.get(*i)).map(|other| other.id.as_str()).collect();
                let _ = writeln!(text, "blocked: {} needs {}", instance.id, missing.join(", "));
            }
            Outcome::Done { finished, .. } => {
                if let Some(note) = &finished.note {
                    let _ = writeln!(text, "note: {}: {note}", instance.id);
                }
            }
            Outcome::Hit { .. } | Outcome::Stopped | Outcome::NotStarted => {}
        }
    }
    if summary.result.interrupted {
        text.push_str("interrupted: run the same command again to go on; finished results are kept, and resumable stages go on from their last checkpoint\n");
    }
    text
}

fn failure(text: &mut String, instance: &str, failed: &Failed, log: &Path) {
    let _ = writeln!(text, "failed: {instance}: {}", failed.message);
    for line in tail(log) {
        let _ = writeln!(text, "  | {line}");
    }
    if let Some(hint) = &failed.hint {
        let _ = writeln!(text, "  hint: {hint}");
    }
    if log.is_file() {
        let _ = writeln!(text, "  log: {}", super::path(log));
    }
}

/// The last lines of a log, without what the worker itself wrote about the failure.
fn tail(log: &Path) -> Vec<String> {
    let Ok(mut file) = std::fs::File::open(log) else { return Vec::new() };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::new();
    let start = length.saturating_sub(TAIL_BYTES);
    if file.seek(SeekFrom::Start(start)).and_then(|_| file.take(TAIL_BYTES).read_to_end(&mut bytes)).is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("planish: ") && !line.trim().is_empty()).collect();
    let tail = lines.iter().rev().take(TAIL_LINES).rev();
    tail.map(|line| line.chars().filter(|c| !c.is_control()).take(200).collect()).collect()
}

/// Which results were made by earlier code and kept, and which rest on them; empty when none.
#[must_use]
pub fn adopted(plan: &Plan, marks: &[Mark]) -> String {
    let mut text = String::new();
    let mut resting = Vec::new();
    for (instance, mark) in plan.instances.iter().zip(marks) {
        if let Some(adoption) = &mark.own {
            let because = adoption.because.as_deref().map(|because| format!(": {because}")).unwrap_or_default();
            let _ = writeln!(text, "note: {} was made by earlier code and adopted{because}", instance.id);
        }
        if !mark.rests_on.is_empty() {
            resting.push(instance.id.as_str());
        }
    }
    if !resting.is_empty() {
        let _ = writeln!(text, "note: made from adopted results: {}", few(&resting));
    }
    text
}

/// How many instances ended how, in a line.
#[must_use]
pub fn counts(result: &RunResult) -> String {
    let counts = CountsView::of(&result.outcomes);
    let mut words = vec![format!("{} in the store", counts.hit), format!("{} ran", counts.done)];
    let rest = [
        (counts.made_by_another_run, "made by another run"),
        (counts.failed, "failed"),
        (counts.blocked, "blocked"),
        (counts.stopped, "stopped"),
        (counts.not_started, "not started"),
    ];
    words.extend(rest.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")));
    line(result.outcomes.len(), &words.join(", "), result.seconds)
}

/// The same for a run that found `instances` results unchanged.
#[must_use]
pub fn settled_counts(instances: usize, seconds: f64) -> String {
    line(instances, &format!("{instances} in the store, 0 ran"), seconds)
}

fn line(instances: usize, words: &str, seconds: f64) -> String {
    format!("{}: {words} ({})\n", words::count(instances, "instance"), words::duration(seconds))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_counts_name_what_happened() {
        let hit = Outcome::Hit { outputs: BTreeMap::new() };
        let outcomes = vec![hit, Outcome::Blocked { by: Vec::new() }];
        let result =
            RunResult { run: String::new(), outcomes, keys: Vec::new(), files: BTreeMap::new(), seconds: 0.012, interrupted: false };
        assert_eq!(counts(&result), "2 instances: 1 in the store, 0 ran, 1 blocked (12 ms)\n");
    }

    #[test]
    fn the_tail_of_a_log_is_short_and_clean() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let lines: Vec<String> = (0..2000).map(|i| format!("line {i}")).collect();
        std::fs::write(&path, lines.join("\n") + "\n\x1b[31mred\x1b[0m\n\nplanish: it failed\n").unwrap();
        let tail = tail(&path);
        assert_eq!(tail.len(), TAIL_LINES);
        assert_eq!((tail[0].as_str(), tail[7].as_str()), ("line 1993", "[31mred[0m"));
    }
}
