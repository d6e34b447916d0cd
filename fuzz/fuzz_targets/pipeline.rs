//! The front end: a pipeline file, and after zero bytes profile, `--set` values, defaults of `execution` and targets, one a line, → plan.
//! Every message is drawn, too.
#![no_main]

use std::collections::BTreeMap;

use planish::plan::{Plan, Target, plan};
use planish::spec::{LoadOptions, SpecErrors, load};
use planish_fuzz::{kinds::Harmless, scratch, stays_inside};

/// The files that a pipeline may name.
const FILES: [(&str, &str); 4] = [
    ("common.toml", "name = \"common\"\n[stages.shared]\nrun = \"data\"\n[profiles.quick.stages.shared.params]\nepochs = 2\n"),
    ("circle.toml", "include = [\"pipeline.toml\"]\n"),
    ("a.txt", "a"),
    ("data/b.bin", "b"),
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut parts = data.split(|byte| *byte == 0);
    let pipeline = parts.next().unwrap_or_default();
    if !is_tame(pipeline) {
        return;
    }
    let mut words = [const { Vec::new() }; 4];
    for (words, part) in words.iter_mut().zip(parts) {
        let Ok(text) = std::str::from_utf8(part) else { return };
        *words = text.lines().map(str::to_owned).collect();
    }
    let [profile, sets, execution, targets] = words;
    if sets.iter().any(|set| set.contains("file") || set.contains("include")) {
        return;
    }
    if let Err(errors) = planned(pipeline, profile, sets, &execution, &targets) {
        let (plain, wide) = (errors.render(true, 80), errors.render(false, 200));
        assert!(errors.iter().count() > 0 && !plain.trim().is_empty() && !wide.trim().is_empty());
    }
});

/// Whether every path that the pipeline may name lies in the scratch folder.
fn is_tame(pipeline: &[u8]) -> bool {
    fn tame(value: &toml::Value) -> bool {
        match value {
            toml::Value::String(text) => stays_inside(text),
            toml::Value::Array(items) => items.iter().all(tame),
            toml::Value::Table(table) => table.iter().all(|(_, value)| tame(value)),
            _ => true,
        }
    }
    // What does not parse names none.
    let Ok(text) = std::str::from_utf8(pipeline) else { return true };
    toml::from_str::<toml::Table>(text).map_or(true, |table| table.iter().all(|(_, value)| tame(value)))
}

fn planned(pipeline: &[u8], profile: Vec<String>, sets: Vec<String>, execution: &[String], targets: &[String]) -> Result<Plan, SpecErrors> {
    let file = scratch().join("pipeline.toml");
    if !file.exists() {
        std::fs::create_dir(scratch().join("data")).expect("a folder in memory");
        for (name, text) in FILES {
            std::fs::write(scratch().join(name), text).expect("a file in memory");
        }
    }
    std::fs::write(&file, pipeline).expect("a file in memory");
    let execution: BTreeMap<_, _> =
        execution.iter().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let loaded = load(&LoadOptions { file, text: None, profile: profile.into_iter().next(), sets, execution }, &Harmless)?;
    let targets = targets.iter().map(|target| Target::parse(target)).collect::<Result<Vec<_>, _>>()?;
    let plan = plan(&loaded, &targets)?;
    for (index, instance) in plan.instances.iter().enumerate() {
        let sources = instance.inputs.iter().flat_map(|input| &input.sources);
        assert!(sources.into_iter().all(|source| source.instance < index), "{} comes before what it needs", instance.id);
    }
    Ok(plan)
}
