//! `planish report`: the page beside the pipeline file, from results that are there.

mod provenance;
mod slots;
mod stand;

use std::path::PathBuf;

use clap::Args;
use planish_cache::Digest;

use crate::exit::Exit;
use crate::run::{Forecast, RunResult, Standing};
use crate::show::{self, PageView, ReportView, Screen};

use super::browser;
use super::error::CommandError;
use super::hooks::{Hooks, InstanceProvenance};
use super::open::{Opened, PipelineArguments};

use provenance::provenance;
use slots::{PageSlot, draw, slots};
use stand::{Stand, stands, stands_after, with_last_results};

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

/// Writes a page for each result that has one; how many instances failed.
fn render(opened: &Opened, hooks: &Hooks<'_>) -> Result<(Vec<Page>, usize), CommandError> {
    if slots(opened, hooks).is_empty() {
        return Ok((Vec::new(), 0));
    }
    let stands = with_last_results(opened, stands(opened, &opened.forecast()?))?;
    let failed = stands.iter().filter(|stand| stand.standing == Standing::Failed).count();
    Ok((pages(opened, hooks, &stands)?, failed))
}

/// The same after a run. What failed in it is a gap in a report that goes on without it.
pub(super) fn render_after(opened: &Opened, hooks: &Hooks<'_>, result: &RunResult) -> Result<Vec<Page>, CommandError> {
    pages(opened, hooks, &stands_after(opened, result))
}

/// What is known of every instance after a run that left nothing undone.
pub(super) fn provenance_after(opened: &Opened, result: &RunResult) -> Result<Vec<InstanceProvenance>, CommandError> {
    provenance(opened, &stands_after(opened, result))
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

/// The names of the pages that can be shown: those of [`page`].
pub(super) fn names(opened: &Opened, hooks: &Hooks<'_>, forecasts: &[Forecast]) -> Result<Vec<String>, CommandError> {
    let slots = slots(opened, hooks);
    if slots.is_empty() {
        return Ok(Vec::new());
    }
    let stands = with_last_results(opened, stands(opened, forecasts))?;
    let there = |slot: &PageSlot<'_>| stands.get(slot.index).is_some_and(|stand| stand.outputs.is_some());
    Ok(slots.into_iter().filter(there).map(|slot| slot.name).collect())
}

/// The page of that name, without writing it; `None` when there is none, or its result is not in the store.
pub(super) fn page(opened: &Opened, hooks: &Hooks<'_>, name: &str) -> Result<Option<String>, CommandError> {
    let slots = slots(opened, hooks);
    let Some(slot) = slots.iter().find(|slot| slot.name == name) else { return Ok(None) };
    let stands = with_last_results(opened, stands(opened, &opened.forecast()?))?;
    Ok(draw(opened, slot, &stands, &provenance(opened, &stands)?)?.map(|(_, html)| html))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::mpsc;

    use clap::Parser;
    use planish_contract::{Failure, Folder};

    use super::*;
    use crate::cli::hooks::ReportHook;
    use crate::run::testing::{Nobody, Threads};
    use crate::run::{Dispatcher, RunOptions, Surroundings, Total};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        pipeline: PipelineArguments,
    }

    fn page(folder: &Folder, instances: &[InstanceProvenance], _: &BTreeMap<String, Vec<usize>>) -> Result<String, Failure> {
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
