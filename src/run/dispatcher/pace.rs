//! Writing down what happens, often enough and not too often.

use std::time::{Duration, Instant};

use planish_cache::StoreError;

use super::Dispatcher;

impl Dispatcher<'_> {
    /// Many small results reach the disk together.
    pub(super) fn sync_results(&mut self) -> Result<(), StoreError> {
        if self.unsynced {
            self.around.store.sync_all()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Writes what happened, unless that was done only just now.
    pub(super) fn write_if_due(&mut self) -> Result<(), StoreError> {
        if self.recorder.has_news() && self.pace.is_due() {
            let begun = Instant::now();
            self.sync_results()?;
            self.recorder.write()?;
            self.around.history.save(self.around.store)?;
            self.pace.wrote(begun);
        }
        Ok(())
    }
}

/// How often records are written. Each writing takes as long as the plan is large, so their number must not grow with it too.
#[derive(Debug, Default)]
pub(super) struct Pace {
    next: Option<Instant>,
}

impl Pace {
    /// The shortest time from one writing to the next.
    const SHORTEST: Duration = Duration::from_millis(100);
    /// Writing takes at most one part in this many of the time.
    const PARTS: u32 = 20;

    fn is_due(&self) -> bool {
        self.pause().is_zero()
    }

    /// How long until the next writing.
    pub(super) fn pause(&self) -> Duration {
        self.next.map_or(Duration::ZERO, |next| next.saturating_duration_since(Instant::now()))
    }

    /// A writing that began at `begun` ends now.
    fn wrote(&mut self, begun: Instant) {
        let pause = (begun.elapsed() * Self::PARTS).max(Self::SHORTEST);
        self.next = Some(Instant::now() + pause);
    }
}
