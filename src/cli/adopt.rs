//! `planish adopt INSTANCE`: keep a result that earlier code made.

use clap::Args;

use crate::exit::Exit;
use crate::plan::Instance;
use crate::run::{self, Adoption, Forecast};
use crate::show::{self, AdoptionsView, Screen};

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
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn adopt(arguments: &AdoptArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let mut opened = arguments.pipeline.open(&[], hooks.kinds)?;
    let mut selected = std::collections::BTreeSet::new();
    for instance in &arguments.instances {
        selected.extend(select::matching(&opened.plan, instance)?);
    }
    let instances: Vec<(usize, Instance)> =
        selected.into_iter().filter_map(|index| opened.plan.instances.get(index).map(|instance| (index, instance.clone()))).collect();
    let mut view = AdoptionsView::default();
    let outcome = each(&mut opened, &instances, arguments, (&mut view, screen));
    let nothing = view.adopted.is_empty() && view.undone.is_empty();
    if arguments.json && !nothing {
        screen.answer(&show::json_answer("adopt", &view));
    }
    outcome?;
    opened.say_notices(screen);
    if nothing {
        let message = if arguments.undo { "nothing of this was adopted" } else { "there is nothing to adopt: every result is up to date" };
        return Err(CommandError::usage(message, "`planish status` shows how things stand"));
    }
    Ok(Exit::Success)
}

/// Adopts, or takes back, one after the other in the order of the plan: a result that is adopted may let the next one be known. What is
/// done is told as it is done.
fn each(
    opened: &mut Opened,
    instances: &[(usize, Instance)],
    arguments: &AdoptArguments,
    (view, screen): (&mut AdoptionsView, Screen),
) -> Result<(), CommandError> {
    for (index, instance) in instances {
        let forecasts = opened.forecast()?;
        let Some(forecast) = forecasts.get(*index) else { continue };
        let line = if arguments.undo {
            let Some(adoption) = undo(opened, instance, forecast)? else { continue };
            view.undone.push(adoption);
            format!("{}: no longer adopted; the next run makes it anew\n", instance.id)
        } else {
            let Some(adoption) = keep(opened, instance, forecast, arguments.because.as_deref())? else { continue };
            let code: Vec<String> = adoption.code.iter().map(ToString::to_string).collect();
            view.adopted.push(adoption);
            format!("{}: adopted ({})\n", instance.id, code.join("; "))
        };
        if !arguments.json {
            screen.answer(&line);
        }
    }
    Ok(())
}

/// Adopts one result, if there is anything to do.
fn keep(opened: &mut Opened, instance: &Instance, forecast: &Forecast, because: Option<&str>) -> Result<Option<Adoption>, CommandError> {
    let resolved = match forecast {
        Forecast::Hit { .. } => return Ok(None),
        Forecast::Run { resolved, .. } => resolved,
        Forecast::Depends { on } => {
            let names: Vec<&str> = on.iter().filter_map(|index| opened.plan.instances.get(*index)).map(|other| other.id.as_str()).collect();
            let message = format!("`{}` can't be adopted before what it is made from: {}", instance.id, names.join(", "));
            return Err(CommandError::usage(message, "adopt or run that first"));
        }
        Forecast::Broken { failed } => return Err(failed.clone().into()),
    };
    Ok(Some(run::adopt(&opened.store, &mut opened.history, (&instance.id, resolved), because)?))
}

/// Takes one adoption back, if there is one.
fn undo(opened: &mut Opened, instance: &Instance, forecast: &Forecast) -> Result<Option<Adoption>, CommandError> {
    let Forecast::Hit { resolved, .. } = forecast else { return Ok(None) };
    match run::undo(&opened.store, &mut opened.history, &instance.id, &resolved.key) {
        Err(run::AdoptError::NotAdopted(_)) => Ok(None),
        outcome => Ok(Some(outcome?)),
    }
}
