//! The pages that a pipeline has, and drawing them.

use planish_contract::Folder;

use crate::cli::error::CommandError;
use crate::cli::hooks::{Hooks, InstanceProvenance, ReportHook};
use crate::cli::open::Opened;
use crate::file_name::file_name;
use crate::plan::Instance;
use crate::run::open_artifact;

use super::stand::Stand;

fn hook<'a>(hooks: &Hooks<'a>, instance: &Instance) -> Option<&'a ReportHook> {
    hooks.reports.iter().find(|hook| hook.kind == instance.kind)
}

/// A page that this pipeline has, once its result is there.
pub(super) struct PageSlot<'a> {
    /// The index of the instance that it shows.
    pub(super) index: usize,
    instance: &'a Instance,
    pub(super) hook: &'a ReportHook,
    /// Its file.
    pub(super) name: String,
}

pub(super) fn slots<'a>(opened: &'a Opened, hooks: &Hooks<'a>) -> Vec<PageSlot<'a>> {
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
pub(super) fn draw(
    opened: &Opened,
    slot: &PageSlot<'_>,
    stands: &[Stand],
    provenance: &[InstanceProvenance],
) -> Result<Option<(Folder, String)>, CommandError> {
    let Some(Stand { outputs: Some(outputs), .. }) = stands.get(slot.index) else { return Ok(None) };
    let Some(digest) = slot.instance.default_output(outputs) else { return Ok(None) };
    let artifact = open_artifact(&opened.store, &slot.instance.id, digest)?;
    let gathered = slot.instance.inputs.iter().filter(|input| input.gather);
    let gathers = gathered.map(|input| (input.name.clone(), input.sources.iter().map(|source| source.instance).collect())).collect();
    let html = (slot.hook.render)(&artifact, provenance, &gathers)?;
    Ok(Some((artifact, html)))
}

/// `report.html`, with the profile's name and, where there are several, the instance's behind `@`, which no profile's name has.
fn page_name(profile: Option<&str>, instance: Option<&str>) -> String {
    let profile = profile.map(|profile| format!("-{profile}")).unwrap_or_default();
    let instance = instance.map(|instance| format!("@{instance}")).unwrap_or_default();
    format!("{}.html", file_name(&format!("report{profile}{instance}")))
}

#[cfg(test)]
mod tests {
    use super::page_name;

    #[test]
    fn pages_have_different_names() {
        assert_eq!(page_name(None, None), "report.html");
        assert_eq!(page_name(Some("smoke"), None), "report-smoke.html");
        assert_eq!(page_name(Some("smoke"), Some("tables[data=a]")), "report-smoke@tables[data=a].html");
        assert_ne!(page_name(Some("a-b"), Some("c")), page_name(Some("a"), Some("b-c")));
        assert_ne!(page_name(None, Some("t[eps=8/255]")), page_name(None, Some("t[eps=8_255]")));
    }
}
