//! Room for the instance that should start first and does not fit yet (backfilling as in the EASY scheduler of Lifka, 1995).

use std::time::{Duration, Instant};

use super::Dispatcher;
use crate::run::budget::Room;
use crate::run::slot::Slot;

/// How many instances are refused before no more are looked at.
const PATIENCE: usize = 100;

/// Room that will be free for an instance at some time.
#[derive(Debug)]
pub(super) struct Reservation {
    /// When it is expected to start.
    starts: Instant,
    /// What will be free beside it then.
    spare: Room,
    refused: usize,
}

impl Reservation {
    /// Whether an instance may start now: it has ended by then, or fits beside.
    pub(super) fn admits(&mut self, demand: Room, ends: Option<Instant>) -> bool {
        if ends.is_some_and(|ends| ends <= self.starts) {
            return true;
        }
        let spare = self.spare.minus(demand);
        match spare {
            Some(spare) => self.spare = spare,
            None => self.refused += 1,
        }
        spare.is_some()
    }

    /// So many were refused that it is not worth looking at more.
    pub(super) fn is_tired(&self) -> bool {
        self.refused >= PATIENCE
    }
}

impl Dispatcher<'_> {
    /// When an instance that starts now will have ended, if it takes as long as the last time.
    pub(super) fn expected_end(&self, index: usize) -> Option<Instant> {
        let seconds = self.seconds.get(index).copied().flatten()?;
        Instant::now().checked_add(Duration::try_from_secs_f64(seconds).ok()?)
    }

    /// Reserves room for `demand` at the time when enough of what runs has ended; `None` when that can't be told, because it is not known how long
    /// something takes.
    pub(super) fn reserve(&self, demand: Room) -> Option<Reservation> {
        let mut running: Vec<_> =
            self.slots.iter().filter_map(|slot| if let Slot::Running(active) = slot { Some(active) } else { None }).collect();
        running.sort_by_key(|active| (active.ends.is_none(), active.ends));
        let mut room = self.budget.room();
        for active in running {
            let ends = active.ends?;
            room = room.plus(&active.share);
            if let Some(spare) = room.minus(demand) {
                // What takes longer than the last time is expected to end any moment.
                return Some(Reservation { starts: ends.max(Instant::now()), spare, refused: 0 });
            }
        }
        None
    }
}
