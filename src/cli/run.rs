//! `planish run`: make what is not there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::exit::Exit;
use crate::plan::Plan;
use crate::run::{self, Local, Observer, Outcome, RunOptions, RunResult, Surroundings, Total, processors};
use crate::show::{self, LineObserver, ProgressObserver, Screen, Summary};

use super::error::CommandError;
use super::hooks::Hooks;
use super::open::{Opened, PipelineArguments};
use super::{plan, report, select};

/// Make what is not there: run the stages whose results are not in the store
#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// Stages or instances, with everything that they need [default: all]
    targets: Vec<String>,
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// Stop at the first failure: start nothing more, and ask what runs to stop
    #[arg(long)]
    fail_fast: bool,
    /// Run these stages or instances even if their results are there
    #[arg(long, value_name = "TARGET")]
    force: Vec<String>,
    /// Show what would run, and why, and run nothing (as `planish plan`)
    #[arg(long)]
    dry_run: bool,
    /// How many processors to keep busy [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    cpus: Option<u16>,
}

pub(super) fn run(arguments: &RunArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let mut opened = arguments.pipeline.open(&arguments.targets, hooks.kinds)?;
    let mut force = BTreeSet::new();
    for target in &arguments.force {
        force.extend(select::matching(&opened.plan, target)?);
    }
    if arguments.dry_run {
        return plan::tell(&opened, &force, false, screen);
    }
    let cpus = arguments.cpus.map_or_else(processors, usize::from);
    let options = RunOptions { total: Total::of_machine(cpus), fail_fast: arguments.fail_fast, force };
    let result = go(&mut opened, options, screen, hooks.environment)?;
    screen.complain(&show::remarks(Summary { plan: &opened.plan, result: &result, logs: &logs(&opened, &result) }));
    let exit = run::exit(&result);
    let pages = if exit == Exit::Success { report::render(&opened, hooks)? } else { Vec::new() };
    if !screen.is_quiet() {
        for page in &pages {
            screen.answer(&format!("\n{}\n", page.text));
        }
        screen.answer(&show::counts(&result));
    }
    for page in &pages {
        screen.say(&format!("report: {}", show::path(&page.path)));
    }
    Ok(exit)
}

fn go(
    opened: &mut Opened,
    options: RunOptions,
    screen: Screen,
    environment: &'static [(&'static str, &'static str)],
) -> Result<RunResult, CommandError> {
    let executor = Local::of_this_process(environment).map_err(|source| CommandError::Io { path: PathBuf::from("planish"), source })?;
    let mut observer = observer(&opened.plan, screen);
    let around = Surroundings { store: &opened.store, executor: &executor, observer: observer.as_mut(), history: &mut opened.history };
    Ok(run::run(&opened.plan, around, options)?)
}

fn observer(plan: &Plan, screen: Screen) -> Box<dyn Observer + '_> {
    if screen.is_terminal() && !screen.is_quiet() {
        Box::new(ProgressObserver::new(plan))
    } else {
        Box::new(LineObserver::new(plan, screen))
    }
}

/// The log of each instance that ran.
fn logs(opened: &Opened, result: &RunResult) -> Vec<PathBuf> {
    let log = |id: &str, outcome: &Outcome| match outcome {
        Outcome::Failed { .. } => opened.history.past(id).and_then(|past| past.log.as_deref()).map(|log| opened.store.root().join(log)),
        _ => None,
    };
    let instances = opened.plan.instances.iter().zip(&result.outcomes);
    instances.map(|(instance, outcome)| log(&instance.id, outcome).unwrap_or_else(|| Path::new("").to_path_buf())).collect()
}
