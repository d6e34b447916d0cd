//! Counting passes and showing progress.

use std::time::{Duration, Instant};

use planish_contract::{Failure, Host, Progress};

/// Counts passes through the victim and shows progress.
pub(crate) struct Meter<'a> {
    host: &'a dyn Host,
    started: Instant,
    shown: Option<Instant>,
    spent: u64,
    /// Where the present piece of work began, what it may spend, and what it has spent.
    floor: u64,
    share: u64,
    in_piece: u64,
    total: u64,
}

impl<'a> Meter<'a> {
    /// Progress is shown at most this often.
    const INTERVAL: Duration = Duration::from_millis(200);

    pub(crate) fn new(host: &'a dyn Host, total: u64) -> Self {
        Meter { host, started: Instant::now(), shown: None, spent: 0, floor: 0, share: 0, in_piece: 0, total }
    }

    pub(crate) fn spent(&self) -> u64 {
        self.spent
    }

    /// A piece of work begins that may spend `share` passes; what the one before it did not spend is done as well.
    pub(crate) fn begin(&mut self, share: u64) {
        self.floor = self.floor.saturating_add(self.share);
        (self.share, self.in_piece) = (share, 0);
    }

    pub(crate) fn spend(&mut self, count: u64, text: &str) -> Result<(), Failure> {
        self.spent += count;
        self.in_piece += count;
        if self.host.stopped() {
            return Err(Failure::Stopped);
        }
        if self.shown.is_none_or(|last| last.elapsed() >= Self::INTERVAL) {
            self.shown = Some(Instant::now());
            let speed = self.spent as f64 / self.started.elapsed().as_secs_f64().max(1e-3);
            let done = self.floor.saturating_add(self.in_piece.min(self.share));
            self.host.progress(Progress { done, total: self.total, text: format!("{text}, {speed:.0} passes/s") });
        }
        Ok(())
    }
}
