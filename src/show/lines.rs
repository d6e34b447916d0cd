//! A run as plain lines: for logs and pipes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::plan::Plan;
use crate::run::{Notice, Observer, Outcome};

use super::{Screen, words};

/// An instance says how far it is no more often than this.
const INTERVAL: Duration = Duration::from_secs(30);

/// Shows a run as lines on standard error.
pub struct LineObserver<'a> {
    plan: &'a Plan,
    screen: Screen,
    /// When each running instance last said something.
    spoken: BTreeMap<usize, Instant>,
}

impl<'a> LineObserver<'a> {
    /// Shows a run of `plan`.
    #[must_use]
    pub fn new(plan: &'a Plan, screen: Screen) -> Self {
        LineObserver { plan, screen, spoken: BTreeMap::new() }
    }
}

impl Observer for LineObserver<'_> {
    fn notice(&mut self, notice: Notice<'_>) {
        match notice {
            Notice::Started { instance, .. } => drop(self.spoken.insert(instance, Instant::now())),
            Notice::Progress { instance, .. } => {
                if self.spoken.get(&instance).is_some_and(|at| at.elapsed() < INTERVAL) {
                    return;
                }
                self.spoken.insert(instance, Instant::now());
            }
            _ => {}
        }
        if let Some(line) = line(self.plan, &notice) {
            self.screen.say(&line);
        }
    }
}

/// What happened, in a line; nothing about hits, which are counted at the end.
pub(super) fn line(plan: &Plan, notice: &Notice<'_>) -> Option<String> {
    let id = |index: usize| plan.instances.get(index).map_or("?", |instance| instance.id.as_str());
    match *notice {
        Notice::Clamped { instance, message } => Some(format!("{}: {message}", id(instance))),
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
