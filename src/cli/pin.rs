//! `planish pin` and `planish unpin`: results that collections leave alone.

use std::collections::BTreeMap;

use clap::Args;
use planish_cache::{Store, StoreError};

use crate::exit::Exit;
use crate::run::Forecast;
use crate::show::{self, KeptView, RootView, Screen};

use super::error::CommandError;
use super::hooks::Hooks;
use super::open::{PipelineArguments, StoreArguments};

/// Keep results from `planish gc` under a name, or list what is kept
#[derive(Debug, Args)]
pub(super) struct PinArguments {
    /// The name of the pin [default: list pins and the latest plans]
    name: Option<String>,
    /// Stages or instances, with everything that they need [default: all]
    targets: Vec<String>,
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Let `planish gc` have the results of a pin
#[derive(Debug, Args)]
pub(super) struct UnpinArguments {
    /// The name of the pin
    name: String,
    #[command(flatten)]
    store: StoreArguments,
    /// Answer in JSON: what is still kept
    #[arg(long)]
    json: bool,
}

pub(super) fn pin(arguments: &PinArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let opened = arguments.pipeline.open(&arguments.targets, hooks.kinds)?;
    if let Some(name) = &arguments.name {
        let forecasts = opened.forecast()?;
        opened.say_notices(screen);
        let mut keys = BTreeMap::new();
        for (instance, forecast) in opened.plan.instances.iter().zip(&forecasts) {
            let Forecast::Hit { resolved, .. } = forecast else {
                let message = format!("`{}` has no result that a run would use", instance.id);
                return Err(CommandError::usage(message, "`planish run` makes it; or pin only what is there"));
            };
            keys.insert(instance.id.clone(), resolved.key);
        }
        opened.store.pin(name, &keys).map_err(mistake)?;
        screen.say(&format!("pinned {} as `{name}`", show::count(keys.len(), "result")));
        if !arguments.json {
            return Ok(Exit::Success);
        }
    }
    let view = kept(&opened.store)?;
    screen.answer(&if arguments.json { show::json_answer("pin", &view) } else { show::roots(&view) });
    Ok(Exit::Success)
}

/// What keeps results from being collected now.
fn kept(store: &Store) -> Result<KeptView, CommandError> {
    let there = store.keys()?.into_iter().collect();
    Ok(KeptView { kept: store.roots()?.iter().map(|root| RootView::new(root, &there)).collect() })
}

/// A bad name is a mistake on the command line.
fn mistake(error: StoreError) -> CommandError {
    match error {
        StoreError::Invalid(message) => CommandError::usage(message, "as in `planish pin camera-ready`"),
        error => error.into(),
    }
}

pub(super) fn unpin(arguments: &UnpinArguments, screen: Screen) -> Result<Exit, CommandError> {
    let store = arguments.store.open()?;
    if !store.unpin(&arguments.name).map_err(mistake)? {
        return Err(CommandError::usage(format!("there is no pin `{}`", arguments.name), "`planish pin` lists them"));
    }
    screen.say(&format!("`{}` is no longer kept from `planish gc`", arguments.name));
    if arguments.json {
        screen.answer(&show::json_answer("unpin", &kept(&store)?));
    }
    Ok(Exit::Success)
}
