//! Targets: which instances a plan keeps.

use super::Instance;
use super::connect::{check_filters, matching};
use super::expand::Expanded;
use super::order::unknown;
use super::target::Target;
use crate::spec::{Problem, Problems, Sources};

/// Which instances the targets need; all of them when there are no targets.
pub(super) fn wanted(expanded: &Expanded<'_>, targets: &[Target], sources: &mut Sources, problems: &mut Problems) -> Vec<bool> {
    let mut wanted = vec![targets.is_empty(); expanded.instances.len()];
    // With other problems about, a stage may be missing because of them.
    if targets.is_empty() || !problems.is_empty() {
        return wanted;
    }
    for target in targets {
        for index in problems.keep(meant(expanded, target, sources)).unwrap_or_default() {
            if let Some(wanted) = wanted.get_mut(index) {
                *wanted = true;
            }
        }
    }
    // Sources stand before those that take from them, so one pass from the end reaches all.
    for (index, instance) in expanded.instances.iter().enumerate().rev() {
        if wanted.get(index) == Some(&true) {
            for source in instance.inputs.iter().flat_map(|input| &input.sources) {
                if let Some(wanted) = wanted.get_mut(source.instance) {
                    *wanted = true;
                }
            }
        }
    }
    wanted
}

fn meant(expanded: &Expanded<'_>, target: &Target, sources: &mut Sources) -> Result<Vec<usize>, Problem> {
    let reference = target.reference(sources)?;
    let stage = expanded.stage(&reference.stage).ok_or_else(|| unknown(&reference, expanded.stage_names()))?;
    check_filters(&reference, stage)?;
    let found: Vec<usize> = matching(&reference, stage, expanded).collect();
    if found.is_empty() {
        let problem = Problem::new(format!("no instance of `{}` stands at these labels", reference.stage)).at(reference.span, "here");
        return Err(problem.help("`exclude` leaves them all out"));
    }
    Ok(found)
}

/// The wanted instances, with their sources numbered anew.
pub(super) fn keep(instances: Vec<Instance>, wanted: &[bool]) -> Vec<Instance> {
    let mut numbers = Vec::with_capacity(instances.len());
    let mut next = 0;
    for index in 0..instances.len() {
        let is_wanted = wanted.get(index) == Some(&true);
        numbers.push(is_wanted.then_some(next));
        next += usize::from(is_wanted);
    }
    let kept = instances.into_iter().zip(wanted).filter(|(_, wanted)| **wanted).map(|(instance, _)| instance);
    kept.map(|mut instance| {
        for source in instance.inputs.iter_mut().flat_map(|input| &mut input.sources) {
            if let Some(Some(number)) = numbers.get(source.instance) {
                source.instance = *number;
            }
        }
        instance
    })
    .collect()
}
