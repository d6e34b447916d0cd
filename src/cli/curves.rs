//! `planish show --tensorboard DIR`: the curves of results, for `TensorBoard`.

use std::path::Path;

use crate::exit::Exit;
use crate::file_name::file_name;
use crate::run::{Provenance, open_artifact, seconds_since_1970};
use crate::show::{self, Screen};

use super::error::CommandError;
use super::hooks::Hooks;
use super::open::Opened;
use super::{select, show as command};

/// Writes the curves of every instance that `text` names to `folder`.
pub(super) fn write(opened: &Opened, hooks: &Hooks<'_>, (text, folder): (&str, &Path), screen: Screen) -> Result<Exit, CommandError> {
    let forecasts = opened.forecast()?;
    for index in select::matching(&opened.plan, text)? {
        let (Some(instance), Some(forecast)) = (opened.plan.instances.get(index), forecasts.get(index)) else { continue };
        let Some(hook) = hooks.curves.iter().find(|hook| hook.kind == instance.kind) else {
            let message = format!("`{}` has no curves", instance.id);
            return Err(CommandError::usage(message, "name a training; stages of kind \"train\" have curves"));
        };
        let (entry, fresh) = command::entry(opened, instance, forecast)?;
        let Some(digest) = instance.default_output(&entry.outputs) else { continue };
        let known = Provenance::read(&entry.provenance);
        let target = folder.join(file_name(&instance.id));
        let made = seconds_since_1970(&known.ended).unwrap_or_default();
        (hook.write)(&open_artifact(&opened.store, &instance.id, digest)?, made, &known.facts, &target)?;
        let earlier = if fresh { "" } else { " (an earlier result; a run would make another)" };
        screen.say(&format!("{} → {}{earlier}", instance.id, show::path(&target)));
    }
    screen.say(&format!("look at them with: tensorboard --logdir {}", show::path(folder)));
    Ok(Exit::Success)
}
