//! What happens by itself: time limits that end, looks at memory, tries that begin.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How often the memory of instances with a limit is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// What happens by itself, and when.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    /// When the time of running instances ends.
    deadlines: BTreeMap<usize, Instant>,
    /// How many bytes of memory running instances may use.
    memory: BTreeMap<usize, u64>,
    next_look: Option<Instant>,
    /// When instances are tried again.
    delayed: BTreeSet<(Instant, usize)>,
}

impl Alarms {
    /// The time of an instance ends at `deadline`.
    pub(super) fn watch(&mut self, instance: usize, deadline: Instant) {
        self.deadlines.insert(instance, deadline);
    }

    /// The time of an instance stands still.
    pub(super) fn rest(&mut self, instance: usize) {
        self.deadlines.remove(&instance);
    }

    /// An instance may use so many bytes of memory.
    pub(super) fn measure(&mut self, instance: usize, limit: Option<u64>) {
        if let Some(limit) = limit {
            self.memory.insert(instance, limit);
        }
    }

    /// An instance does not run any more.
    pub(super) fn forget(&mut self, instance: usize) {
        self.deadlines.remove(&instance);
        self.memory.remove(&instance);
    }

    /// An instance is to be tried again at `moment`.
    pub(super) fn delay(&mut self, instance: usize, moment: Instant) {
        self.delayed.insert((moment, instance));
    }

    /// The instances whose time has ended; each is named once.
    pub(super) fn late(&mut self, now: Instant) -> Vec<usize> {
        let late: Vec<usize> = self.deadlines.iter().filter(|(_, deadline)| **deadline <= now).map(|(instance, _)| *instance).collect();
        for instance in &late {
            self.deadlines.remove(instance);
        }
        late
    }

    /// The limits of memory, when it is time to look.
    pub(super) fn look(&mut self, now: Instant) -> Option<&BTreeMap<usize, u64>> {
        if self.memory.is_empty() || self.next_look.is_some_and(|next| now < next) {
            return None;
        }
        self.next_look = Some(now + LOOK_INTERVAL);
        Some(&self.memory)
    }

    /// The next instance that is to be tried again by now; with `all`, at whatever time.
    pub(super) fn due(&mut self, now: Instant, all: bool) -> Option<usize> {
        let first = *self.delayed.first().filter(|(moment, _)| all || *moment <= now)?;
        self.delayed.remove(&first);
        Some(first.1)
    }

    /// How long until something happens.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let look = if self.memory.is_empty() { None } else { Some(self.next_look.unwrap_or(now)) };
        let delayed = self.delayed.first().map(|(moment, _)| *moment);
        let next = self.deadlines.values().copied().chain(look).chain(delayed).min()?;
        Some(next.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_happens_in_its_time_and_once() {
        let (mut alarms, now) = (Alarms::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        assert_eq!((alarms.pause(now), alarms.due(at(9), true)), (None, None));
        alarms.watch(1, at(5));
        alarms.watch(2, at(3));
        alarms.rest(2);
        alarms.delay(3, at(4));
        assert_eq!(alarms.pause(at(1)), Some(Duration::from_secs(3)));
        assert_eq!((alarms.due(at(3), false), alarms.due(at(4), false), alarms.due(at(4), false)), (None, Some(3), None));
        assert_eq!((alarms.late(at(4)), alarms.late(at(6)), alarms.late(at(6))), (vec![], vec![1], vec![]));
        alarms.measure(4, Some(100));
        assert!(alarms.look(at(7)).is_some() && alarms.look(at(7)).is_none());
        assert_eq!(alarms.pause(at(7)), Some(LOOK_INTERVAL));
        alarms.forget(4);
        alarms.delay(5, at(100));
        assert_eq!((alarms.due(at(8), false), alarms.due(at(8), true), alarms.pause(at(8))), (None, Some(5), None));
    }
}
