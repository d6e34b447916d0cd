//! For each kind of edit of the sources: exactly which instances run again. The code fingerprints are those of a small workspace
//! in a folder, before and after the edit; the runs are real ones.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc;

use planish_cache::Store;
use serde_json::json;

use super::{open, test_plan};
use crate::fingerprint::Fingerprints;
use crate::fingerprint::compute::workspace;
use crate::plan::Plan;
use crate::run::budget::Total;
use crate::run::dispatcher::{Dispatcher, RunOptions, Surroundings};
use crate::run::history::History;
use crate::run::slot::Outcome;
use crate::run::testing::{Nobody, Threads};

/// Every package and what it depends on; those that are no stage package are versioned like registry ones.
const PACKAGES: &[(&str, &[&str])] = &[
    ("nn", &["serde", "only-tests"]),
    ("data", &["serde"]),
    ("train", &["nn", "burn"]),
    ("export", &["nn", "protobuf"]),
    ("attack", &["nn", "protobuf"]),
    ("report", &["serde", "svg"]),
    ("engine", &["train", "clap"]),
    ("serde", &[]),
    ("only-tests", &[]),
    ("burn", &["burn-core"]),
    ("burn-core", &[]),
    ("protobuf", &[]),
    ("svg", &[]),
    ("clap", &[]),
];

const SOURCES: &[(&str, &str)] = &[
    ("Cargo.toml", "[workspace.dependencies]\nserde = { version = \"1\", features = [\"derive\"] }\n"),
    ("src/lib.rs", "pub fn engine() {}\n"),
    ("stages/nn/src/lib.rs", "pub mod networks;\npub fn ball() -> u32 { 1 }\n"),
    (
        "stages/nn/src/networks/mod.rs",
        "mod small;\nmod wide_resnet;\nfamily! { pub enum Any: dyn Network { small::Small, wide_resnet::WideResnet } }\n",
    ),
    ("stages/nn/src/networks/small.rs", "pub struct Small;\n"),
    ("stages/nn/src/networks/wide_resnet.rs", "pub struct WideResnet { depth: u32 }\n"),
    ("stages/data/src/lib.rs", "pub fn read() {}\n"),
    ("stages/train/src/lib.rs", "pub mod objectives;\npub fn fit() { step() }\nfn step() {}\n"),
    ("stages/train/src/objectives/mod.rs", OBJECTIVES),
    ("stages/train/src/objectives/adv.rs", "pub struct Adv { steps: u32 }\n"),
    ("stages/train/src/objectives/trades.rs", "pub struct Trades { beta: f64 }\n"),
    ("stages/train/src/objectives/mart.rs", "pub struct Mart(super::adv::Adv);\n"),
    ("stages/export/src/lib.rs", "pub fn export() {}\n"),
    ("stages/attack/src/lib.rs", "pub mod attacks;\npub fn judge() {}\n"),
    (
        "stages/attack/src/attacks/mod.rs",
        "mod pgd;\nmod square;\nmod autoattack;\nfamily! { pub enum Any: dyn Attack { pgd::Pgd, square::Square, autoattack::AutoAttack } }\n",
    ),
    ("stages/attack/src/attacks/pgd.rs", "pub struct Pgd { steps: u32 }\n"),
    ("stages/attack/src/attacks/square.rs", "pub struct Square { queries: u32 }\n"),
    ("stages/attack/src/attacks/autoattack.rs", "pub struct AutoAttack(super::square::Square);\n"),
    ("stages/report/src/lib.rs", "pub const PAGE: &str = include_str!(\"page.html\");\n"),
    ("stages/report/src/page.html", "<table>"),
];
const OBJECTIVES: &str =
    "mod adv;\nmod trades;\nmod mart;\nfamily! {\n    pub enum Any: dyn Objective { adv::Adv, trades::Trades, mart::Mart }\n}\n";

fn manifest(name: &str, dependencies: &[&str]) -> String {
    let (test, plain): (Vec<&&str>, Vec<&&str>) = dependencies.iter().partition(|name| **name == "only-tests");
    let lines = |names: Vec<&&str>| names.iter().map(|name| format!("{name} = \"1\"\n")).collect::<Vec<_>>().concat();
    format!("[package]\nname = \"{name}\"\n[dependencies]\n{}[dev-dependencies]\n{}", lines(plain), lines(test))
}

fn lock() -> String {
    let package =
        |(name, needs): &(&str, &[&str])| format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\ndependencies = {needs:?}\n");
    PACKAGES.iter().map(package).collect()
}

/// The lock file after `name` was updated.
fn updated(name: &str) -> String {
    let entry = |version: &str| format!("name = \"{name}\"\nversion = \"{version}\"");
    let text = lock().replace(&entry("1.0.0"), &entry("1.0.1"));
    assert_ne!(text, lock());
    text
}

/// The fingerprints of the small workspace after some files were written anew.
fn built(edits: &[(&str, &str)]) -> Fingerprints<'static> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("Cargo.lock", &lock());
    for (name, dependencies) in PACKAGES.iter().take_while(|(name, _)| *name != "engine") {
        write(&format!("stages/{name}/Cargo.toml"), &manifest(name, dependencies));
    }
    for (name, text) in SOURCES.iter().chain(edits) {
        write(name, text);
    }
    Fingerprints::built_from(workspace(folder.path()))
}

/// (instance, package, member that the parameters name, member that the result names, what it takes).
type Row = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

const INSTANCES: &[Row] = &[
    ("data", "data", "", "", &[]),
    ("adv", "train", "train::objectives::adv", "nn::networks::small", &["data"]),
    ("trades", "train", "train::objectives::trades", "nn::networks::wide_resnet", &["data"]),
    ("mart", "train", "train::objectives::mart", "nn::networks::small", &["data"]),
    ("export-adv", "export", "", "", &["adv"]),
    ("export-trades", "export", "", "", &["trades"]),
    // The gradients of `pgd` are those of the checkpoint; the other attack sees the exported model only.
    ("pgd", "attack", "attack::attacks::pgd", "", &["export-trades", "trades", "data"]),
    ("autoattack", "attack", "attack::attacks::autoattack", "", &["export-adv", "data"]),
    ("tables", "report", "", "", &["pgd", "autoattack", "adv", "trades", "mart"]),
];

/// The plan of these instances; `other` ones write other bytes.
fn plan(other: &[&str]) -> Plan {
    let list = |member: &str| Some(member.to_owned()).filter(|member| !member.is_empty()).into_iter().collect::<Vec<_>>();
    let stages: Vec<_> = INSTANCES
        .iter()
        .map(|(name, _, _, declares, needs)| {
            let text = if other.contains(name) { format!("{name} made by other code") } else { (*name).to_owned() };
            (*name, "write", json!({ "text": text, "declares": list(declares) }), *needs)
        })
        .collect();
    let mut plan = test_plan(&stages);
    for (instance, (_, package, member, _, _)) in plan.instances.iter_mut().zip(INSTANCES) {
        instance.package = package;
        instance.members = Some(*member).filter(|member| !member.is_empty()).into_iter().collect();
    }
    plan
}

/// Runs the plan with an executable of this code; the instances that ran.
fn run(plan: &Plan, store: &Store, code: Fingerprints<'_>) -> BTreeSet<String> {
    let options = RunOptions { total: Total { cpus: 1, memory: 0, gpus: Vec::new() }, fail_fast: true, force: BTreeSet::new(), memo: true };
    let mut history = History::load(store, Path::new("pipeline.toml"), None);
    let (executor, mut nobody) = (Threads::default(), Nobody);
    let around = Surroundings { store, executor: &executor, observer: &mut nobody, history: &mut history, root: None };
    let (sender, receiver) = mpsc::channel();
    let result = Dispatcher::new(plan, around, options, sender).with_fingerprints(code).run(&receiver).unwrap();
    let ran = |(instance, outcome): (&crate::plan::Instance, &Outcome)| match outcome {
        Outcome::Done { .. } => Some(instance.id.clone()),
        Outcome::Hit { .. } => None,
        other => panic!("{}: {other:?}", instance.id),
    };
    plan.instances.iter().zip(&result.outcomes).filter_map(ran).collect()
}

const EVERYTHING_OF_NN: &[&str] = &["adv", "trades", "mart", "export-adv", "export-trades", "pgd", "autoattack"];

type Edit = (&'static str, Vec<(&'static str, String)>, &'static [&'static str]);

fn edit(what: &'static str, file: &'static str, text: impl Into<String>, reruns: &'static [&'static str]) -> Edit {
    (what, vec![(file, text.into())], reruns)
}

fn edits_that_change_no_result() -> Vec<Edit> {
    vec![
        edit(
            "a comment",
            "stages/train/src/lib.rs",
            "// why\npub mod objectives;\n/// Fits.\npub fn fit() { step() }\nfn step() {}\n",
            &[],
        ),
        edit("formatting", "stages/attack/src/attacks/pgd.rs", "pub struct Pgd {\n    steps : u32,\n}\n\n", &[]),
        edit(
            "a test",
            "stages/nn/src/lib.rs",
            "pub mod networks;\npub fn ball() -> u32 { 1 }\n#[cfg(test)]\nmod tests { #[test] fn one() { assert_eq!(super::ball(), 1) } }\n",
            &[],
        ),
        (
            "a new family member",
            vec![
                (
                    "stages/train/src/objectives/mod.rs",
                    OBJECTIVES.replace("mod mart;", "mod llr;\nmod mart;").replace("{ adv", "{ llr::Llr, adv"),
                ),
                ("stages/train/src/objectives/llr.rs", "pub struct Llr(super::adv::Adv);\n".to_owned()),
            ],
            &[],
        ),
        edit("the engine", "src/lib.rs", "pub fn engine() { other() }\n", &[]),
        edit("a dependency of the engine only", "Cargo.lock", updated("clap"), &[]),
        edit("a dependency of tests only", "Cargo.lock", updated("only-tests"), &[]),
    ]
}

fn edits_that_may_change_results() -> Vec<Edit> {
    vec![
        edit("a member", "stages/train/src/objectives/trades.rs", "pub struct Trades { beta: f32 }\n", &["trades"]),
        edit("a member that a sibling names", "stages/train/src/objectives/adv.rs", "pub struct Adv { steps: u64 }\n", &["adv", "mart"]),
        edit("an attack that another one uses", "stages/attack/src/attacks/square.rs", "pub struct Square;\n", &["autoattack"]),
        // Reached through the manifest of the checkpoint alone: no parameter of this plan names a network.
        edit("the network of a checkpoint", "stages/nn/src/networks/wide_resnet.rs", "pub struct WideResnet;\n", &["export-trades", "pgd"]),
        edit("the network of another checkpoint", "stages/nn/src/networks/small.rs", "pub struct Small(u8);\n", &["export-adv"]),
        edit(
            "shared code of one stage crate",
            "stages/train/src/lib.rs",
            "pub mod objectives;\npub fn fit() { step() }\nfn step() { more() }\n",
            &["adv", "trades", "mart"],
        ),
        edit("shared code below", "stages/nn/src/lib.rs", "pub mod networks;\npub fn ball() -> u32 { 2 }\n", EVERYTHING_OF_NN),
        edit("a dependency of one stage crate", "Cargo.lock", updated("svg"), &["tables"]),
        edit("a dependency far below", "Cargo.lock", updated("burn-core"), &["adv", "trades", "mart"]),
        edit("a dependency of two stage crates", "Cargo.lock", updated("protobuf"), &["export-adv", "export-trades", "pgd", "autoattack"]),
        edit("an embedded file", "stages/report/src/page.html", "<table class='wide'>", &["tables"]),
        edit(
            "a registration line",
            "stages/train/src/objectives/mod.rs",
            OBJECTIVES.replace("trades::Trades", "trades::Other"),
            &["trades"],
        ),
    ]
}

#[test]
fn each_kind_of_edit_reruns_exactly_what_it_reaches() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (plan, before) = (plan(&[]), built(&[]));
    let members = INSTANCES.iter().flat_map(|(_, _, member, declares, _)| [*member, *declares]).filter(|member| !member.is_empty());
    assert!(members.into_iter().all(|member| before.member(member).is_some()), "members are named by full paths that are there");
    assert_eq!(run(&plan, &store, before).len(), INSTANCES.len());
    for (what, edits, reruns) in edits_that_change_no_result().into_iter().chain(edits_that_may_change_results()) {
        let edits: Vec<(&str, &str)> = edits.iter().map(|(file, text)| (*file, text.as_str())).collect();
        let after = built(&edits);
        let expected: BTreeSet<String> = reruns.iter().map(|name| (*name).to_owned()).collect();
        // The edit leaves the bytes as they are, so that nothing further on runs.
        assert_eq!(run(&plan, &store, after), expected, "{what}");
        assert_eq!(run(&plan, &store, after), BTreeSet::new(), "{what}, once more");
        assert_eq!(run(&plan, &store, before), BTreeSet::new(), "{what}, taken back");
    }
}

#[test]
fn an_edit_that_changes_bytes_goes_on_through_everything_made_from_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    run(&plan(&[]), &store, built(&[]));
    let after = built(&[("stages/train/src/objectives/trades.rs", "pub struct Trades { beta: f32 }\n")]);
    let ran = run(&plan(&["trades"]), &store, after);
    assert_eq!(ran, ["trades", "export-trades", "pgd", "tables"].map(str::to_owned).into());
}

#[test]
fn a_member_that_is_gone_is_not_taken_for_the_one_that_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let plan = plan(&[]);
    run(&plan, &store, built(&[]));
    let without = "mod wide_resnet;\nfamily! { pub enum Any: dyn Network { wide_resnet::WideResnet } }\n";
    assert_eq!(run(&plan, &store, built(&[("stages/nn/src/networks/mod.rs", without)])), ["export-adv".to_owned()].into());
}
