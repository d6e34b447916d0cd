//! Folders of old runs: their records and logs, which only inform.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use planish_cache::Store;

use super::history;
use super::record::{self, RunRecord, read_record};

/// The folder of a run that nothing needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldRun {
    /// The run.
    pub run: String,
    /// The bytes of its files.
    pub bytes: u64,
    /// When something in it was last written.
    pub written: SystemTime,
    folder: PathBuf,
}

/// Which runs nothing needs: beside the `newest` ones, those stay that go on, that were written to within `older_than`, that have the newest log
/// of an instance, and that `status` and `why` name. As long as it can't be known what those name, all stay. The oldest come first.
#[must_use]
pub fn old_runs(store: &Store, newest: usize, older_than: Option<Duration>) -> Vec<OldRun> {
    let runs = record::runs(&store.runs_dir());
    let records: Vec<Option<RunRecord>> = runs.iter().map(|run| read_record(store, run)).collect();
    // Read later than the records: a run that ends meanwhile is named before its record says so.
    let Some(named) = history::named_runs(store) else { return Vec::new() };
    let (now, mut seen, mut old) = (SystemTime::now(), BTreeSet::new(), Vec::new());
    for (index, (run, record)) in runs.into_iter().zip(records).enumerate() {
        let mut needed = index < newest || named.contains(&run);
        if let Some(record) = record {
            needed |= record.goes_on();
            for (instance, of) in &record.instances {
                needed |= of.log.is_some() && seen.insert((record.pipeline.clone(), instance.clone()));
            }
        }
        let folder = store.runs_dir().join(&run);
        let Some((bytes, written)) = extent(&folder).filter(|_| !needed) else { continue };
        // A clock that was set back makes things younger, which keeps them.
        if older_than.is_none_or(|age| now.duration_since(written).is_ok_and(|found| found >= age)) {
            old.push(OldRun { run, bytes, written, folder });
        }
    }
    old.reverse();
    old
}

/// Removes the folders of old runs.
///
/// # Errors
/// A folder that can't be removed, with what the system says.
pub fn remove_runs(runs: &[OldRun]) -> Result<(), (PathBuf, io::Error)> {
    for run in runs {
        match std::fs::remove_dir_all(&run.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err((run.folder.clone(), error)),
            _ => {}
        }
    }
    Ok(())
}

/// The bytes of the files in a folder, and when it or one of them was last written; `None` when it is no folder.
fn extent(folder: &Path) -> Option<(u64, SystemTime)> {
    let own = std::fs::symlink_metadata(folder).ok().filter(std::fs::Metadata::is_dir)?;
    let (mut bytes, mut written) = (0, own.modified().ok()?);
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += metadata.len();
        written = written.max(metadata.modified().unwrap_or(written));
    }
    Some((bytes, written))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::run::record::Recorder;
    use crate::run::tests::open;

    #[test]
    fn a_run_that_begins_is_never_an_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let collector = scope.spawn(|| {
                let mut taken = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    taken.extend(old_runs(&store, 0, None).into_iter().map(|old| old.run));
                }
                taken
            });
            for _ in 0..200 {
                let mut recorder = Recorder::begin(&store, "pipeline", ["a"].into_iter());
                recorder.write().unwrap();
                assert!(read_record(&store, &recorder.record.run).is_some_and(|record| record.goes_on()));
                // Away at once, so that it is never seen half removed.
                let away = folder.path().join("away");
                std::fs::rename(store.runs_dir().join(&recorder.record.run), &away).unwrap();
                std::fs::remove_dir_all(away).unwrap();
            }
            done.store(true, Ordering::Relaxed);
            assert_eq!(collector.join().unwrap(), Vec::<String>::new());
        });
    }

    #[test]
    fn a_folder_that_a_killed_planish_left_without_a_record_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        std::fs::create_dir(store.runs_dir().join("20200101-000000-1")).unwrap();
        let old = old_runs(&store, 0, None);
        assert_eq!(old.iter().map(|old| old.run.as_str()).collect::<Vec<_>>(), ["20200101-000000-1"]);
        remove_runs(&old).unwrap();
        assert!(old_runs(&store, 0, None).is_empty());
    }
}
