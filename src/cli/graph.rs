//! `planish graph`: the graph of instances.

use clap::Args;

use crate::exit::Exit;
use crate::run::Standing;
use crate::show::{self, GraphFormat, Screen};

use super::error::CommandError;
use super::hooks::Hooks;
use super::open::PipelineArguments;

/// Show the graph of instances
#[derive(Debug, Args)]
pub(super) struct GraphArguments {
    /// Stages or instances, with everything that they need [default: all]
    targets: Vec<String>,
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// In which form
    #[arg(long, value_enum, default_value = "text")]
    format: GraphFormat,
}

pub(super) fn graph(arguments: &GraphArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let opened = arguments.pipeline.open(&arguments.targets, hooks.kinds)?;
    let forecasts = opened.forecast()?;
    let instances = opened.plan.instances.iter().zip(&forecasts);
    let standings: Vec<Standing> =
        instances.map(|(instance, forecast)| Standing::of(forecast, opened.history.past(&instance.id))).collect();
    screen.answer(&show::graph(&opened.plan, &standings, arguments.format));
    Ok(Exit::Success)
}
