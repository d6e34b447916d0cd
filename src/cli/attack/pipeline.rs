//! The command line of `planish attack` as the TOML of a pipeline.

use std::path::Path;

use clap::ValueEnum;
use toml::{Table, Value};

use super::super::error::CommandError;
use super::{AttackArguments, Axes};

/// The stage that attacks.
pub(super) const ATTACK: &str = "attack";
/// The stage that brings the model in.
pub(super) const MODEL: &str = "model";
/// How many images of a named data set are attacked where nothing is said.
const IMAGES: usize = 1000;

/// The pipeline.
///
/// # Errors
/// What can't be said in TOML, or means nothing.
pub(super) fn text(arguments: &AttackArguments) -> Result<String, CommandError> {
    let (data, images) = data(arguments)?;
    let stages = [("data", data), (MODEL, model(arguments)?), (ATTACK, attack(arguments, images)?)];
    let stages: Table = stages.into_iter().map(|(name, stage)| (name.to_owned(), Value::Table(stage))).collect();
    let name = format!("{} under attack", super::model_name(arguments));
    let pipeline = Table::from_iter([("name".to_owned(), Value::String(name)), ("stages".to_owned(), Value::Table(stages))]);
    toml::to_string(&pipeline).map_err(|e| CommandError::usage(format!("the command line can't be written as TOML: {e}"), "report this"))
}

/// The stage with the images, and how many of them are attacked; all unless it says.
fn data(arguments: &AttackArguments) -> Result<(Table, Option<usize>), CommandError> {
    let source = Path::new(&arguments.data);
    let is_name = !arguments.data.contains(['/', '\\', '.']) && !source.exists();
    if is_name {
        for_own_images(arguments)?;
        let images = arguments.images.unwrap_or(IMAGES);
        let params = Table::from_iter([
            entry("dataset", arguments.data.as_str()),
            entry("train", 0),
            entry("validation", 0),
            entry("test", whole(images)),
        ]);
        return Ok((stage("data", params), Some(images)));
    }
    let mut files = Table::new();
    match &arguments.labels {
        Some(labels) => {
            files.extend([entry("images", path(source)?), entry("labels", path(labels)?)]);
        }
        None => files.extend([entry("source", path(source)?)]),
    }
    let name = source.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut params = Table::from_iter([entry("name", name), entry("train", 0), entry("validation", 0)]);
    params.extend(arguments.images.map(|images| entry("test", whole(images))));
    params.extend(arguments.own.data_layout.map(|layout| entry("layout", axes(layout))));
    params.extend(arguments.own.size.map(|size| entry("size", i64::from(size))));
    params.extend(arguments.own.resize.map(|resize| entry("resize", i64::from(resize))));
    if !arguments.own.classes.is_empty() {
        params.extend([entry("classes", arguments.own.classes.clone())]);
    }
    let mut stage = stage("images", params);
    stage.insert("files".to_owned(), Value::Table(files));
    Ok((stage, arguments.images))
}

/// Refuses what says how one's own images are read, beside the name of a data set, which is known.
fn for_own_images(arguments: &AttackArguments) -> Result<(), CommandError> {
    let own = &arguments.own;
    let given = [
        ("--labels", arguments.labels.is_some()),
        ("--data-layout", own.data_layout.is_some()),
        ("--size", own.size.is_some()),
        ("--classes", !own.classes.is_empty()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((flag, _)) => Err(CommandError::usage(
            format!("`{flag}` says how one's own images are read, but `--data {}` is the name of a data set", arguments.data),
            "leave it out, or give `--data` a path: ./images, x.npy, x.npz or x.safetensors",
        )),
    }
}

/// The stage that brings the model in.
fn model(arguments: &AttackArguments) -> Result<Table, CommandError> {
    let takes = &arguments.takes;
    let mut declared = Table::from_iter([entry("range", value_name(&takes.range)), entry("channels", value_name(&takes.channels))]);
    declared.extend(takes.layout.map(|layout| entry("layout", axes(layout))));
    for (name, values) in [("mean", &takes.mean), ("std", &takes.std)] {
        if !values.is_empty() {
            declared.insert(name.to_owned(), Value::Array(values.iter().copied().map(Value::Float).collect()));
        }
    }
    let mut params = Table::from_iter([entry("takes", declared)]);
    params.extend(takes.output.clone().map(|output| entry("output", output)));
    params.extend(takes.sha256.clone().map(|sha256| entry("sha256", sha256)));
    params.extend(takes.expect_accuracy.map(|accuracy| entry("expect_accuracy", accuracy)));
    let mut stage = stage("import", params);
    let model = path(&arguments.model)?;
    // Exporters put large weights into a file whose name begins with the model's.
    let beside = [".data", "_data"].iter().any(|suffix| Path::new(&format!("{model}{suffix}")).is_file());
    let pattern = if beside { format!("{}*", glob::Pattern::escape(&model)) } else { model };
    stage.extend([entry("files", Table::from_iter([entry("model", pattern)])), entry("inputs", Table::from_iter([entry("data", "data")]))]);
    Ok(stage)
}

fn attack(arguments: &AttackArguments, images: Option<usize>) -> Result<Table, CommandError> {
    let Some((norm, eps)) = arguments.threat.split_once(':') else {
        return Err(CommandError::usage(
            format!("`--threat {}` is no threat model", arguments.threat),
            "write NORM:EPS, such as linf:8/255",
        ));
    };
    let threat = Table::from_iter([entry("norm", norm.trim()), entry("eps", eps.trim())]);
    let mut attacks = arguments.attack.iter().map(|text| one_attack(text)).collect::<Result<Vec<_>, _>>()?;
    let attack = if attacks.len() == 1 { attacks.remove(0) } else { Value::Array(attacks) };
    let mut params = Table::from_iter([entry("threat", threat), entry("attack", attack), entry("seed", i64::from(arguments.seed))]);
    params.extend(images.map(|images| entry("images", whole(images))));
    let mut stage = stage("attack", params);
    stage.extend([entry("inputs", Table::from_iter([entry("model", MODEL), entry("data", "data")]))]);
    Ok(stage)
}

/// `autoattack` or `pgd = { steps = 50 }`.
fn one_attack(text: &str) -> Result<Value, CommandError> {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Ok(Value::Table(Table::from_iter([entry(text, Table::new())])));
    }
    text.parse::<Table>().map(Value::Table).map_err(|e| {
        let message = format!("`--attack {text}` can't be read: {}", e.message());
        CommandError::usage(message, "write a name, or a name with its parameters as in TOML: 'pgd = { steps = 50 }'")
    })
}

fn stage(kind: &str, params: Table) -> Table {
    Table::from_iter([entry("run", kind), entry("params", params)])
}

fn entry(name: &str, value: impl Into<Value>) -> (String, Value) {
    (name.to_owned(), value.into())
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn axes(axes: Axes) -> String {
    value_name(&axes)
}

fn value_name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn path(path: &Path) -> Result<String, CommandError> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| CommandError::usage(format!("the path {} is not UTF-8", path.display()), "rename it"))
}
