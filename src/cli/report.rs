//! `planish report`: the page beside the pipeline file, from results that are there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use planish_cache::{Digest, Key};
use planish_contract::Folder;
use serde_json::Value;

use crate::exit::Exit;
use crate::plan::Instance;
use crate::run::{Adoptions, Forecast, Mark, Outcome, Provenance, RunResult, Standing, open_artifact};
use crate::show::{self, PageView, ReportView, Screen};

use super::browser;
use super::error::CommandError;
use super::hooks::{Hooks, InstanceProvenance, ReportHook};
use super::open::{Opened, PipelineArguments};

/// Render the report page again, from the results in the store
#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// Show it in the browser
    #[arg(long)]
    open: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn report(arguments: &ReportArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let opened = arguments.pipeline.open(&[], hooks.kinds)?;
    let (pages, failed) = render(&opened, hooks)?;
    opened.say_notices(screen);
    if failed > 0 && !pages.is_empty() {
        screen.complain(&format!(
            "{failed} of the pipeline's instances failed: the page shows what the last run made without them, with gaps"
        ));
    }
    if pages.is_empty() {
        let none = slots(&opened, hooks).is_empty();
        let message = if none { "no stage of this pipeline makes a report" } else { "the result that the page shows is not there" };
        return Err(CommandError::usage(message, "`planish run` makes results; a stage with run = \"report\" makes tables of them"));
    }
    if arguments.open {
        for page in &pages {
            browser::open(&page.path.display().to_string())?;
        }
    }
    if arguments.json {
        screen.answer(&show::json_answer("report", ReportView { pages: pages.iter().map(Page::view).collect() }));
        return Ok(Exit::Success);
    }
    for page in pages {
        screen.answer(&format!("{}\n", show::path(&page.path)));
    }
    Ok(Exit::Success)
}

fn hook<'a>(hooks: &Hooks<'a>, instance: &Instance) -> Option<&'a ReportHook> {
    hooks.reports.iter().find(|hook| hook.kind == instance.kind)
}

/// A page that is there.
#[derive(Debug, PartialEq)]
pub(super) struct Page {
    pub(super) path: PathBuf,
    /// What it shows, as text.
    pub(super) text: String,
    /// The digest of its bytes.
    pub(super) digest: Digest,
}

impl Page {
    pub(super) fn view(&self) -> PageView {
        PageView::new(&self.path, &self.text)
    }
}

/// How an instance stands.
struct Stand {
    standing: Standing,
    key: Option<Key>,
    /// Its outputs, if its result is in the store.
    outputs: Option<BTreeMap<String, Digest>>,
}

/// Writes a page for each result that has one; how many instances failed.
fn render(opened: &Opened, hooks: &Hooks<'_>) -> Result<(Vec<Page>, usize), CommandError> {
    if slots(opened, hooks).is_empty() {
        return Ok((Vec::new(), 0));
    }
    let stands = with_last_results(opened, stands(opened)?)?;
    let failed = stands.iter().filter(|stand| stand.standing == Standing::Failed).count();
    Ok((pages(opened, hooks, &stands)?, failed))
}

/// How every instance stands.
fn stands(opened: &Opened) -> Result<Vec<Stand>, CommandError> {
    let stand = |(instance, forecast): (&Instance, Forecast)| {
        let past = opened.history.past(&instance.id);
        let standing = Standing::of(&forecast, past);
        match forecast {
            Forecast::Hit { resolved, outputs } => Stand { standing, key: Some(resolved.key), outputs: Some(outputs) },
            _ => Stand { standing, key: past.and_then(|past| past.key), outputs: None },
        }
    };
    Ok(opened.plan.instances.iter().zip(opened.forecast()?).map(stand).collect())
}

/// Where instances failed, what depends on them stays open, although a report that goes on without them may have been made: those that are
/// open stand with the outputs of their last result.
fn with_last_results(opened: &Opened, mut stands: Vec<Stand>) -> Result<Vec<Stand>, CommandError> {
    if !stands.iter().any(|stand| stand.standing == Standing::Failed) {
        return Ok(stands);
    }
    for stand in stands.iter_mut().filter(|stand| stand.outputs.is_none() && stand.standing != Standing::Failed) {
        let entry = stand.key.map(|key| opened.store.peek(&key)).transpose()?.flatten();
        stand.outputs = entry.map(|entry| entry.outputs);
    }
    Ok(stands)
}

/// The same after a run. What failed in it is a gap in a report that goes on without it.
pub(super) fn render_after(opened: &Opened, hooks: &Hooks<'_>, result: &RunResult) -> Result<Vec<Page>, CommandError> {
    pages(opened, hooks, &stands_after(opened, result))
}

/// What is known of every instance after a run that left nothing undone.
pub(super) fn provenance_after(opened: &Opened, result: &RunResult) -> Result<Vec<InstanceProvenance>, CommandError> {
    provenance(opened, &stands_after(opened, result))
}

fn stands_after(opened: &Opened, result: &RunResult) -> Vec<Stand> {
    let stand = |(instance, (outcome, key)): (&Instance, (&Outcome, &Option<Key>))| {
        let before = opened.history.past(&instance.id).and_then(|past| past.key);
        let (standing, key) = match outcome {
            Outcome::Hit { .. } | Outcome::Done { .. } => (Standing::Fresh, *key),
            Outcome::Failed { .. } => (Standing::Failed, before),
            Outcome::Blocked { .. } | Outcome::Stopped | Outcome::NotStarted if before.is_some() => (Standing::Stale, before),
            Outcome::Blocked { .. } | Outcome::Stopped | Outcome::NotStarted => (Standing::Missing, None),
        };
        Stand { standing, key, outputs: outcome.outputs().cloned() }
    };
    opened.plan.instances.iter().zip(result.outcomes.iter().zip(&result.keys)).map(stand).collect()
}

/// Makes the pages, and writes those that are not there.
fn pages(opened: &Opened, hooks: &Hooks<'_>, stands: &[Stand]) -> Result<Vec<Page>, CommandError> {
    let slots = slots(opened, hooks);
    if slots.is_empty() {
        return Ok(Vec::new());
    }
    let provenance = provenance(opened, stands)?;
    let mut pages = Vec::new();
    for slot in &slots {
        let Some((artifact, html)) = draw(opened, slot, stands, &provenance)? else { continue };
        let (path, digest) = (opened.folder.join(&slot.name), Digest::of(html.as_bytes()));
        if opened.store.hash_file(&path).ok() != Some(digest) {
            opened.store.write_atomic(&path, html.as_bytes())?;
        }
        pages.push(Page { path, text: (slot.hook.text)(&artifact)?, digest });
    }
    Ok(pages)
}

/// A page that this pipeline has, once its result is there.
struct PageSlot<'a> {
    /// The index of the instance that it shows.
    index: usize,
    instance: &'a Instance,
    hook: &'a ReportHook,
    /// Its file.
    name: String,
}

fn slots<'a>(opened: &'a Opened, hooks: &Hooks<'a>) -> Vec<PageSlot<'a>> {
    let instances = opened.plan.instances.iter().enumerate();
    let shown: Vec<_> = instances.filter_map(|(index, instance)| Some((index, instance, hook(hooks, instance)?))).collect();
    let several = shown.len() > 1;
    let slot = |(index, instance, hook): (usize, &'a Instance, &'a ReportHook)| {
        let name = page_name(opened.profile.as_deref(), several.then_some(instance.id.as_str()));
        PageSlot { index, instance, hook, name }
    };
    shown.into_iter().map(slot).collect()
}

/// The result that a page shows, and the page; `None` when the result is not there.
fn draw(
    opened: &Opened,
    slot: &PageSlot<'_>,
    stands: &[Stand],
    provenance: &[InstanceProvenance],
) -> Result<Option<(Folder, String)>, CommandError> {
    let Some(Stand { outputs: Some(outputs), .. }) = stands.get(slot.index) else { return Ok(None) };
    let Some(digest) = slot.instance.default_output(outputs) else { return Ok(None) };
    let artifact = open_artifact(&opened.store, &slot.instance.id, digest)?;
    let html = (slot.hook.render)(&artifact, provenance)?;
    Ok(Some((artifact, html)))
}

/// The names of the pages whose results are in the store.
pub(super) fn names(opened: &Opened, hooks: &Hooks<'_>, forecasts: &[Forecast]) -> Vec<String> {
    let there = |slot: &PageSlot<'_>| matches!(forecasts.get(slot.index), Some(Forecast::Hit { .. }));
    slots(opened, hooks).into_iter().filter(there).map(|slot| slot.name).collect()
}

/// The page of that name, without writing it; `None` when there is none, or its result is not in the store.
pub(super) fn page(opened: &Opened, hooks: &Hooks<'_>, name: &str) -> Result<Option<String>, CommandError> {
    let slots = slots(opened, hooks);
    let Some(slot) = slots.iter().find(|slot| slot.name == name) else { return Ok(None) };
    let stands = with_last_results(opened, stands(opened)?)?;
    Ok(draw(opened, slot, &stands, &provenance(opened, &stands)?)?.map(|(_, html)| html))
}

/// `report.html`, with the profile's name and, where there are several, the instance's.
fn page_name(profile: Option<&str>, instance: Option<&str>) -> String {
    let parts = ["report"].into_iter().chain(profile).chain(instance);
    format!("{}.html", parts.map(file_name).collect::<Vec<_>>().join("-"))
}

/// A name of an instance that any file system takes.
pub(super) fn file_name(instance: &str) -> String {
    instance.chars().map(|c| if c.is_ascii_alphanumeric() || "-_=,.".contains(c) { c } else { '_' }).collect()
}

/// What is known of every instance.
fn provenance(opened: &Opened, stands: &[Stand]) -> Result<Vec<InstanceProvenance>, CommandError> {
    let fresh = |index: usize| stands.get(index).filter(|stand| stand.standing == Standing::Fresh).and_then(|stand| stand.key);
    let marks = Adoptions::load(&opened.store).marks(&opened.plan, fresh);
    let instances = opened.plan.instances.iter().zip(stands).zip(&marks);
    instances.map(|((instance, stand), mark)| of_instance(opened, instance, stand, mark)).collect()
}

fn of_instance(opened: &Opened, instance: &Instance, stand: &Stand, mark: &Mark) -> Result<InstanceProvenance, CommandError> {
    let key = stand.key;
    let entry = key.map(|key| opened.store.peek(&key)).transpose()?.flatten();
    let known = entry.as_ref().map(|entry| Provenance::read(&entry.provenance)).unwrap_or_default();
    let log = opened.store.root().join(&known.log);
    let mut facts = Vec::new();
    if entry.is_some() {
        facts.extend([("host", Value::from(known.host)), ("cpu", known.cpu.into()), ("threads", known.threads.into())]);
        facts.extend(known.gpus.map(|gpus| ("gpus", Value::from(gpus))));
        facts.extend([("planish", Value::from(known.planish)), ("build", known.build.into()), ("run", known.run.into())]);
    }
    facts.extend(mark.own.iter().map(|adoption| ("adopted", show::adoption(adoption).into())));
    facts.extend(mark.rests_on.keys().map(|instance| ("rests on adopted", Value::from(instance.as_str()))));
    let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(known.facts).collect();
    Ok(InstanceProvenance {
        id: instance.id.clone(),
        stage: instance.stage.clone(),
        kind: instance.kind.clone(),
        standing: stand.standing,
        key: key.map(|key| key.to_string()).unwrap_or_default(),
        made: known.ended,
        seconds: entry.is_some().then_some(known.seconds),
        facts,
        log: if entry.is_some() && log.is_file() { show::path(&log) } else { String::new() },
        arguments: arguments(opened),
    })
}

/// The arguments that name this pipeline and profile, for a shell in the pipeline's folder.
fn arguments(opened: &Opened) -> String {
    let file = opened.files.first().and_then(|(path, _)| path.file_name()?.to_str()).filter(|name| *name != "pipeline.toml");
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let parts = [("--file", file), ("--profile", opened.profile.as_deref())];
    parts.iter().filter_map(|(option, value)| value.map(|value| format!("{option} {}", quoted(value)))).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::mpsc;

    use clap::Parser;
    use planish_contract::{Failure, Folder};

    use super::*;
    use crate::run::testing::{Nobody, Threads};
    use crate::run::{Dispatcher, RunOptions, Surroundings, Total};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        pipeline: PipelineArguments,
    }

    fn page(folder: &Folder, instances: &[InstanceProvenance]) -> Result<String, Failure> {
        let path = folder.file("x")?;
        let text = std::fs::read_to_string(path).map_err(|e| Failure::io(path, e))?;
        let known: Vec<String> = instances
            .iter()
            .map(|i| format!("{} {} {} {}", i.id, i.standing.as_str(), i.seconds.is_some(), i.facts.iter().any(|(name, _)| name == "host")))
            .collect();
        Ok(format!("{text}{}", known.join("\n")))
    }

    #[test]
    fn the_page_shows_the_result_and_where_it_comes_from() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pipeline.toml");
        let stage = "[stages.a]\nrun = \"command\"\nparams.outputs = [\"out\"]\nparams.command = [\"sh\", \"-c\", \"echo made > {outputs.out}/x\"]\n";
        std::fs::write(&file, stage).unwrap();
        let line = Line::try_parse_from(["report".as_ref(), "--file".as_ref(), file.as_os_str()]).unwrap();
        let kinds = crate::run::testing::kinds();
        let mut opened = line.pipeline.open(&[], kinds).unwrap();
        let hooks = Hooks {
            kinds,
            reports: &[ReportHook { kind: "command", render: page, text: |_| Ok("a table".to_owned()) }],
            needs: &[],
            devices: None,
            curves: &[],
            attack: None,
            environment: &[],
            helpers: &[],
        };
        assert_eq!(render(&opened, &hooks).unwrap(), (Vec::new(), 0));

        let options =
            RunOptions { total: Total { cpus: 1, memory: 0, gpus: Vec::new() }, fail_fast: false, force: BTreeSet::new(), memo: true };
        let executor = Threads::default();
        let around =
            Surroundings { store: &opened.store, executor: &executor, observer: &mut Nobody, history: &mut opened.history, root: None };
        let (sender, receiver) = mpsc::channel();
        Dispatcher::new(&opened.plan, around, options, sender).run(&receiver).unwrap();

        let path = folder.path().join("report.html");
        assert_eq!(
            render(&opened, &hooks).unwrap(),
            (vec![Page { path: path.clone(), text: "a table".to_owned(), digest: Digest::of(b"made\na fresh true true") }], 0)
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "made\na fresh true true");
    }
}
