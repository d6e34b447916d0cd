//! A run on a terminal: a line for each running instance, as many as there is room for, and one for the whole.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use planish_contract::Progress;

use crate::plan::Plan;
use crate::run::{Estimate, Notice, Observer, Outcome};

use super::lines::line;
use super::words;

/// Lines of the terminal that are left to the shell and to what has been said.
const OTHER_LINES: usize = 4;
/// Narrower terminals show names and no bars.
const NARROW: usize = 60;
/// How often the remaining time is worked out.
const INTERVAL: Duration = Duration::from_secs(1);

/// Shows a run as progress bars on standard error.
pub struct ProgressObserver<'a> {
    plan: &'a Plan,
    estimate: Estimate<'a>,
    bars: MultiProgress,
    overall: ProgressBar,
    active: BTreeMap<usize, Active>,
    /// The number of lines that running instances may take.
    room: usize,
    narrow: bool,
    estimated: Option<Instant>,
}

/// A running instance.
struct Active {
    since: Instant,
    /// Its line; `None` when there is no room.
    bar: Option<ProgressBar>,
    text: String,
    /// Units of work done, and in all; 0 when unknown.
    done: (u64, u64),
}

impl<'a> ProgressObserver<'a> {
    /// Shows a run of `plan`.
    #[must_use]
    pub fn new(plan: &'a Plan, estimate: Estimate<'a>) -> Self {
        let (rows, columns) = Term::stderr().size();
        let bars = MultiProgress::new();
        let overall = bars.add(ProgressBar::new(plan.instances.len() as u64));
        let narrow = usize::from(columns) < NARROW;
        overall.set_style(style(if narrow {
            "{pos}/{len}{wide_msg}"
        } else {
            "{bar:20.green} {pos}/{len} instances, {elapsed}{wide_msg}"
        }));
        let room = usize::from(rows).saturating_sub(OTHER_LINES).max(1);
        ProgressObserver { plan, estimate, bars, overall, active: BTreeMap::new(), room, narrow, estimated: None }
    }

    fn begin(&mut self, instance: usize, text: String) {
        let now = Instant::now();
        self.estimate.started(instance, now);
        self.active.insert(instance, Active { since: now, bar: None, text, done: (0, 0) });
        self.fill();
        self.overall.enable_steady_tick(Duration::from_millis(500));
    }

    /// Gives lines to running instances that have none, as long as there is room.
    fn fill(&mut self) {
        let shown = self.active.values().filter(|active| active.bar.is_some()).count();
        let free = self.room.saturating_sub(shown);
        for (index, active) in self.active.iter_mut().filter(|(_, active)| active.bar.is_none()).take(free) {
            let bar = self.bars.insert_before(&self.overall, ProgressBar::new(0));
            bar.set_style(instance_style(self.narrow, active.since, self.estimate.expected(*index)));
            bar.enable_steady_tick(Duration::from_millis(120));
            active.bar = Some(bar);
            self.plan.instances.get(*index).inspect(|instance| active.draw(&instance.id));
        }
    }

    fn advance(&mut self, instance: usize, progress: &Progress) {
        if let (Some(active), Some(known)) = (self.active.get_mut(&instance), self.plan.instances.get(instance)) {
            active.text = progress.text.chars().filter(|c| !c.is_control()).collect();
            active.done = (progress.done, progress.total);
            active.draw(&known.id);
        }
    }

    fn over(&mut self, instance: usize, outcome: &Outcome) {
        let seconds = if let Outcome::Done { finished, .. } = outcome { Some(finished.seconds).filter(|_| finished.ran) } else { None };
        self.estimate.over(instance, seconds);
        self.end(instance);
        self.overall.inc(1);
    }

    fn end(&mut self, instance: usize) {
        if let Some(bar) = self.active.remove(&instance).and_then(|active| active.bar) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
        self.fill();
    }

    /// What the line for the whole adds: the remaining time, and what there is no room for.
    fn summarize(&mut self, now: Instant) {
        if self.estimated.is_some_and(|at| now.saturating_duration_since(at) < INTERVAL) {
            return;
        }
        self.estimated = Some(now);
        let mut text = String::new();
        if let Some(left) = self.estimate.remaining(now).filter(|left| *left >= INTERVAL) {
            let _ = write!(text, ", about {} left", words::rough(left.as_secs_f64()));
        }
        let hidden = self.active.values().filter(|active| active.bar.is_none()).count();
        if hidden > 0 {
            let _ = write!(text, ", {hidden} more running");
        }
        self.overall.set_message(text);
    }
}

impl Active {
    fn draw(&self, id: &str) {
        let Some(bar) = &self.bar else { return };
        let (done, total) = self.done;
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message(format!("{id} {}", self.text));
    }
}

impl Observer for ProgressObserver<'_> {
    fn notice(&mut self, notice: Notice<'_>) {
        match notice {
            // The line of the instance says it.
            Notice::Started { instance, reason } => self.begin(instance, format!("({})", words::reason(reason))),
            Notice::Reading { instance, done, total } => {
                let id = self.plan.instances.get(instance).map_or("?", |instance| &instance.id);
                self.overall.set_message(format!(", {id}: {done} of {total} files read"));
                return;
            }
            Notice::Progress { instance, progress } => self.advance(instance, progress),
            Notice::Over { instance, outcome, .. } => self.over(instance, outcome),
            Notice::Retry { instance, .. } => self.end(instance),
            _ => {}
        }
        self.summarize(Instant::now());
        if matches!(notice, Notice::Started { .. } | Notice::Progress { .. }) {
            return;
        }
        if let Some(line) = line(self.plan, &notice) {
            // A terminal that is gone leaves nobody to tell.
            drop(self.bars.println(line));
        }
    }
}

impl Drop for ProgressObserver<'_> {
    fn drop(&mut self) {
        for bar in self.active.values().filter_map(|active| active.bar.as_ref()) {
            bar.finish_and_clear();
        }
        self.overall.finish_and_clear();
    }
}

/// The line of a running instance: how far it is by its own account, its name, and how long it has run of how long it is expected to.
fn instance_style(narrow: bool, since: Instant, expected: Option<f64>) -> ProgressStyle {
    let time = move |_: &ProgressState, text: &mut dyn Write| {
        let ran = words::whole(since.elapsed().as_secs_f64());
        let _ = match expected {
            Some(expected) if expected >= 1.0 => write!(text, "{ran} of ~{}", words::whole(expected)),
            _ => write!(text, "{ran}"),
        };
    };
    let far = |state: &ProgressState, text: &mut dyn Write| {
        let _ = match state.len() {
            Some(total) if total > 0 => write!(text, "{:3.0}%", 100.0 * state.pos() as f64 / total as f64),
            _ => write!(text, "    "),
        };
    };
    let template = if narrow { "{spinner} {far} {wide_msg}" } else { "{spinner} {far} {wide_msg} {time:.dim}" };
    style(template).with_key("far", far).with_key("time", time)
}

/// The templates are constants that read; the fallback shows the same in another form.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
