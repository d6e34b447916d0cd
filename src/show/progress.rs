//! A run on a terminal: a line for each running instance, and one for the whole.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use planish_contract::Progress;

use crate::plan::Plan;
use crate::run::{Notice, Observer};

use super::lines::line;

/// Shows a run as progress bars on standard error.
pub struct ProgressObserver<'a> {
    plan: &'a Plan,
    bars: MultiProgress,
    overall: ProgressBar,
    active: BTreeMap<usize, ProgressBar>,
}

impl<'a> ProgressObserver<'a> {
    /// Shows a run of `plan`.
    #[must_use]
    pub fn new(plan: &'a Plan) -> Self {
        let bars = MultiProgress::new();
        let overall = bars.add(ProgressBar::new(plan.instances.len() as u64));
        overall.set_style(style("{bar:30.green} {pos}/{len} instances, {elapsed}"));
        ProgressObserver { plan, bars, overall, active: BTreeMap::new() }
    }

    fn begin(&mut self, instance: usize) {
        let bar = self.bars.insert_before(&self.overall, ProgressBar::new_spinner());
        bar.set_style(style("{spinner} {prefix} {wide_msg}"));
        bar.set_prefix(self.plan.instances.get(instance).map(|instance| instance.id.clone()).unwrap_or_default());
        bar.enable_steady_tick(Duration::from_millis(120));
        self.overall.enable_steady_tick(Duration::from_millis(500));
        self.active.insert(instance, bar);
    }

    fn advance(&self, instance: usize, progress: &Progress) {
        let Some(bar) = self.active.get(&instance) else { return };
        if progress.total > 0 && bar.length() != Some(progress.total) {
            bar.set_style(style("{spinner} {prefix} {bar:20} {pos}/{len} {wide_msg}"));
            bar.set_length(progress.total);
        }
        bar.set_position(progress.done);
        bar.set_message(progress.text.chars().filter(|c| !c.is_control()).collect::<String>());
    }
}

impl Observer for ProgressObserver<'_> {
    fn notice(&mut self, notice: Notice<'_>) {
        match notice {
            Notice::Started { instance, .. } => return self.begin(instance),
            Notice::Progress { instance, progress } => return self.advance(instance, progress),
            Notice::Over { instance, .. } => {
                if let Some(bar) = self.active.remove(&instance) {
                    bar.finish_and_clear();
                }
                self.overall.inc(1);
            }
            _ => {}
        }
        if let Some(line) = line(self.plan, &notice) {
            // A terminal that is gone leaves nobody to tell.
            drop(self.bars.println(line));
        }
    }
}

impl Drop for ProgressObserver<'_> {
    fn drop(&mut self) {
        for bar in self.active.values() {
            bar.finish_and_clear();
        }
        self.overall.finish_and_clear();
    }
}

/// The templates are constants that read; the fallback shows the same in another form.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
