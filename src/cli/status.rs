//! `planish status`: how every instance stands.

use clap::Args;

use crate::exit::Exit;
use crate::show::{self, Screen, StatusView};

use super::error::CommandError;
use super::hooks::Hooks;
use super::open::PipelineArguments;

/// Show how every instance stands: fresh, stale, missing, failed
#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// Stages or instances, with everything that they need [default: all]
    targets: Vec<String>,
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn status(arguments: &StatusArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let opened = arguments.pipeline.open(&arguments.targets, hooks.kinds)?;
    let forecasts = opened.forecast()?;
    opened.say_notices(screen);
    let marks = opened.marks(&forecasts);
    let views = StatusView::all(&opened.plan, &forecasts, &opened.history, &marks);
    screen.answer(&if arguments.json { show::json("status", &views) } else { show::status(&views) });
    Ok(Exit::Success)
}
