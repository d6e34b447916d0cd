//! `planish plan`: what a run would do.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use clap::Args;

use crate::exit::Exit;
use crate::plan::Plan;
use crate::run::{Estimate, Forecast, History, Total, forecast, processors};
use crate::show::{self, PlanView, Screen};

use super::error::CommandError;
use super::hooks::Hooks;
use super::open::{Opened, PipelineArguments};

/// Show what a run would do, and why, without running anything
#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    /// Stages or instances, with everything that they need [default: all]
    targets: Vec<String>,
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn plan(arguments: &PlanArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let opened = arguments.pipeline.open(&arguments.targets, hooks.kinds)?;
    tell(&opened, &BTreeSet::new(), arguments.json, screen)
}

/// Shows what a run would do that forces the instances in `force`.
pub(super) fn tell(opened: &Opened, force: &BTreeSet<usize>, json: bool, screen: Screen) -> Result<Exit, CommandError> {
    let forecasts = forecast(&opened.plan, &opened.store, &opened.history, force)?;
    opened.say_notices(screen);
    let views = PlanView::all(&opened.plan, &forecasts);
    let time = time(&opened.plan, &opened.history, &forecasts);
    screen.answer(&if json { show::json("plan", &views) } else { show::plan(&views) });
    if let Some((left, unknown)) = time.filter(|_| !json) {
        screen.say(&show::time(left, &unknown.into_iter().collect::<Vec<_>>(), processors()));
    }
    Ok(Exit::Success)
}

/// How long the run would take, by what the same stages took before, and the stages of which nothing is known; `None` where nothing would run.
fn time<'a>(plan: &'a Plan, history: &History, forecasts: &[Forecast]) -> Option<(Duration, BTreeSet<&'a str>)> {
    let mut estimate = Estimate::new(plan, history, &Total::of_machine(processors()));
    let mut open = false;
    for (index, forecast) in forecasts.iter().enumerate() {
        match forecast {
            Forecast::Hit { .. } => estimate.over(index, None),
            _ => open = true,
        }
    }
    open.then(|| estimate.known(Instant::now()))
}
