//! `planish graph`: the graph of instances.

use clap::Args;

use crate::exit::Exit;
use crate::run::Standing;
use crate::show::{self, GraphFormat, GraphView, Screen};

use super::error::CommandError;
use super::hooks::Hooks;
use super::open::PipelineArguments;

/// A picture of more instances than this is no use: it shows stages instead.
const MOST_DRAWN: usize = 150;

/// Show the graph of instances, or of stages
#[derive(Debug, Args)]
pub(super) struct GraphArguments {
    /// Stages or instances, with everything that they need [default: all]
    targets: Vec<String>,
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// In which form
    #[arg(long, value_enum, default_value = "text")]
    format: GraphFormat,
    /// Answer in JSON (as --format json)
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// One node a stage instead of one an instance
    #[arg(long)]
    stages: bool,
}

pub(super) fn graph(arguments: &GraphArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let opened = arguments.pipeline.open(&arguments.targets, hooks.kinds)?;
    let forecasts = opened.forecast()?;
    opened.say_notices(screen);
    let instances = opened.plan.instances.iter().zip(&forecasts);
    let standings: Vec<Standing> =
        instances.map(|(instance, forecast)| Standing::of(forecast, opened.history.past(&instance.id))).collect();
    let format = if arguments.json { GraphFormat::Json } else { arguments.format };
    let too_many = format == GraphFormat::Svg && opened.plan.instances.len() > MOST_DRAWN;
    if too_many && !arguments.stages {
        let count = opened.plan.instances.len();
        screen.say(&format!("{count} instances are too many for a picture: it shows stages; name targets to see instances"));
    }
    let view = if arguments.stages || too_many {
        GraphView::of_stages(&opened.plan, &standings)
    } else {
        GraphView::of_instances(&opened.plan, &standings)
    };
    screen.answer(&show::graph(&view, format));
    Ok(Exit::Success)
}
