//! `planish plan`: what a run would do.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use crate::exit::Exit;
use crate::plan::Instance;
use crate::run::{Earlier, Estimate, Forecast, Ground, Guess, Prospect, Throughput, Total, forecast, guesses, prospects, read_throughput};
use crate::show::{self, PlanView, Screen, TimeView};
use crate::spec::Kinds;

use super::error::CommandError;
use super::hooks::Hooks;
use super::open::{Opened, PipelineArguments};

/// Show what a run would do, and why, without running anything; and how long it would take
#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    /// Stages or instances, with everything that they need [default: all]
    targets: Vec<String>,
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// Tell the time on another device: a file that `planish throughput --json` wrote there
    #[arg(long, value_name = "FILE", conflicts_with = "peak")]
    throughput: Option<PathBuf>,
    /// Tell the time on a device of which nothing was measured, by its greatest speed in TFLOP/s: an assumption, and called one
    #[arg(long, value_name = "TFLOPS")]
    peak: Option<f64>,
    /// The share of the greatest speed that is assumed to be used
    #[arg(long, value_name = "SHARE", default_value_t = 0.3, requires = "peak")]
    utilisation: f64,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// What is to be told of a plan.
pub(super) struct Telling<'a> {
    /// The instances that a run would force.
    pub(super) force: &'a BTreeSet<usize>,
    /// Whether to answer in JSON.
    pub(super) json: bool,
    /// The stage kinds.
    pub(super) kinds: &'a dyn Kinds,
    /// The device, where it is not this machine's processors.
    pub(super) accelerator: Option<&'a str>,
    /// How quick another device is, if the time on that one is wanted.
    pub(super) elsewhere: Option<Throughput>,
}

pub(super) fn plan(arguments: &PlanArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let opened = arguments.pipeline.open(&arguments.targets, hooks.kinds)?;
    let telling = Telling {
        force: &BTreeSet::new(),
        json: arguments.json,
        kinds: hooks.kinds,
        accelerator: arguments.pipeline.accelerator(),
        elsewhere: elsewhere(arguments)?,
    };
    tell(&opened, &telling, screen)
}

/// How quick the other device is that the time is wanted on.
fn elsewhere(arguments: &PlanArguments) -> Result<Option<Throughput>, CommandError> {
    if let Some(path) = &arguments.throughput {
        let unusable = |reason| {
            let hint = "`planish throughput --json > FILE` writes one, on the device that the time is wanted on";
            CommandError::usage(format!("{}: no throughput can be read: {reason}", path.display()), hint)
        };
        return read_throughput(path).map(Some).map_err(unusable);
    }
    let Some(peak) = arguments.peak else { return Ok(None) };
    let share = arguments.utilisation;
    let sound = peak.is_finite() && peak > 0.0 && share > 0.0 && share <= 1.0;
    if !sound {
        let message = format!("a device of {peak} TFLOP/s of which {share} are used is none");
        return Err(CommandError::usage(message, "give --peak a positive number and --utilisation a share in (0, 1]"));
    }
    Ok(Some(Throughput::assumed(peak, share)))
}

/// Shows what a run would do, and how long it would take.
pub(super) fn tell(opened: &Opened, telling: &Telling<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let forecasts = forecast(&opened.plan, &opened.store, &opened.history, telling.force)?;
    let open = forecasts.iter().any(|forecast| !matches!(forecast, Forecast::Hit { .. }));
    let prospects = prospects(&opened.plan, telling.kinds);
    // How long the same took is known of this machine only.
    let here = telling.elsewhere.is_none();
    let past = Earlier { history: &opened.history, store: &opened.store };
    let is_new =
        |(instance, forecast): (&Instance, &Forecast)| !matches!(forecast, Forecast::Hit { .. }) && past.seconds(&instance.id).is_none();
    let throughput = match &telling.elsewhere {
        Some(elsewhere) => elsewhere.clone(),
        // It is in every entry of the store, so it is looked for only where it is asked for.
        None if opened.plan.instances.iter().zip(&forecasts).any(is_new) => Throughput::of_store(&opened.store, telling.accelerator)?,
        None => Throughput::unknown(telling.accelerator),
    };
    let past = here.then_some(past);
    let guesses = guesses(&opened.plan, &forecasts, &prospects, &throughput, past);
    opened.say_notices(screen);
    let views = PlanView::all(&opened.plan, &forecasts, &guesses, &prospects);
    screen.answer(&if telling.json { show::json("plan", &views) } else { show::plan(&views) });
    if open && !telling.json {
        screen.say(&time(opened, (&guesses, &prospects), &throughput, here).to_string());
    }
    Ok(Exit::Success)
}

/// How long the run would take, in words.
fn time<'a>(
    opened: &'a Opened,
    (guesses, prospects): (&'a [Guess<'a>], &'a [Prospect]),
    throughput: &'a Throughput,
    here: bool,
) -> TimeView<'a> {
    let is_hit = |guess: &Guess<'_>| matches!(guess.ground, Ground::Hit);
    // That a hit takes no time tells nothing of others of its stage.
    let seconds = guesses.iter().map(|guess| guess.seconds.filter(|_| !is_hit(guess))).collect();
    let total = Total { cpus: throughput.processors, memory: u64::MAX, gpus: Vec::new() };
    let mut estimate = Estimate::of(&opened.plan, seconds, &total);
    for (index, _) in guesses.iter().enumerate().filter(|(_, guess)| is_hit(guess)) {
        estimate.over(index, None);
    }
    let (left, unknown) = estimate.known(Instant::now());
    let unknown = unknown.into_iter().collect();
    TimeView { left, unknown, plan: &opened.plan, guesses, prospects, throughput, here }
}
