//! `planish list`: instances, or the artifacts in the store.

use std::collections::BTreeSet;

use clap::Args;

use crate::exit::Exit;
use crate::run::Forecast;
use crate::show::{self, InstanceView, Screen, StoredView};

use super::error::CommandError;
use super::hooks::Hooks;
use super::open::{Opened, PipelineArguments};
use super::select;

/// List instances with what they take and make, or the artifacts that are in the store
#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Stages or instances: `train`, 'attack[method=llr]' [default: all]
    targets: Vec<String>,
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// List the artifacts of results that are up to date, with digests and sizes
    #[arg(long)]
    artifacts: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn list(arguments: &ListArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let opened = arguments.pipeline.open(&[], hooks.kinds)?;
    let mut selected: BTreeSet<usize> = BTreeSet::new();
    for target in &arguments.targets {
        selected.extend(select::matching(&opened.plan, target)?);
    }
    if arguments.targets.is_empty() {
        selected.extend(0..opened.plan.instances.len());
    }
    if arguments.artifacts {
        let forecasts = opened.forecast()?;
        let stored = artifacts(&opened, &forecasts, &selected)?;
        opened.say_notices(screen);
        screen.answer(&if arguments.json { show::json("list", &stored) } else { show::artifacts(&stored) });
    } else {
        let views: Vec<InstanceView<'_>> = selected.iter().filter_map(|index| InstanceView::new(&opened.plan, *index)).collect();
        screen.answer(&if arguments.json { show::json("list", &views) } else { show::instances(&views) });
    }
    Ok(Exit::Success)
}

fn artifacts<'a>(opened: &'a Opened, forecasts: &[Forecast], selected: &BTreeSet<usize>) -> Result<Vec<StoredView<'a>>, CommandError> {
    let mut stored = Vec::new();
    for index in selected {
        let (Some(instance), Some(Forecast::Hit { outputs, .. })) = (opened.plan.instances.get(*index), forecasts.get(*index)) else {
            continue;
        };
        for output in &instance.interface.outputs {
            let Some(digest) = outputs.get(&output.name) else { continue };
            if let Some(tree) = opened.store.tree(digest)? {
                let bytes = tree.files.values().map(|file| file.size).sum();
                stored.push(StoredView {
                    instance: &instance.id,
                    output: &output.name,
                    kind: output.kind.as_str(),
                    digest: digest.to_string(),
                    files: tree.files.len(),
                    bytes,
                });
            }
        }
    }
    Ok(stored)
}
