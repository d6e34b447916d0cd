//! `planish log INSTANCE`: what an instance printed when it last ran.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use planish_cache::Store;

use crate::exit::Exit;
use crate::run::{find_log, read_record};
use crate::show::{self, LogView, Screen};

use super::error::CommandError;
use super::hooks::Hooks;
use super::open::PipelineArguments;
use super::select;

/// How often a followed log is looked at.
const INTERVAL: Duration = Duration::from_millis(200);

/// How much of a log is told in JSON, in bytes.
const MOST: u64 = 4 << 20;

/// Show what an instance printed when it last ran
#[derive(Debug, Args)]
pub(super) struct LogArguments {
    /// The instance
    instance: String,
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// Go on until the instance ends
    #[arg(long)]
    follow: bool,
    /// Answer in JSON
    #[arg(long, conflicts_with = "follow")]
    json: bool,
}

pub(super) fn log(arguments: &LogArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let opened = arguments.pipeline.open(&[], hooks.kinds)?;
    let instance = select::single(&opened.plan, &arguments.instance)?;
    let Some((record, path)) = find_log(&opened.store, &opened.plan.name, &instance.id) else {
        let message = format!("`{}` has no log: no run of this pipeline worked on it here", instance.id);
        return Err(CommandError::usage(message, "`planish status` shows how it stands"));
    };
    if arguments.json {
        let (text, omitted) = end_of(&path).map_err(|source| CommandError::Io { path: path.clone(), source })?;
        let view = LogView {
            instance: instance.id.clone(),
            running: record.is_running(&instance.id),
            run: record.run,
            path: show::path(&path),
            omitted,
            text: String::from_utf8_lossy(&text).into_owned(),
        };
        screen.answer(&show::json("log", [view]));
        return Ok(Exit::Success);
    }
    screen.say(&format!("{} in run {}: {}", instance.id, record.run, show::path(&path)));
    let running = || arguments.follow && is_running(&opened.store, &record.run, &instance.id);
    copy(&path, running, screen).map_err(|source| CommandError::Io { path: path.clone(), source })?;
    Ok(Exit::Success)
}

/// The end of the file, and how many bytes come before that.
pub(super) fn end_of(path: &Path) -> std::io::Result<(Vec<u8>, u64)> {
    let mut file = File::open(path)?;
    let omitted = file.metadata()?.len().saturating_sub(MOST);
    file.seek(SeekFrom::Start(omitted))?;
    let mut text = Vec::new();
    file.take(MOST).read_to_end(&mut text)?;
    Ok((text, omitted))
}

fn is_running(store: &Store, run: &str, instance: &str) -> bool {
    read_record(store, run).is_some_and(|record| record.is_running(instance))
}

/// Shows the file, and what is added to it as long as `running` holds.
fn copy(path: &Path, running: impl Fn() -> bool, screen: Screen) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        // Asked before reading, so that the last lines are not lost.
        let more = running();
        loop {
            let length = file.read(&mut buffer)?;
            if length == 0 {
                break;
            }
            screen.bytes(buffer.get(..length).unwrap_or_default());
        }
        if !more {
            return Ok(());
        }
        std::thread::sleep(INTERVAL);
    }
}
