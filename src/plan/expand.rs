//! Stages → instances.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use planish_contract::Coordinates;
use serde_json::Value as Json;

use super::configure::{self, Configured};
use super::connect::{self, Link};
use super::{Instance, MAX_CONNECTIONS, MAX_INSTANCES, PlannedFile, files, join};
use crate::spec::document::StageSpec;
use crate::spec::matrix::{Axis, Variant};
use crate::spec::suggest::suggest;
use crate::spec::{Pipeline, Problem, Problems, Span};

/// All instances, and which belong to which stage.
pub(super) struct Expanded<'a> {
    pub(super) instances: Vec<Instance>,
    stages: BTreeMap<&'a str, Stage>,
    connections: usize,
}

/// A stage that is expanded.
pub(super) struct Stage {
    pub(super) axes: BTreeMap<String, AxisInfo>,
    pub(super) instances: Range<usize>,
}

/// An axis that instances of a stage carry.
#[derive(Clone, Debug)]
pub(super) struct AxisInfo {
    /// The stage that declares it.
    pub(super) origin: usize,
    /// Where.
    pub(super) span: Span,
    pub(super) labels: Vec<String>,
}

impl AxisInfo {
    pub(super) fn same_labels(&self, other: &AxisInfo) -> bool {
        self.labels.iter().collect::<BTreeSet<_>>() == other.labels.iter().collect::<BTreeSet<_>>()
    }
}

impl Expanded<'_> {
    /// The stage of that name, if it is expanded.
    pub(super) fn stage(&self, name: &str) -> Option<&Stage> {
        self.stages.get(name)
    }

    /// The names of the expanded stages.
    pub(super) fn stage_names(&self) -> impl Iterator<Item = &str> {
        self.stages.keys().copied()
    }
}

/// Makes the instances of every stage in `order`. A stage with a problem, and what takes from it, has none.
pub(super) fn expand<'a>(pipeline: &'a Pipeline, order: &[usize], problems: &mut Problems) -> Expanded<'a> {
    let mut expanded = Expanded { instances: Vec::new(), stages: BTreeMap::new(), connections: 0 };
    for &index in order {
        if problems.is_full() {
            break;
        }
        if let Some(stage) = pipeline.stages.get(index)
            && let Some((axes, instances)) = expand_stage(pipeline, index, stage, &expanded, problems)
        {
            let start = expanded.instances.len();
            expanded.connections += connections(&instances);
            expanded.instances.extend(instances);
            expanded.stages.insert(&stage.name.text, Stage { axes, instances: start..expanded.instances.len() });
        }
    }
    expanded
}

fn connections(instances: &[Instance]) -> usize {
    instances.iter().flat_map(|instance| &instance.inputs).map(|input| input.sources.len()).sum()
}

type Made = (BTreeMap<String, AxisInfo>, Vec<Instance>);

fn expand_stage(pipeline: &Pipeline, index: usize, stage: &StageSpec, expanded: &Expanded<'_>, problems: &mut Problems) -> Option<Made> {
    let links: Vec<Option<Link<'_>>> =
        stage.inputs.iter().map(|connection| problems.keep(connect::link(connection, expanded)).flatten()).collect();
    let files: Vec<Option<PlannedFile>> = stage.files.iter().map(|file| problems.keep(files::find(&pipeline.folder, file))).collect();
    let execution = problems.keep(configure::execution(stage, &pipeline.execution));
    let Some(links) = links.into_iter().collect::<Option<Vec<_>>>() else {
        // What can be said of the stage alone is said now rather than after the next try.
        alone(stage, problems);
        return None;
    };
    let axes = problems.keep(join::axes(index, stage, &links, expanded))?;
    problems.keep(check_exclusions(stage, &axes))?;
    let rows = problems.keep(join::rows(stage, &links, &axes, expanded))?;
    let mut files = files.into_iter().collect::<Option<Vec<_>>>()?;
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let common = Common { stage, links, files, execution: execution?, expanded };
    let instances = common.instances(&rows, problems)?;
    for axis in stage.axes.iter().filter(|axis| axis.short) {
        problems.keep(different_values(stage, axis, &instances))?;
    }
    Some((axes, instances))
}

/// Refuses an axis on which one value stands twice in different spellings, as `"1/4"` and `0.25`: the stage would do the same twice.
fn different_values(stage: &StageSpec, axis: &Axis, instances: &[Instance]) -> Result<(), Problem> {
    // What `--set` sets is the same everywhere, and meant to be.
    if stage.sets.iter().any(|set| set.path.first().is_some_and(|name| name.text == axis.name.text)) {
        return Ok(());
    }
    let (mut spellings, mut seen) = (BTreeMap::<String, &str>::new(), BTreeSet::new());
    let places = instances.iter().filter_map(|instance| instance.coordinates.get(&axis.name.text));
    // Once for each label, however many instances share it.
    for place in places.filter(|place| seen.insert(place.label.as_str())) {
        let first = *spellings.entry(place.value.to_string()).or_insert(&place.label);
        if first != place.label {
            let span = |label: &str| axis.variants.iter().find(|variant| variant.label.text == label).map(|variant| variant.label.span);
            return Err(Problem::new(format!("axis `{}` has one value twice: `{first}` and `{}`", axis.name.text, place.label))
                .at(span(&place.label).unwrap_or(axis.name.span), "the same value here")
                .at(span(first).unwrap_or(axis.name.span), "first here")
                .help("leave one of them out"));
        }
    }
    Ok(())
}

/// Checks the parameters of a stage whose inputs can't be connected.
fn alone(stage: &StageSpec, problems: &mut Problems) {
    let first: Option<Vec<(&Axis, &Variant)>> =
        stage.axes.iter().map(|axis| axis.variants.first().map(|variant| (axis, variant))).collect();
    if let Some(configured) = first.and_then(|variants| problems.keep(configure::configure(stage, &variants))) {
        connect::check_inputs(stage, &configured, problems);
    }
}

fn check_exclusions(stage: &StageSpec, axes: &BTreeMap<String, AxisInfo>) -> Result<(), Problem> {
    for (axis, label) in stage.exclude.iter().flat_map(|exclusion| &exclusion.places) {
        let Some(info) = axes.get(&axis.text) else {
            return Err(Problem::new(format!("`{}` has no axis `{}` to exclude from", stage.name.text, axis.text))
                .at(axis.span, "here")
                .help(suggest(&axis.text, "axis", axes.keys().map(String::as_str))));
        };
        if !info.labels.contains(&label.text) {
            return Err(Problem::new(format!("axis `{}` has no label `{}`", axis.text, label.text))
                .at(label.span, "here")
                .at(info.span, "the axis is declared here")
                .help(suggest(&label.text, "label", info.labels.iter().map(String::as_str))));
        }
    }
    Ok(())
}

/// What the instances of a stage have in common.
struct Common<'a> {
    stage: &'a StageSpec,
    links: Vec<Link<'a>>,
    files: Vec<PlannedFile>,
    execution: Json,
    expanded: &'a Expanded<'a>,
}

impl Common<'_> {
    /// One instance for each row and each place of the stage's own matrix that is not excluded; `None` when something is wrong.
    fn instances(&self, rows: &[Coordinates], problems: &mut Problems) -> Option<Vec<Instance>> {
        let own = problems.keep(own_places(self.stage, rows.len(), self.expanded.instances.len()))?;
        let mut configured: Vec<Option<Option<Configured>>> = vec![None; own.len()];
        let mut instances = Vec::new();
        let mut connections = self.expanded.connections;
        let mut sound = true;
        for row in rows {
            for (variants, memo) in own.iter().zip(&mut configured) {
                let Some(labels) = self.labels(row, variants) else { continue };
                let id = id(&self.stage.name.text, &labels);
                let made = memo.get_or_insert_with(|| self.configure(variants, &id, problems)).as_ref();
                match made.and_then(|made| problems.keep(self.instance(id, row, made))) {
                    Some(instance) => {
                        connections += instance.inputs.iter().map(|input| input.sources.len()).sum::<usize>();
                        instances.push(instance);
                    }
                    None => sound = false,
                }
                if connections > MAX_CONNECTIONS {
                    problems.push(too_connected(self.stage));
                    return None;
                }
            }
        }
        if sound && instances.is_empty() {
            let name = &self.stage.name;
            problems.push(Problem::new(format!("`exclude` leaves no instance of `{}`", name.text)).at(name.span, "this stage"));
            return None;
        }
        sound.then_some(instances)
    }

    /// Axis → label of an instance; `None` when it is excluded.
    fn labels(&self, row: &Coordinates, variants: &[(&Axis, &Variant)]) -> Option<BTreeMap<String, String>> {
        let mut labels: BTreeMap<String, String> = row.iter().map(|(axis, coordinate)| (axis.clone(), coordinate.label.clone())).collect();
        labels.extend(variants.iter().map(|(axis, variant)| (axis.name.text.clone(), variant.label.text.clone())));
        let is_at = |axis: &str, label: &str| labels.get(axis).is_some_and(|here| here == label);
        let excluded =
            self.stage.exclude.iter().any(|exclusion| exclusion.places.iter().all(|(axis, label)| is_at(&axis.text, &label.text)));
        (!excluded).then_some(labels)
    }

    fn configure(&self, variants: &[(&Axis, &Variant)], id: &str, problems: &mut Problems) -> Option<Configured> {
        let context = |problem: Problem| if variants.is_empty() { problem } else { problem.context(format!("`{id}`")) };
        let configured = problems.keep(configure::configure(self.stage, variants).map_err(context))?;
        connect::check_inputs(self.stage, &configured, problems);
        Some(configured)
    }

    fn instance(&self, id: String, row: &Coordinates, configured: &Configured) -> Result<Instance, Problem> {
        let mut coordinates = row.clone();
        coordinates.extend(configured.coordinates.clone());
        let interface = &configured.interface;
        let connect = |link| connect::connect(self.stage, link, &interface.inputs, &coordinates, &self.expanded.instances);
        let mut inputs = self.links.iter().map(connect).collect::<Result<Vec<_>, _>>()?;
        inputs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Instance {
            id,
            stage: self.stage.name.text.clone(),
            kind: self.stage.kind.name().to_owned(),
            package: self.stage.kind.package(),
            parameters: configured.parameters.clone(),
            execution: self.execution.clone(),
            key_also: self.stage.key_also.iter().map(|name| name.text.clone()).collect(),
            members: configured.members.clone(),
            interface: interface.clone(),
            inputs,
            files: self.files.clone(),
            resources: self.stage.resources,
            limits: self.stage.limits,
            coordinates,
        })
    }
}

fn too_connected(stage: &StageSpec) -> Problem {
    Problem::new(format!("the plan has more than {MAX_CONNECTIONS} connections between instances"))
        .at(stage.name.span, "this stage gathers too many into too many")
        .help("gather along fewer axes: { from = \"stage\", over = [\"axis\"] }")
}

fn id(stage: &str, labels: &BTreeMap<String, String>) -> String {
    if labels.is_empty() {
        return stage.to_owned();
    }
    let labels: Vec<String> = labels.iter().map(|(axis, label)| format!("{axis}={label}")).collect();
    format!("{stage}[{}]", labels.join(","))
}

/// Every place of the stage's own matrix, the first axis slowest. Counted before it is made.
fn own_places<'a>(stage: &'a StageSpec, rows: usize, others: usize) -> Result<Vec<Vec<(&'a Axis, &'a Variant)>>, Problem> {
    let count = stage.axes.iter().try_fold(rows, |product, axis| product.checked_mul(axis.variants.len()));
    if count.and_then(|count| count.checked_add(others)).is_none_or(|count| count > MAX_INSTANCES) {
        return Err(join::too_many(stage, &count.map_or_else(|| "too many".to_owned(), |count| count.to_string())));
    }
    let mut places = vec![Vec::new()];
    for axis in &stage.axes {
        let extended = |place: &Vec<(&'a Axis, &'a Variant)>| {
            let place = place.clone();
            axis.variants.iter().map(move |variant| [place.as_slice(), &[(axis, variant)]].concat())
        };
        places = places.iter().flat_map(extended).collect();
    }
    Ok(places)
}
