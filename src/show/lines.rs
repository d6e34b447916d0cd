//! A run as plain lines: for logs and pipes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::plan::Plan;
use crate::run::{Estimate, Notice, Observer, Outcome};

use super::{Screen, words};

/// An instance says how far it is no more often than this.
const INTERVAL: Duration = Duration::from_secs(30);

/// So many lines in a row are shown, however quickly they come.
const BURST: f64 = 100.0;
/// So many lines a second are shown in the long run.
const RATE: f64 = 10.0;

/// Shows a run as lines on standard error.
pub struct LineObserver<'a> {
    plan: &'a Plan,
    estimate: Estimate<'a>,
    screen: Screen,
    /// When each running instance last said something.
    spoken: BTreeMap<usize, Instant>,
    /// How many instances are over.
    over: usize,
    /// When it was last said how far the whole is.
    told: Instant,
    tap: Tap,
}

/// Lets through so many lines that a person can read them.
struct Tap {
    left: f64,
    filled: Instant,
    /// How many lines were kept back since the last one that was shown.
    kept_back: usize,
}

impl Tap {
    /// Whether a line may be shown now.
    fn admits(&mut self, now: Instant) -> bool {
        self.left = (self.left + RATE * now.saturating_duration_since(self.filled).as_secs_f64()).min(BURST);
        self.filled = now;
        let admits = self.left >= 1.0;
        if admits {
            self.left -= 1.0;
        } else {
            self.kept_back += 1;
        }
        admits
    }
}

impl<'a> LineObserver<'a> {
    /// Shows a run of `plan`.
    #[must_use]
    pub fn new(plan: &'a Plan, estimate: Estimate<'a>, screen: Screen) -> Self {
        let now = Instant::now();
        let tap = Tap { left: BURST, filled: now, kept_back: 0 };
        LineObserver { plan, estimate, screen, spoken: BTreeMap::new(), over: 0, told: now, tap }
    }

    /// Says how far the whole is, from time to time.
    fn summarize(&mut self, now: Instant) {
        if now.saturating_duration_since(self.told) < INTERVAL {
            return;
        }
        self.told = now;
        let left = self.estimate.remaining(now).filter(|left| left.as_secs() > 0);
        let left = left.map(|left| format!(", about {} left", words::rough(left.as_secs_f64()))).unwrap_or_default();
        self.screen.say(&format!("{} of {} instances over{left}", self.over, self.plan.instances.len()));
    }

    /// Shows a line. What went wrong is always shown; of the rest, no more than a person can read.
    fn say(&mut self, line: &str, matters: bool, now: Instant) {
        if !matters && !self.tap.admits(now) {
            return;
        }
        if !matters && self.tap.kept_back > 0 {
            let left_out = words::count(std::mem::take(&mut self.tap.kept_back), "line");
            self.screen.say(&format!("({left_out} left out)"));
        }
        self.screen.say(line);
    }
}

impl Observer for LineObserver<'_> {
    fn notice(&mut self, notice: Notice<'_>) {
        let now = Instant::now();
        match notice {
            Notice::Started { instance, .. } => {
                self.estimate.started(instance, now);
                self.spoken.insert(instance, now);
            }
            Notice::Progress { instance, .. } => {
                self.summarize(now);
                if self.spoken.get(&instance).is_some_and(|at| now.saturating_duration_since(*at) < INTERVAL) {
                    return;
                }
                self.spoken.insert(instance, now);
            }
            Notice::Reading { instance, .. } => {
                // Files that were read before take seconds, which need no word.
                let since = *self.spoken.entry(instance).or_insert(now);
                if now.saturating_duration_since(since) < INTERVAL {
                    return;
                }
                self.spoken.insert(instance, now);
            }
            Notice::Over { instance, outcome, .. } => {
                let seconds =
                    if let Outcome::Done { finished, .. } = outcome { Some(finished.seconds).filter(|_| finished.ran) } else { None };
                self.estimate.over(instance, seconds);
                self.over += 1;
                self.spoken.remove(&instance);
            }
            _ => {}
        }
        if let Some(line) = line(self.plan, &notice) {
            let routine =
                matches!(notice, Notice::Started { .. } | Notice::Progress { .. } | Notice::Over { outcome: Outcome::Done { .. }, .. });
            self.say(&line, !routine, now);
        }
        self.summarize(now);
    }
}

/// What happened, in a line; nothing about hits, which are counted at the end.
pub(super) fn line(plan: &Plan, notice: &Notice<'_>) -> Option<String> {
    let id = |index: usize| plan.instances.get(index).map_or("?", |instance| instance.id.as_str());
    match *notice {
        Notice::Clamped { instance, message } => Some(format!("{}: {message}", id(instance))),
        Notice::Reading { instance, done, total } => Some(format!("{}: {done} of {total} files read", id(instance))),
        Notice::Started { instance, reason } => Some(format!("{}: running ({})", id(instance), words::reason(reason))),
        Notice::Waiting { instance } => Some(format!("{}: waiting for another run that makes the same result", id(instance))),
        Notice::Retry { instance, failed, pause, attempt: (attempt, of) } => {
            let pause = words::duration(pause.as_secs_f64());
            Some(format!("{}: failed: {}; try {attempt} of {of} in {pause}", id(instance), failed.message))
        }
        Notice::Progress { instance, progress } => {
            let far = if progress.total > 0 { format!("{}/{} ", progress.done, progress.total) } else { String::new() };
            Some(format!("{}: {far}{}", id(instance), progress.text).trim_end().to_owned())
        }
        Notice::Over { instance, outcome, log } => over(id(instance), outcome, log.is_some()),
        Notice::Store { message } => Some(format!("store: {message}")),
        Notice::Stopping => Some("stopping: workers keep what they have and end; once more to end them at once".to_owned()),
        Notice::Killing => Some("ending all workers at once".to_owned()),
    }
}

fn over(id: &str, outcome: &Outcome, ran: bool) -> Option<String> {
    match outcome {
        Outcome::Hit { .. } | Outcome::NotStarted => None,
        Outcome::Done { finished, .. } if finished.ran => Some(format!("{id}: done in {}", words::duration(finished.seconds))),
        Outcome::Done { .. } => Some(format!("{id}: made by another run")),
        Outcome::Failed { failed, .. } if ran => Some(format!("{id}: failed: {}", failed.message)),
        Outcome::Failed { failed, .. } => Some(format!("{id}: can't run: {}", failed.message)),
        Outcome::Blocked { .. } => Some(format!("{id}: blocked")),
        Outcome::Stopped => Some(format!("{id}: stopped")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_lines_are_shown_than_a_person_reads() {
        let now = Instant::now();
        let mut tap = Tap { left: BURST, filled: now, kept_back: 0 };
        let shown = |tap: &mut Tap, at, of| (0..of).filter(|_| tap.admits(now + Duration::from_secs(at))).count();
        assert_eq!(shown(&mut tap, 0, 1000), 100);
        assert_eq!((shown(&mut tap, 3, 1000), tap.kept_back), (30, 900 + 970));
        assert_eq!(shown(&mut tap, 1000, 1000), 100);
    }
}
