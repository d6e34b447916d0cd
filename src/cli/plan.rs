//! `planish plan`: what a run would do.

use std::collections::BTreeSet;

use clap::Args;

use crate::exit::Exit;
use crate::run::forecast;
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
    screen.answer(&if json { show::json("plan", &views) } else { show::plan(&views) });
    Ok(Exit::Success)
}
