//! What surrounds a stage inside its worker.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use planish_contract::{Host, Progress};
use serde_json::Value;

use super::event::Event;

/// Progress more often than this is dropped, except for the last step.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(50);

/// The [`Host`] of a worker: events go to the engine, lines to the log.
pub(super) struct WorkerHost {
    stop: Arc<AtomicBool>,
    events: Mutex<Box<dyn Write + Send>>,
    log: Mutex<Box<dyn Write + Send>>,
    facts: Mutex<BTreeMap<String, Value>>,
    shown: Mutex<Option<Instant>>,
}

impl WorkerHost {
    /// A host that writes events to `events` and log lines to `log`, and is stopped by `stop`.
    #[must_use]
    pub(super) fn new(stop: Arc<AtomicBool>, events: Box<dyn Write + Send>, log: Box<dyn Write + Send>) -> Self {
        WorkerHost { stop, events: Mutex::new(events), log: Mutex::new(log), facts: Mutex::default(), shown: Mutex::default() }
    }

    /// Tells the engine. An engine that is gone ends this process anyway.
    pub(super) fn tell(&self, event: &Event) {
        let mut events = lock(&self.events);
        drop(writeln!(events, "{}", event.to_line()).and_then(|()| events.flush()));
    }

    /// What the stage recorded with [`Host::provenance`].
    #[must_use]
    pub(super) fn facts(&self) -> BTreeMap<String, Value> {
        lock(&self.facts).clone()
    }
}

impl Host for WorkerHost {
    fn progress(&self, progress: Progress) {
        let mut shown = lock(&self.shown);
        let recent = shown.is_some_and(|at| at.elapsed() < PROGRESS_INTERVAL);
        if recent && (progress.total == 0 || progress.done < progress.total) {
            return;
        }
        *shown = Some(Instant::now());
        drop(shown);
        self.tell(&Event::Progress(progress));
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn provenance(&self, name: &str, value: Value) {
        lock(&self.facts).insert(name.to_owned(), value);
    }

    fn log(&self, line: &str) {
        let mut log = lock(&self.log);
        // A log that can't be written must not cost the result.
        drop(writeln!(log, "{line}").and_then(|()| log.flush()));
    }
}

/// A panic elsewhere leaves plain data behind, never a broken invariant.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::testing::Shared;

    fn step(done: u64) -> Progress {
        Progress { done, total: 3, text: String::new() }
    }

    #[test]
    fn progress_is_thinned_but_its_end_is_shown() {
        let events = Shared::default();
        let host = WorkerHost::new(Arc::default(), Box::new(events.clone()), Box::new(Shared::default()));
        for done in [1, 2, 3] {
            host.progress(step(done));
        }
        let seen: Vec<Option<Event>> = events.text().lines().map(Event::from_line).collect();
        assert_eq!(seen, [Some(Event::Progress(step(1))), Some(Event::Progress(step(3)))]);
    }

    #[test]
    fn facts_and_log_lines_are_kept_apart_from_events() {
        let (events, log) = (Shared::default(), Shared::default());
        let stop = Arc::new(AtomicBool::new(false));
        let host = WorkerHost::new(Arc::clone(&stop), Box::new(events.clone()), Box::new(log.clone()));
        host.provenance("device", "cpu".into());
        host.log("hello");
        assert_eq!(host.facts().get("device"), Some(&Value::from("cpu")));
        assert_eq!((log.text().as_str(), events.text().as_str()), ("hello\n", ""));
        assert!(!host.stopped());
        stop.store(true, Ordering::Relaxed);
        assert!(host.stopped());
    }
}
