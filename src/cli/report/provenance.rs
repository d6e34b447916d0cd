//! What is known of each instance beside its result, as pages show it.

use serde_json::Value;

use crate::cli::error::CommandError;
use crate::cli::hooks::InstanceProvenance;
use crate::cli::open::Opened;
use crate::plan::Instance;
use crate::run::{Adoptions, Mark, Provenance, Standing};
use crate::show;

use super::stand::Stand;

/// What is known of every instance.
pub(super) fn provenance(opened: &Opened, stands: &[Stand]) -> Result<Vec<InstanceProvenance>, CommandError> {
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
