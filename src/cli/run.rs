//! `planish run`: make what is not there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use planish_cache::{PlanRoot, Store};

use crate::exit::Exit;
use crate::plan::Plan;
use crate::run::{
    self, Adoptions, Ended, Estimate, Local, Observer, Outcome, RunOptions, RunResult, Settled, Surroundings, Total, processors,
    read_record,
};
use crate::show::{self, LineObserver, ProgressObserver, RunView, Screen, Summary};

use super::error::CommandError;
use super::hooks::Hooks;
use super::open::{Opened, PipelineArguments};
use super::{plan, report, select};

/// Make what is not there: run the stages whose results are not in the store
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct RunArguments {
    /// Stages or instances, with everything that they need [default: all]
    targets: Vec<String>,
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// After a failure, go on with what does not need it (the default)
    #[arg(long, conflicts_with = "fail_fast")]
    keep_going: bool,
    /// Stop at the first failure: start nothing more, and ask what runs to stop
    #[arg(long)]
    fail_fast: bool,
    /// Run these stages or instances even if their results are there
    #[arg(long, value_name = "TARGET")]
    force: Vec<String>,
    /// Work everything out anew: neither use nor keep sub-results of stages
    #[arg(long)]
    no_memo: bool,
    /// Show what would run, and why, and run nothing (as `planish plan`)
    #[arg(long)]
    dry_run: bool,
    /// Answer in JSON once the run is over; with --dry-run as `planish plan --json`
    #[arg(long)]
    json: bool,
    /// How many processors to keep busy [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    cpus: Option<u16>,
}

pub(super) fn run(arguments: &RunArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let note = arguments.note_path();
    if let Some(exit) = note.as_deref().and_then(|note| answer_from(note, arguments, screen)) {
        return Ok(exit);
    }
    let mut opened = arguments.pipeline.open(&arguments.targets, hooks.kinds)?;
    let mut force = BTreeSet::new();
    for target in &arguments.force {
        force.extend(select::matching(&opened.plan, target)?);
    }
    if arguments.dry_run {
        let accelerator = arguments.pipeline.accelerator();
        let telling = plan::Telling { force: &force, json: arguments.json, kinds: hooks.kinds, accelerator, elsewhere: None };
        return plan::tell(&opened, &telling, screen);
    }
    let options = RunOptions { fail_fast: arguments.fail_fast, force, memo: !arguments.no_memo, ..options(arguments.cpus) };
    let whole = arguments.targets.is_empty();
    let result = carry_out(&arguments.pipeline, &mut opened, (options, whole), screen, hooks)?;
    conclude(&opened, &result, arguments.json, note.as_deref(), (hooks, screen))
}

/// Says what the run came to, and notes it for the next one.
fn conclude(
    opened: &Opened,
    result: &RunResult,
    json: bool,
    note: Option<&Path>,
    (hooks, screen): (&Hooks<'_>, Screen),
) -> Result<Exit, CommandError> {
    let logs = logs(opened, result);
    let summary = Summary { plan: &opened.plan, result, logs: &logs };
    let mut remarks = show::remarks(summary);
    let marks = Adoptions::load(&opened.store).marks(&opened.plan, |index| result.keys.get(index).copied().flatten());
    remarks.push_str(&show::adopted(&opened.plan, &marks));
    let exit = run::exit(result);
    let pages = pages(opened, hooks, result, (exit, screen))?;
    if json {
        screen.complain(&remarks);
        screen.say(show::counts(result).trim_end());
        let recorded = read_record(&opened.store, &result.run).is_some();
        let view = RunView::new(summary, &marks, recorded, exit.code()).pages(pages.iter().map(report::Page::view).collect());
        screen.answer(&show::json_answer("run", &view));
        return Ok(exit);
    }
    let shown: Vec<(PathBuf, String)> = pages.iter().map(|page| (page.path.clone(), page.text.clone())).collect();
    say(screen, &remarks, &shown, &show::counts(result));
    if let Some(note) = note.filter(|_| exit == Exit::Success) {
        settle(note, opened, result, (&remarks, &pages, shown));
    }
    Ok(exit)
}

/// The pages of the reports that the run made or found. After a failure its exit code counts, and a page that can't be written is told beside.
fn pages(
    opened: &Opened,
    hooks: &Hooks<'_>,
    result: &RunResult,
    (exit, screen): (Exit, Screen),
) -> Result<Vec<report::Page>, CommandError> {
    match report::render_after(opened, hooks, result) {
        Err(error) if exit != Exit::Success => {
            screen.error(&error);
            Ok(Vec::new())
        }
        pages => pages,
    }
}

/// Writes down what the plan reaches. A note of this run holds while that is the latest plan.
fn end_root(root: PlanRoot, opened: &mut Opened, whole: bool) -> Result<(), CommandError> {
    let path = root.path().to_path_buf();
    let instances = whole.then(|| opened.plan.instances.iter().map(|instance| instance.id.as_str()));
    run::allow_read_only(root.end(&opened.store, instances))?;
    if let Ok(digest) = opened.store.hash_file(&path) {
        opened.files.push((path, digest));
    }
    Ok(())
}

impl RunArguments {
    /// Where a run of this command line notes that nothing is left to do; `None` when it is not to be asked.
    fn note_path(&self) -> Option<PathBuf> {
        // What the note holds is not enough for an answer in JSON.
        let asks = self.force.is_empty() && !self.dry_run && !self.json;
        asks.then(|| run::note_path(&self.pipeline.root(), &format!("{self:?}")))
    }
}

/// Answers as the run did that left `note`, if nothing changed since then.
fn answer_from(note: &Path, arguments: &RunArguments, screen: Screen) -> Option<Exit> {
    let begun = Instant::now();
    // A store that is not there is made only for a pipeline that can be used.
    if !note.is_file() {
        return None;
    }
    let store = Store::open(&arguments.pipeline.root()).ok()?;
    let settled = Settled::find(note, &store)?;
    let seconds = begun.elapsed().as_secs_f64();
    say(screen, &settled.remarks, &settled.pages, &show::settled_counts(settled.instances(), seconds));
    Some(Exit::Success)
}

/// What a run says at its end.
fn say(screen: Screen, remarks: &str, pages: &[(PathBuf, String)], counts: &str) {
    screen.complain(remarks);
    if !screen.is_quiet() {
        for (_, text) in pages {
            screen.answer(&format!("\n{text}\n"));
        }
        screen.answer(counts);
    }
    for (path, _) in pages {
        screen.say(&format!("report: {}", show::path(path)));
    }
}

/// Notes what the run depended on, for the next run. That only saves time, so a store that can't be written is no failure.
fn settle(note: &Path, opened: &Opened, result: &RunResult, said: (&str, &[report::Page], Vec<(PathBuf, String)>)) {
    let (remarks, pages, shown) = said;
    let hits_only = result.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Hit { .. }));
    // What is said of work says nothing of its result.
    if !hits_only && !remarks.is_empty() {
        return;
    }
    let history = opened.history.path(&opened.store);
    let digest = opened.store.hash_file(&history).ok();
    let files: Vec<_> = opened
        .files
        .iter()
        .cloned()
        .chain(pages.iter().map(|page| (page.path.clone(), page.digest)))
        .chain(digest.map(|digest| (history, digest)))
        .collect();
    let (plan, store, folder) = (&opened.plan, &opened.store, opened.folder.as_path());
    drop(run::settle(note, Ended { plan, store, folder, result, files: &files, remarks, pages: &shown }));
}

/// Makes everything of a plan that is not there, and tells what failed.
pub(super) fn make(
    pipeline: &PipelineArguments,
    opened: &mut Opened,
    cpus: Option<u16>,
    screen: Screen,
    hooks: &Hooks<'_>,
) -> Result<RunResult, CommandError> {
    let result = carry_out(pipeline, opened, (options(cpus), true), screen, hooks)?;
    screen.complain(&show::remarks(Summary { plan: &opened.plan, result: &result, logs: &logs(opened, &result) }));
    Ok(result)
}

/// Runs a plan with so many processors, and no wish beyond that.
fn options(cpus: Option<u16>) -> RunOptions {
    let cpus = cpus.map_or_else(processors, usize::from);
    RunOptions { total: Total::of_machine(cpus), fail_fast: false, force: BTreeSet::new(), memo: true }
}

/// Runs a plan, which is the `whole` pipeline or a part of it, and writes down what it reaches.
fn carry_out(
    pipeline: &PipelineArguments,
    opened: &mut Opened,
    (options, whole): (RunOptions, bool),
    screen: Screen,
    hooks: &Hooks<'_>,
) -> Result<RunResult, CommandError> {
    let executor =
        Local::of_this_process(hooks.environment).map_err(|source| CommandError::Io { path: PathBuf::from("planish"), source })?;
    let mut root = opened.store.plan_root(&pipeline.file, opened.profile.as_deref())?;
    let estimate = Estimate::new(&opened.plan, &opened.history, &options.total);
    let mut observer = observer(&opened.plan, estimate, screen);
    let (store, history) = (&opened.store, &mut opened.history);
    let around = Surroundings { store, executor: &executor, observer: observer.as_mut(), history, root: Some(&mut root) };
    let result = run::run(&opened.plan, around, options)?;
    drop(observer);
    end_root(root, opened, whole)?;
    Ok(result)
}

fn observer<'a>(plan: &'a Plan, estimate: Estimate<'a>, screen: Screen) -> Box<dyn Observer + 'a> {
    if screen.is_terminal() && !screen.is_quiet() {
        Box::new(ProgressObserver::new(plan, estimate))
    } else {
        Box::new(LineObserver::new(plan, estimate, screen))
    }
}

/// The log of each instance that ran; empty for the others.
fn logs(opened: &Opened, result: &RunResult) -> Vec<PathBuf> {
    let log = |id: &str, outcome: &Outcome| match outcome {
        Outcome::Failed { .. } | Outcome::Done { .. } => {
            let past = opened.history.past(id).filter(|past| past.run.as_deref() == Some(result.run.as_str()))?;
            past.log.as_deref().map(|log| opened.store.root().join(log))
        }
        _ => None,
    };
    let instances = opened.plan.instances.iter().zip(&result.outcomes);
    instances.map(|(instance, outcome)| log(&instance.id, outcome).unwrap_or_default()).collect()
}
