//! Inputs that map one to one: the places where all of them stand.

use std::collections::BTreeMap;

use planish_contract::Coordinates;

use super::MAX_INSTANCES;
use super::connect::{Link, labels};
use super::expand::{AxisInfo, Expanded};
use crate::spec::Problem;
use crate::spec::document::StageSpec;

/// The axes that travel along with the inputs of a stage, and those that it declares.
///
/// # Errors
/// An axis that two inputs bring from different declarations with different labels, or that is declared again.
pub(super) fn axes(
    index: usize,
    stage: &StageSpec,
    links: &[Link<'_>],
    expanded: &Expanded<'_>,
) -> Result<BTreeMap<String, AxisInfo>, Problem> {
    let mut axes: BTreeMap<String, AxisInfo> = BTreeMap::new();
    for link in links {
        let brought = link.connection.from.iter().filter_map(|reference| expanded.stage(&reference.stage));
        for (name, info) in brought.flat_map(|stage| &stage.axes).filter(|(name, _)| link.mapped.contains(name)) {
            if let Some(other) = axes.get(name).filter(|other| other.origin != info.origin && !other.same_labels(info)) {
                return Err(Problem::new(format!("two inputs of `{}` disagree on axis `{name}`", stage.name.text))
                    .at(info.span, format!("input `{}` brings it from here", link.connection.name.text))
                    .at(other.span, "another input brings it from here")
                    .help("give both the same labels, or one of them another name"));
            }
            axes.entry(name.clone()).or_insert_with(|| info.clone());
        }
    }
    for axis in &stage.axes {
        if let Some(other) = axes.get(&axis.name.text) {
            return Err(Problem::new(format!("axis `{}` of `{}` is declared already", axis.name.text, stage.name.text))
                .at(axis.name.span, "declared again here")
                .at(other.span, "it travels along from here")
                .help("give one of the two another name"));
        }
        let labels = axis.variants.iter().map(|variant| variant.label.text.clone()).collect();
        axes.insert(axis.name.text.clone(), AxisInfo { origin: index, span: axis.name.span, labels });
    }
    Ok(axes)
}

/// The places where every input that maps one to one stands; one place without axes when there is none.
///
/// # Errors
/// No such place, too many, or coordinates that disagree.
pub(super) fn rows(
    stage: &StageSpec,
    links: &[Link<'_>],
    known: &BTreeMap<String, AxisInfo>,
    expanded: &Expanded<'_>,
) -> Result<Vec<Coordinates>, Problem> {
    let mut rows = vec![Coordinates::new()];
    for link in links.iter().filter(|link| !link.mapped.is_empty()) {
        rows = join(&rows, link, known, expanded)?;
        if rows.is_empty() {
            let others = links.iter().filter(|other| !other.mapped.is_empty() && other.connection.name.span != link.connection.name.span);
            let problem = Problem::new(format!("the inputs of `{}` have no place in common", stage.name.text))
                .at(link.connection.span, "no instance here stands where the other inputs do");
            let labelled = others.fold(problem, |problem, other| problem.at(other.connection.span, "another input"));
            return Err(labelled.help("inputs that share an axis are joined where their labels agree"));
        }
        if rows.len() > MAX_INSTANCES {
            return Err(too_many(stage, "more than"));
        }
    }
    Ok(rows)
}

/// The problem that a stage has too many instances.
pub(super) fn too_many(stage: &StageSpec, count: &str) -> Problem {
    let sizes = stage.axes.iter().map(|axis| format!("{} × {}", axis.name.text, axis.variants.len())).collect::<Vec<_>>().join(", ");
    let problem = Problem::new(format!("stage `{}` would have {count} instances; {MAX_INSTANCES} are possible in all", stage.name.text))
        .at(stage.name.span, "this stage");
    if sizes.is_empty() { problem } else { problem.help(format!("its own axes: {sizes}; axes of its inputs multiply")) }
}

fn join(
    rows: &[Coordinates],
    link: &Link<'_>,
    known: &BTreeMap<String, AxisInfo>,
    expanded: &Expanded<'_>,
) -> Result<Vec<Coordinates>, Problem> {
    let joined_axes = rows.first().map(|row| row.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let shared: Vec<String> = link.mapped.iter().filter(|axis| joined_axes.contains(axis)).cloned().collect();
    // Where the groups of the input stand, by what they share with the rows.
    let mut places: BTreeMap<Vec<String>, Vec<Coordinates>> = BTreeMap::new();
    let mut groups: Vec<_> = link.groups.values().collect();
    // As written, rather than by label.
    groups.sort_by_key(|group| group.iter().map(|candidate| candidate.instance).min());
    for group in groups {
        let first = group.first().and_then(|candidate| expanded.instances.get(candidate.instance));
        let Some(coordinates) = first.map(|instance| &instance.coordinates) else { continue };
        let place: Coordinates =
            coordinates.iter().filter(|(axis, _)| link.mapped.contains(axis)).map(|(a, c)| (a.clone(), c.clone())).collect();
        places.entry(labels(&place, &shared)).or_default().push(place);
    }
    let mut joined = Vec::new();
    for row in rows {
        for place in places.get(&labels(row, &shared)).map(Vec::as_slice).unwrap_or_default() {
            if let Some(axis) = shared.iter().find(|axis| row.get(*axis) != place.get(*axis)) {
                return Err(disagree(link, axis, row, known, expanded));
            }
            let mut both = row.clone();
            both.extend(place.iter().map(|(axis, coordinate)| (axis.clone(), coordinate.clone())));
            joined.push(both);
            if joined.len() > MAX_INSTANCES {
                return Ok(joined);
            }
        }
    }
    Ok(joined)
}

/// Two declarations of an axis give one label two meanings.
fn disagree(link: &Link<'_>, axis: &str, row: &Coordinates, known: &BTreeMap<String, AxisInfo>, expanded: &Expanded<'_>) -> Problem {
    let label = row.get(axis).map_or("?", |coordinate| coordinate.label.as_str());
    let problem = Problem::new(format!("two inputs mean different things by `{axis}={label}`"));
    let brought = link.connection.from.iter().find_map(|reference| expanded.stage(&reference.stage)?.axes.get(axis));
    let here = brought.map(|info| (info.span, format!("input `{}` means this", link.connection.name.text)));
    let there = known.get(axis).map(|info| (info.span, "another input means this".to_owned()));
    let labelled = here.into_iter().chain(there).fold(problem, |problem, (span, text)| problem.at(span, text));
    labelled.help("axes of the same name must have the same values; give one of them another name")
}
