//! Instances by name: `train[method=llr,seed=0]`, or all that `train` or `train[method=llr]` stands for.

use std::collections::BTreeSet;

use crate::plan::{Instance, Plan};
use crate::spec::Sources;
use crate::spec::reference::Reference;
use crate::spec::suggest::suggest;
use crate::spec::{Span, SpecErrors};

use super::error::CommandError;

/// The instances of `plan` that `text` names, by index; at least one.
pub(super) fn matching(plan: &Plan, text: &str) -> Result<BTreeSet<usize>, CommandError> {
    if let Some(index) = plan.instances.iter().position(|instance| instance.id == text) {
        return Ok(BTreeSet::from([index]));
    }
    let mut sources = Sources::default();
    let span = Span::new(sources.add("command line", text.to_owned()), 0..text.len());
    let reference = Reference::parse(text, span).map_err(|problem| SpecErrors::one(problem, &sources))?;
    let found: BTreeSet<usize> =
        plan.instances.iter().enumerate().filter(|(_, instance)| matches(instance, &reference)).map(|(index, _)| index).collect();
    if found.is_empty() {
        let help = suggest(text, "instance", plan.instances.iter().map(|instance| instance.id.as_str()));
        return Err(CommandError::usage(format!("there is no instance `{text}` in the plan"), help));
    }
    Ok(found)
}

/// The one instance of `plan` that `text` names.
pub(super) fn single<'a>(plan: &'a Plan, text: &str) -> Result<&'a Instance, CommandError> {
    let found = matching(plan, text)?;
    let instances: Vec<&Instance> = found.iter().filter_map(|index| plan.instances.get(*index)).collect();
    match instances.as_slice() {
        [instance] => Ok(instance),
        several => {
            let names: Vec<&str> = several.iter().map(|instance| instance.id.as_str()).collect();
            Err(CommandError::usage(
                format!("`{text}` stands for {} instances", several.len()),
                format!("name one of: {}", names.join(", ")),
            ))
        }
    }
}

fn matches(instance: &Instance, reference: &Reference) -> bool {
    let stands_at = |(axis, label): &(String, String)| instance.coordinates.get(axis).is_some_and(|coordinate| coordinate.label == *label);
    instance.stage == reference.stage && reference.output.is_none() && reference.filters.iter().all(stands_at)
}
