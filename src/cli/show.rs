//! `planish show INSTANCE`: the files of a result, and where it comes from.

use std::path::{Path, PathBuf};

use clap::Args;
use planish_cache::{Entry, RestoreAs};

use crate::exit::Exit;
use crate::plan::Instance;
use crate::run::{Forecast, Mark, Provenance};
use crate::show::{self, ArtifactView, FileView, ResultView, Screen};

use super::curves;
use super::error::CommandError;
use super::hooks::Hooks;
use super::open::{Opened, PipelineArguments};
use super::select;

/// Show the files of a result and where it comes from, or copy them out
#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// The instance, or the stage
    instance: String,
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    /// Copy the files to DIR, a folder for each output
    #[arg(long, value_name = "DIR")]
    restore: Option<PathBuf>,
    /// With --restore: link to the store's own files, read-only, instead of copying them; never write to them
    #[arg(long, requires = "restore")]
    hard_link: bool,
    /// Write the curves of trainings to DIR as event files, a folder for each instance
    #[arg(long, value_name = "DIR", conflicts_with_all = ["restore", "json"])]
    tensorboard: Option<PathBuf>,
}

pub(super) fn show(arguments: &ShowArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let opened = arguments.pipeline.open(&[], hooks.kinds)?;
    if let Some(folder) = &arguments.restore {
        let instance = select::single(&opened.plan, &arguments.instance)?;
        let how = if arguments.hard_link { RestoreAs::HardLink } else { RestoreAs::Copy };
        return restore(&opened, instance, (folder, how), screen);
    }
    if let Some(folder) = &arguments.tensorboard {
        return curves::write(&opened, hooks, (&arguments.instance, folder), screen);
    }
    let forecasts = opened.forecast()?;
    let marks = opened.marks(&forecasts);
    let mut views = Vec::new();
    for index in select::matching(&opened.plan, &arguments.instance)? {
        if let (Some(instance), Some(forecast), Some(mark)) = (opened.plan.instances.get(index), forecasts.get(index), marks.get(index)) {
            views.push(view(&opened, instance, forecast, mark)?);
        }
    }
    opened.say_notices(screen);
    let text = views.iter().map(show::artifact).collect::<Vec<_>>().join("\n");
    screen.answer(&if arguments.json { show::json("show", &views) } else { text });
    Ok(Exit::Success)
}

/// The result that a run would use; else the last one.
pub(super) fn entry(opened: &Opened, instance: &Instance, forecast: &Forecast) -> Result<(Entry, bool), CommandError> {
    let current = match forecast {
        Forecast::Hit { resolved, .. } => opened.store.peek(&resolved.key)?,
        _ => None,
    };
    if let Some(entry) = current {
        return Ok((entry, true));
    }
    let last = match opened.history.past(&instance.id).and_then(|past| past.key) {
        Some(key) => opened.store.peek(&key)?,
        None => None,
    };
    let message = || CommandError::usage(format!("`{}` has no result", instance.id), format!("`planish run {}` makes it", instance.id));
    last.map(|entry| (entry, false)).ok_or_else(message)
}

fn view(opened: &Opened, instance: &Instance, forecast: &Forecast, mark: &Mark) -> Result<ResultView, CommandError> {
    let (entry, fresh) = entry(opened, instance, forecast)?;
    let mut outputs = Vec::new();
    for (output, digest) in &entry.outputs {
        let tree = opened.store.tree(digest)?;
        let files = tree.iter().flat_map(|tree| &tree.files);
        outputs.push(ArtifactView {
            output: output.clone(),
            digest: digest.to_string(),
            intact: tree.is_some(),
            files: files
                .map(|(name, file)| FileView { name: name.as_str().to_owned(), digest: file.digest.to_string(), size: file.size })
                .collect(),
        });
    }
    let provenance = Provenance::read(&entry.provenance);
    let mut adopted = mark.rests_on.clone();
    adopted.extend(mark.own.iter().map(|adoption| (instance.id.clone(), adoption.clone())));
    Ok(ResultView { instance: instance.id.clone(), key: entry.key.to_string(), fresh, outputs, provenance, adopted })
}

fn restore(opened: &Opened, instance: &Instance, (folder, how): (&Path, RestoreAs), screen: Screen) -> Result<Exit, CommandError> {
    let forecasts = opened.forecast()?;
    let index = opened.plan.instances.iter().position(|other| other.id == instance.id);
    let Some(forecast) = index.and_then(|index| forecasts.get(index)) else { return Ok(Exit::Internal) };
    let (entry, fresh) = entry(opened, instance, forecast)?;
    for (output, digest) in &entry.outputs {
        let target = folder.join(output);
        refuse_occupied(&target)?;
        if opened.store.restore(digest, &target, how)?.is_some() {
            let earlier = if fresh { "" } else { " (an earlier result; a run would make another)" };
            screen.say(&format!("{}:{output} → {}{earlier}", instance.id, show::path(&target)));
        } else {
            let message = format!("output `{output}` of `{}` was removed or damaged", instance.id);
            return Err(CommandError::usage(message, format!("`planish run {}` makes it anew", instance.id)));
        }
    }
    Ok(Exit::Success)
}

/// Never mixes a result with other files.
fn refuse_occupied(folder: &Path) -> Result<(), CommandError> {
    let occupied = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => false,
        Err(source) => return Err(CommandError::Io { path: folder.to_path_buf(), source }),
    };
    if occupied {
        return Err(CommandError::usage(format!("{} is not empty", folder.display()), "name a folder that is empty or not there"));
    }
    Ok(())
}
