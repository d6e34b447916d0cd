//! `planish adopt INSTANCE`: keep a result that earlier code made.

use clap::Args;

use crate::exit::Exit;
use crate::plan::Instance;
use crate::run::{self, Forecast};
use crate::show::Screen;

use super::error::CommandError;
use super::hooks::Hooks;
use super::open::{Opened, PipelineArguments};
use super::select;

/// Keep results that earlier code made, when only code changed since: it is recorded wherever they are used
#[derive(Debug, Args)]
pub(super) struct AdoptArguments {
    /// The instances, or stages
    #[arg(required = true)]
    instances: Vec<String>,
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// Why the edit changed no result; kept with the result
    #[arg(long, value_name = "TEXT")]
    because: Option<String>,
    /// Take it back: the instances have to run again
    #[arg(long, conflicts_with = "because")]
    undo: bool,
}

pub(super) fn adopt(arguments: &AdoptArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let mut opened = arguments.pipeline.open(&[], hooks.kinds)?;
    let mut selected = std::collections::BTreeSet::new();
    for instance in &arguments.instances {
        selected.extend(select::matching(&opened.plan, instance)?);
    }
    let instances: Vec<(usize, Instance)> =
        selected.into_iter().filter_map(|index| opened.plan.instances.get(index).map(|instance| (index, instance.clone()))).collect();
    let mut changed = 0;
    // In the order of the plan: a result that is adopted may let the next one be known.
    for (index, instance) in &instances {
        let forecasts = opened.forecast()?;
        let Some(forecast) = forecasts.get(*index) else { continue };
        let done = if arguments.undo {
            undo(&mut opened, instance, forecast, screen)?
        } else {
            keep(&mut opened, instance, forecast, arguments.because.as_deref(), screen)?
        };
        changed += usize::from(done);
    }
    opened.say_notices(screen);
    if changed == 0 {
        let message = if arguments.undo { "nothing of this was adopted" } else { "there is nothing to adopt: every result is up to date" };
        return Err(CommandError::usage(message, "`planish status` shows how things stand"));
    }
    Ok(Exit::Success)
}

/// Adopts one result; whether there was anything to do.
fn keep(
    opened: &mut Opened,
    instance: &Instance,
    forecast: &Forecast,
    because: Option<&str>,
    screen: Screen,
) -> Result<bool, CommandError> {
    let resolved = match forecast {
        Forecast::Hit { .. } => return Ok(false),
        Forecast::Run { resolved, .. } => resolved,
        Forecast::Depends { on } => {
            let names: Vec<&str> = on.iter().filter_map(|index| opened.plan.instances.get(*index)).map(|other| other.id.as_str()).collect();
            let message = format!("`{}` can't be adopted before what it is made from: {}", instance.id, names.join(", "));
            return Err(CommandError::usage(message, "adopt or run that first"));
        }
        Forecast::Broken { failed } => return Err(failed.clone().into()),
    };
    let adoption = run::adopt(&opened.store, &mut opened.history, (&instance.id, resolved), because)?;
    let code: Vec<String> = adoption.code.iter().map(ToString::to_string).collect();
    screen.answer(&format!("{}: adopted ({})\n", instance.id, code.join("; ")));
    Ok(true)
}

/// Takes one adoption back; whether there was one.
fn undo(opened: &mut Opened, instance: &Instance, forecast: &Forecast, screen: Screen) -> Result<bool, CommandError> {
    let Forecast::Hit { resolved, .. } = forecast else { return Ok(false) };
    match run::undo(&opened.store, &mut opened.history, &instance.id, &resolved.key) {
        Err(run::AdoptError::NotAdopted(_)) => Ok(false),
        outcome => {
            outcome?;
            screen.answer(&format!("{}: no longer adopted; the next run makes it anew\n", instance.id));
            Ok(true)
        }
    }
}
