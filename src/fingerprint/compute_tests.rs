//! For each kind of edit: which fingerprints change.

use std::collections::BTreeSet;
use std::fs;

use super::compute::{Fingerprints, workspace};

const LOCK: &str = r#"
[[package]]
name = "nn"
version = "0.1.0"
dependencies = ["serde", "only-tests"]
[[package]]
name = "train"
version = "0.1.0"
dependencies = ["nn"]
[[package]]
name = "report"
version = "0.1.0"
dependencies = ["serde"]
[[package]]
name = "engine"
version = "0.1.0"
dependencies = ["nn", "itoa"]
[[package]]
name = "serde"
version = "1.0.0"
checksum = "aa"
[[package]]
name = "only-tests"
version = "1.0.0"
[[package]]
name = "itoa"
version = "1.0.0"
"#;

const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", "[workspace.dependencies]\nserde = { version = \"1\", features = [\"derive\"] }\n"),
    ("Cargo.lock", LOCK),
    ("stages/nn/Cargo.toml", "[package]\nname = \"nn\"\n[dependencies]\nserde.workspace = true\n[dev-dependencies]\nonly-tests = \"1\"\n"),
    ("stages/nn/src/lib.rs", "pub fn ball() -> u32 { 1 }\nmod shared;\n#[cfg(test)]\nmod tests { #[test] fn t() {} }\n"),
    ("stages/nn/src/shared.rs", "pub const TABLE: &[u8] = include_bytes!(\"table.bin\");\n"),
    ("stages/nn/src/table.bin", "0123"),
    ("stages/train/Cargo.toml", "[package]\nname = \"train\"\n[dependencies]\nnn = { path = \"../nn\" }\n"),
    ("stages/train/src/lib.rs", "pub mod objectives;\n"),
    (
        "stages/train/src/objectives/mod.rs",
        "mod adv;\nmod trades;\nmod mart;\ncontract::family! {\n    /// docs\n    pub enum Any: dyn Objective { adv::Adv, trades::Trades, mart::Mart }\n}\n",
    ),
    ("stages/train/src/objectives/adv.rs", "pub struct Adv { steps: u32 }\n"),
    ("stages/train/src/objectives/trades.rs", "pub struct Trades { beta: f64 }\n"),
    ("stages/train/src/objectives/mart.rs", "pub struct Mart(super::adv::Adv);\n"),
    ("stages/report/Cargo.toml", "[package]\nname = \"report\"\n[dependencies]\nserde.workspace = true\n"),
    ("stages/report/src/lib.rs", "pub fn table() {}\n"),
];

fn fingerprints(edits: &[(&str, &str)]) -> Fingerprints {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in FILES.iter().chain(edits) {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    workspace(directory.path())
}

/// What differs after the edits: package names, and members by their last segment.
fn changed(edits: &[(&str, &str)]) -> BTreeSet<String> {
    let (before, after) = (fingerprints(&[]), fingerprints(edits));
    let mut changed = BTreeSet::new();
    for (name, value) in &after.packages {
        if before.packages.get(name) != Some(value) {
            changed.insert(name.clone());
        }
    }
    for (path, value) in &after.members {
        if before.members.get(path) != Some(value) {
            changed.insert(path.rsplit("::").next().unwrap().to_owned());
        }
    }
    changed
}

fn expect(edits: &[(&str, &str)], names: &[&str]) {
    assert_eq!(changed(edits), names.iter().map(|name| (*name).to_owned()).collect(), "{edits:?}");
}

#[test]
fn comments_formatting_docs_lints_and_tests_change_nothing() {
    expect(&[("stages/train/src/objectives/trades.rs", "//! Docs.\n/// More.\npub struct Trades {\n    // why\n    beta: f64,\n}\n")], &[]);
    expect(
        &[(
            "stages/nn/src/lib.rs",
            "#[allow(dead_code)]\npub fn ball() -> u32 {\n    1\n}\nmod shared;\n#[cfg(test)]\nmod tests { #[test] fn other() { assert!(true) } }\n",
        )],
        &[],
    );
    expect(&[("stages/nn/Cargo.toml", "[package]\nname = \"nn\"\n[dependencies]\nserde.workspace = true\n[dev-dependencies]\n")], &[]);
}

#[test]
fn a_member_changes_itself_and_the_siblings_that_name_it() {
    expect(&[("stages/train/src/objectives/trades.rs", "pub struct Trades { beta: f32 }\n")], &["trades"]);
    expect(&[("stages/train/src/objectives/adv.rs", "pub struct Adv { steps: u64 }\n")], &["adv", "mart"]);
}

#[test]
fn a_new_member_changes_nothing_else() {
    let registered = "mod adv;\nmod trades;\nmod mart;\nmod llr;\ncontract::family! {\n    /// more docs\n    pub enum Any: dyn Objective { adv::Adv, llr::Llr, trades::Trades, mart::Mart }\n}\n";
    expect(&[("stages/train/src/objectives/mod.rs", registered), ("stages/train/src/objectives/llr.rs", "pub struct Llr;\n")], &["llr"]);
}

#[test]
fn shared_code_and_included_files_change_every_package_above() {
    expect(&[("stages/nn/src/lib.rs", "pub fn ball() -> u32 { 2 }\nmod shared;\n")], &["nn", "train"]);
    expect(&[("stages/nn/src/table.bin", "01234")], &["nn", "train"]);
    expect(&[("stages/report/src/lib.rs", "pub fn table() { ball() }\n")], &["report"]);
}

#[test]
fn dependencies_count_where_they_are_used() {
    expect(&[("Cargo.lock", &LOCK.replace("\"itoa\"\nversion = \"1.0.0\"", "\"itoa\"\nversion = \"1.0.1\""))], &[]);
    expect(&[("Cargo.lock", &LOCK.replace("\"only-tests\"\nversion = \"1.0.0\"", "\"only-tests\"\nversion = \"1.0.1\""))], &[]);
    expect(&[("Cargo.lock", &LOCK.replace("\"aa\"", "\"bb\""))], &["nn", "report", "train"]);
    expect(
        &[("Cargo.toml", "[workspace.dependencies]\nserde = { version = \"1\", features = [] }\n")],
        &["nn", "report"].iter().chain(&["train"]).copied().collect::<Vec<_>>(),
    );
}

#[test]
fn reached_packages_are_listed() {
    let found = fingerprints(&[]);
    assert_eq!(found.packages["train"].1, ["nn", "train"]);
    assert_eq!(found.packages["report"].1, ["report"]);
}

#[test]
fn the_engine_and_descriptions_for_editors_change_nothing() {
    expect(&[("src/lib.rs", "pub fn engine() {}\n"), ("cache/src/lib.rs", "pub fn cache() {}\n")], &[]);
    expect(
        &[
            (
                "stages/train/src/objectives/trades.rs",
                "use schemars::JsonSchema;\n#[derive(JsonSchema)]\n#[schemars(description = \"x\")]\npub struct Trades { beta: f64 }\nimpl JsonSchema for Trades {}\n",
            ),
            ("stages/report/Cargo.toml", "[package]\nname = \"report\"\n[dependencies]\nschemars = \"1\"\nserde.workspace = true\n"),
        ],
        &[],
    );
    let derived = |traits: &str| format!("#[derive({traits})]\npub struct Trades {{ beta: f64 }}\n");
    let (plain, described) = (derived("Clone, Debug"), derived("Clone, Debug, JsonSchema"));
    let path = "stages/train/src/objectives/trades.rs";
    assert_eq!(fingerprints(&[(path, &plain)]), fingerprints(&[(path, &described)]));
}
