//! Inputs: which instances they are connected to, and whether the artifacts fit.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use planish_contract::{Arity, Coordinate, Coordinates, InputSpec, OutputSpec};

use super::configure::Configured;
use super::expand::{Expanded, Stage};
use super::{Instance, PlannedInput, PlannedSource};
use crate::spec::document::{Connection, Mode, StageSpec};
use crate::spec::reference::Reference;
use crate::spec::suggest::suggest;
use crate::spec::{Problem, Problems};

/// The most instances that the references of one input may make the planner look at.
const MAX_LOOKED_AT: usize = 20_000_000;

/// An input and the instances it may be connected to.
pub(super) struct Link<'a> {
    pub(super) connection: &'a Connection,
    /// The axes that travel along, sorted.
    pub(super) mapped: Vec<String>,
    /// Labels on the mapped axes → the instances there, sorted by coordinates; and which reference found them.
    pub(super) groups: BTreeMap<Vec<String>, Vec<Candidate<'a>>>,
}

/// An instance that a reference names.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) instance: usize,
    pub(super) reference: &'a Reference,
}

/// Finds the instances that an input names; `None` when a stage it names is not expanded (its problem is known).
pub(super) fn link<'a>(connection: &'a Connection, expanded: &Expanded<'_>) -> Result<Option<Link<'a>>, Problem> {
    let mut candidates = Vec::new();
    let mut axes = BTreeSet::new();
    let mut looked_at = 0;
    for reference in &connection.from {
        let Some(stage) = expanded.stage(&reference.stage) else { return Ok(None) };
        check_filters(reference, stage)?;
        axes.extend(stage.axes.keys().cloned());
        looked_at += stage.instances.len();
        if looked_at > MAX_LOOKED_AT {
            let problem = Problem::new(format!("input `{}` names too many instances of too many stages", connection.name.text));
            return Err(problem.at(connection.span, "here").help("name each stage once"));
        }
        let before = candidates.len();
        candidates.extend(matching(reference, stage, expanded).map(|instance| Candidate { instance, reference }));
        if candidates.len() == before {
            return Err(Problem::new(format!("no instance of `{}` stands at these labels", reference.stage))
                .at(reference.span, "here")
                .help("`exclude` leaves them all out"));
        }
    }
    let mapped = mapped(&connection.mode, axes)?;
    let groups = grouped(candidates, &mapped, expanded);
    Ok(Some(Link { connection, mapped, groups }))
}

/// The axes that travel along.
fn mapped(mode: &Mode, axes: BTreeSet<String>) -> Result<Vec<String>, Problem> {
    match mode {
        Mode::One => Ok(axes.into_iter().collect()),
        Mode::Gather => Ok(Vec::new()),
        Mode::GatherOver(over) => {
            if let Some(axis) = over.iter().find(|axis| !axes.contains(&axis.text)) {
                let help = suggest(&axis.text, "axis", axes.iter().map(String::as_str));
                return Err(Problem::new(format!("there is no axis `{}` to gather along", axis.text)).at(axis.span, "here").help(help));
            }
            Ok(axes.into_iter().filter(|axis| over.iter().all(|name| name.text != *axis)).collect())
        }
    }
}

/// The candidates by their labels on the mapped axes, each group sorted by coordinates.
fn grouped<'a>(
    mut candidates: Vec<Candidate<'a>>,
    mapped: &[String],
    expanded: &Expanded<'_>,
) -> BTreeMap<Vec<String>, Vec<Candidate<'a>>> {
    let at = |candidate: &Candidate<'_>| expanded.instances.get(candidate.instance).map(|instance| &instance.coordinates);
    candidates.sort_by(|a, b| match (at(a), at(b)) {
        (Some(first), Some(second)) => {
            by_place(first, second).then_with(|| (a.instance, &a.reference.output).cmp(&(b.instance, &b.reference.output)))
        }
        _ => Ordering::Equal,
    });
    // Two references may name the same output of the same instance.
    candidates.dedup_by(|a, b| a.instance == b.instance && a.reference.output == b.reference.output);
    let mut groups: BTreeMap<Vec<String>, Vec<Candidate<'a>>> = BTreeMap::new();
    for candidate in candidates {
        let labels = at(&candidate).map(|coordinates| labels(coordinates, mapped)).unwrap_or_default();
        groups.entry(labels).or_default().push(candidate);
    }
    groups
}

/// The labels on `axes`.
pub(super) fn labels(coordinates: &Coordinates, axes: &[String]) -> Vec<String> {
    axes.iter().map(|axis| coordinates.get(axis).map_or_else(String::new, |coordinate| coordinate.label.clone())).collect()
}

/// The instances of `stage` that stand at the labels of `reference`.
pub(super) fn matching<'a>(reference: &'a Reference, stage: &Stage, expanded: &'a Expanded<'_>) -> impl Iterator<Item = usize> + 'a {
    let stands = |coordinates: &Coordinates| {
        reference.filters.iter().all(|(axis, label)| coordinates.get(axis).is_some_and(|coordinate| coordinate.label == *label))
    };
    stage.instances.clone().filter(move |index| expanded.instances.get(*index).is_some_and(|instance| stands(&instance.coordinates)))
}

/// Refuses filters on axes and labels that the stage does not have.
pub(super) fn check_filters(reference: &Reference, stage: &Stage) -> Result<(), Problem> {
    for (axis, label) in &reference.filters {
        let Some(found) = stage.axes.get(axis) else {
            return Err(Problem::new(format!("`{}` has no axis `{axis}`", reference.stage)).at(reference.span, "here").help(suggest(
                axis,
                "axis",
                stage.axes.keys().map(String::as_str),
            )));
        };
        if !found.labels.contains(label) {
            return Err(Problem::new(format!("axis `{axis}` of `{}` has no label `{label}`", reference.stage))
                .at(reference.span, "here")
                .at(found.span, "the axis is declared here")
                .help(suggest(label, "label", found.labels.iter().map(String::as_str))));
        }
    }
    Ok(())
}

/// Sorts by axis, then label; labels that are numbers by size.
fn by_place(a: &Coordinates, b: &Coordinates) -> Ordering {
    let key = |(axis, coordinate): (&String, &Coordinate)| (axis.clone(), coordinate.label.clone());
    let mut pairs = a.iter().zip(b);
    let first = pairs.find_map(|((axis, here), (other, there))| {
        let order = axis.cmp(other).then_with(|| by_label(&here.label, &there.label));
        order.is_ne().then_some(order)
    });
    first.unwrap_or_else(|| a.len().cmp(&b.len())).then_with(|| a.iter().map(key).cmp(b.iter().map(key)))
}

fn by_label(a: &str, b: &str) -> Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

/// Checks that the stage takes its inputs as they are connected, and that none is missing.
pub(super) fn check_inputs(stage: &StageSpec, configured: &Configured, problems: &mut Problems) {
    let declared = &configured.interface.inputs;
    for connection in &stage.inputs {
        match spec_of(declared, &connection.name.text) {
            None => {
                let names = declared.iter().map(|input| input.name);
                problems.push(
                    Problem::new(format!("stage kind `{}` has no input `{}`", stage.kind.name(), connection.name.text))
                        .at(connection.name.span, "here")
                        .help(suggest(&connection.name.text, "input", names)),
                );
            }
            Some(input) => drop(problems.keep(check_arity(connection, input))),
        }
    }
    let is_connected = |name: &str| stage.inputs.iter().any(|connection| connection.name.text == name);
    for input in declared.iter().filter(|input| input.arity == Arity::One && !is_connected(input.name)) {
        problems.push(
            Problem::new(format!("input `{}` of stage `{}` is not connected", input.name, stage.name.text))
                .at(stage.run, format!("stage kind `{}` needs `{}` as `{}`", stage.kind.name(), input.kind, input.name))
                .help(format!("write inputs.{} = \"STAGE\"", input.name)),
        );
    }
}

fn spec_of<'a>(declared: &'a [InputSpec], name: &str) -> Option<&'a InputSpec> {
    declared.iter().find(|input| input.name == name).or_else(|| declared.iter().find(|input| input.name == "*"))
}

fn check_arity(connection: &Connection, input: &InputSpec) -> Result<(), Problem> {
    let is_list = !matches!(connection.mode, Mode::One);
    let problem = match input.arity {
        Arity::One | Arity::Optional if is_list => Problem::new(format!("input `{}` takes one artifact, not a list", connection.name.text))
            .at(connection.span, "this gathers a list")
            .help("write \"stage\" to connect one to one, or fix the axes: \"stage[axis=label]\""),
        Arity::Gather if !is_list => Problem::new(format!("input `{}` gathers a list", connection.name.text))
            .at(connection.span, "this connects one to one")
            .help("write [\"stage\"] to gather all instances, or { from = \"stage\", over = [\"axis\"] }"),
        Arity::One | Arity::Optional | Arity::Gather | Arity::Any => return Ok(()),
    };
    Err(problem)
}

/// Connects one input of an instance that stands at `coordinates`.
pub(super) fn connect(
    stage: &StageSpec,
    link: &Link<'_>,
    interface: &[InputSpec],
    coordinates: &Coordinates,
    instances: &[Instance],
) -> Result<PlannedInput, Problem> {
    let connection = link.connection;
    let kind = spec_of(interface, &connection.name.text);
    let mut sources = Vec::new();
    for candidate in link.groups.get(&labels(coordinates, &link.mapped)).map(Vec::as_slice).unwrap_or_default() {
        let Some(source) = instances.get(candidate.instance) else { continue };
        let output = output(candidate.reference, source)?;
        if let Some(input) = kind.filter(|input| !input.kind.accepts(&output.kind)) {
            return Err(Problem::new(format!(
                "input `{}` of `{}` takes `{}`, not `{}`",
                connection.name.text, stage.name.text, input.kind, output.kind
            ))
            .at(candidate.reference.span, format!("`{}:{}` is `{}`", source.stage, output.name, output.kind))
            .at(stage.run, format!("stage kind `{}` takes `{}` as `{}`", stage.kind.name(), input.kind, connection.name.text))
            .help_if(fitting(source, input)));
        }
        sources.push(PlannedSource { instance: candidate.instance, output: output.name.clone(), coordinates: told(connection, source) });
    }
    let gather = !matches!(connection.mode, Mode::One);
    Ok(PlannedInput { name: connection.name.text.clone(), sources, gather, optional: connection.optional })
}

/// What a gathering stage is told of where a source stands.
fn told(connection: &Connection, source: &Instance) -> Coordinates {
    match &connection.mode {
        Mode::One => Coordinates::new(),
        Mode::Gather => source.coordinates.clone(),
        Mode::GatherOver(over) => {
            let along = |(axis, _): &(&String, &Coordinate)| over.iter().any(|name| name.text == **axis);
            source.coordinates.iter().filter(along).map(|(axis, coordinate)| (axis.clone(), coordinate.clone())).collect()
        }
    }
}

fn output<'a>(reference: &Reference, source: &'a Instance) -> Result<&'a OutputSpec, Problem> {
    let outputs = &source.interface.outputs;
    match &reference.output {
        None => outputs
            .first()
            .ok_or_else(|| Problem::new(format!("stage `{}` makes nothing to take", source.stage)).at(reference.span, "here")),
        Some(name) => outputs.iter().find(|output| output.name == *name).ok_or_else(|| {
            let names = outputs.iter().map(|output| output.name.as_str());
            Problem::new(format!("stage `{}` has no output `{name}`", source.stage))
                .at(reference.span, "here")
                .help(suggest(name, "output", names))
        }),
    }
}

/// Another output of the source that is of the kind.
fn fitting(source: &Instance, input: &InputSpec) -> Option<String> {
    let output = source.interface.outputs.iter().find(|output| output.kind == input.kind)?;
    Some(format!("did you mean `{}:{}`?", source.stage, output.name))
}
