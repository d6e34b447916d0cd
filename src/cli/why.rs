//! `planish why INSTANCE`: why an instance ran, or would run.

use clap::Args;

use crate::exit::Exit;
use crate::show::{self, Screen};

use super::error::CommandError;
use super::hooks::Hooks;
use super::open::PipelineArguments;
use super::select;

/// Explain why an instance ran or would run, down to the first cause
#[derive(Debug, Args)]
pub(super) struct WhyArguments {
    /// The instance, or the stage
    instance: String,
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn why(arguments: &WhyArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let opened = arguments.pipeline.open(&[], hooks.kinds)?;
    let selected = select::matching(&opened.plan, &arguments.instance)?;
    let forecasts = opened.forecast()?;
    opened.say_notices(screen);
    let evidence = opened.evidence(&forecasts);
    let explanations = evidence.explain(selected)?;
    screen.answer(&if arguments.json { show::json("why", &explanations) } else { show::explanations(&explanations) });
    Ok(Exit::Success)
}
