//! `planish throughput`: how quickly this machine does the work of stages.

use std::collections::BTreeMap;
use std::time::Instant;

use clap::Args;
use planish_contract::{AnyStage, Failure, Work};

use crate::exit::Exit;
use crate::plan::{Instance, Plan};
use crate::run::{Basis, Failed, Prospect, Rate, Throughput, keep_trials, now, prospects};
use crate::show::{self, Screen};

use super::error::CommandError;
use super::hooks::Hooks;
use super::open::PipelineArguments;

/// Tell how quickly this machine does the work of stages: by the results in the store, and by trials
#[derive(Debug, Args)]
pub(super) struct ThroughputArguments {
    /// Stages or instances to make trials for [default: all]
    targets: Vec<String>,
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// Time a few steps of each network of which there is no result, some seconds each, and keep what they tell beside the store's results
    #[arg(long)]
    measure: bool,
    /// Answer in JSON; `planish plan --throughput FILE` reads that on another machine
    #[arg(long)]
    json: bool,
}

pub(super) fn throughput(arguments: &ThroughputArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let opened = arguments.pipeline.open(&arguments.targets, hooks.kinds)?;
    let accelerator = arguments.pipeline.accelerator();
    let mut throughput = Throughput::of_store(&opened.store, accelerator)?;
    if arguments.measure {
        let rates = measure(&opened.plan, &throughput, (hooks, accelerator), screen)?;
        keep_trials(&opened.store, &throughput, &rates)?;
        throughput.rates.extend(rates);
    }
    opened.say_notices(screen);
    screen.answer(&if arguments.json { show::json_answer("throughput", &throughput) } else { show::throughput(&throughput) });
    Ok(Exit::Success)
}

/// Trials of everything of which nothing was measured.
fn measure(
    plan: &Plan,
    known: &Throughput,
    (hooks, accelerator): (&Hooks<'_>, Option<&str>),
    screen: Screen,
) -> Result<Vec<Rate>, CommandError> {
    let prospects = prospects(plan, hooks.kinds);
    let mut rates = Vec::new();
    for ((kind, like), (instance, prospect)) in cheapest(&plan.instances, &prospects) {
        let Some(stage) = hooks.kinds.get(kind).filter(|_| prospect.work.as_ref().is_none_or(|work| known.exact(kind, work).is_none()))
        else {
            continue;
        };
        screen.say(&format!("timing {kind}: {like}"));
        let timed = timed(stage, instance, prospect).map_err(|failure| CommandError::Instance(Failed::from(failure)))?;
        let Some((work, seconds)) = timed else { continue };
        if let Some(device) = work.device.filter(|_| accelerator.is_none()) {
            let message = format!("stage `{}` computes on {device} here, which is not the processor", instance.stage);
            return Err(CommandError::usage(message, "name it with --device, or write --device cpu"));
        }
        let per_second = work.amount / (seconds * known.processors as f64);
        rates.push(Rate { kind: kind.to_owned(), like: like.to_owned(), per_second, basis: Basis::Trial(now()), largest: None });
    }
    Ok(rates)
}

/// (Stage kind, what is computed) → the instance with the least work.
fn cheapest<'a>(instances: &'a [Instance], prospects: &'a [Prospect]) -> BTreeMap<(&'a str, &'a str), (&'a Instance, &'a Prospect)> {
    let mut found: BTreeMap<(&str, &str), (&Instance, &Prospect)> = BTreeMap::new();
    let amount = |prospect: &Prospect| prospect.work.as_ref().map_or(f64::INFINITY, |work| work.amount);
    for (instance, prospect) in instances.iter().zip(prospects) {
        let Some(work) = &prospect.work else { continue };
        let place = found.entry((&instance.kind, &work.like)).or_insert((instance, prospect));
        if amount(prospect) < amount(place.1) {
            *place = (instance, prospect);
        }
    }
    found
}

/// Trials of growing size, at least three, for some seconds: the work and the seconds of the quickest, since others may have been held up by
/// other programs.
fn timed(stage: &dyn AnyStage, instance: &Instance, prospect: &Prospect) -> Result<Option<(Work, f64)>, Failure> {
    const ENOUGH: f64 = 2.0;
    const MOST: usize = 1024;
    let (mut images, mut spent, mut made) = (1, 0.0, 0);
    let mut quickest: Option<(Work, f64)> = None;
    while spent < ENOUGH || made < 3 {
        let since = Instant::now();
        let Some(work) = stage.trial(&instance.parameters, &instance.execution, &prospect.known, images)? else { return Ok(None) };
        let seconds = since.elapsed().as_secs_f64().max(1e-9);
        (spent, made, images) = (spent + seconds, made + 1, (2 * images).min(MOST));
        if quickest.as_ref().is_none_or(|(best, took)| work.amount / seconds > best.amount / took) {
            quickest = Some((work, seconds));
        }
    }
    Ok(quickest)
}
