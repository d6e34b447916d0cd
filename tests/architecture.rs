//! The arrows of ARCHITECTURE.md, checked on the manifests: any other edge between our crates fails.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Package → the packages of this workspace that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("planish-cache", &[]),
    ("planish-contract", &[]),
    ("planish-formats", &["planish-contract"]),
    ("planish-nn", &["planish-contract", "planish-formats"]),
    ("planish-onnx", &["planish-contract", "planish-formats", "planish-nn"]),
    ("planish-data", &["planish-contract", "planish-formats"]),
    ("planish-images", &["planish-contract", "planish-formats"]),
    ("planish-report", &["planish-contract", "planish-formats"]),
    ("planish-train", &["planish-contract", "planish-formats", "planish-nn"]),
    ("planish-export", &["planish-contract", "planish-formats", "planish-nn", "planish-onnx"]),
    ("planish-import", &["planish-contract", "planish-formats", "planish-onnx"]),
    ("planish-attack", &["planish-contract", "planish-formats", "planish-nn", "planish-onnx"]),
    ("planish-landscape", &["planish-contract", "planish-formats", "planish-nn"]),
    (
        "planish",
        &[
            "planish-cache",
            "planish-contract",
            "planish-data",
            "planish-images",
            "planish-train",
            "planish-export",
            "planish-import",
            "planish-attack",
            "planish-landscape",
            "planish-report",
            "planish-onnx",
        ],
    ),
];

fn metadata() -> cargo_metadata::Metadata {
    MetadataCommand::new().manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).no_deps().exec().unwrap()
}

#[test]
fn arrows_between_crates_run_one_way() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    assert_eq!(ours, allowed.keys().copied().collect(), "every crate has a line in ARROWS");
    for package in &metadata.packages {
        for dependency in package.dependencies.iter().filter(|d| ours.contains(d.name.as_str())) {
            let name = dependency.name.as_str();
            assert!(allowed[package.name.as_str()].contains(&name), "{} must not depend on {name}", package.name);
        }
    }
}

#[test]
fn the_engine_builds_without_machine_learning() {
    let metadata = metadata();
    let root = metadata.packages.iter().find(|p| p.name.as_str() == "planish").unwrap();
    let engine = ["planish-cache", "planish-contract"];
    for dependency in root.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal && d.name.starts_with("planish-")) {
        assert!(dependency.optional || engine.contains(&dependency.name.as_str()), "{} must be optional", dependency.name);
    }
    assert!(root.dependencies.iter().all(|d| !d.name.starts_with("burn") && d.name != "ort"));
}

/// Every Rust file of the workspace with its path from the root.
fn sources() -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut pending: Vec<_> = ["src", "cache", "stages", "tests"].iter().map(|d| root.join(d)).collect();
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

#[test]
fn only_the_registry_names_the_stage_crates() {
    let engine_crates = ["planish-cache", "planish-contract"];
    let (_, used) = ARROWS.iter().find(|(name, _)| *name == "planish").unwrap();
    let stage_crates: Vec<String> = used.iter().filter(|name| !engine_crates.contains(name)).map(|name| name.replace('-', "_")).collect();
    for (name, text) in sources() {
        let exempt =
            name == "src/registry.rs" || name.starts_with("src/fingerprint") || name.ends_with("/tests.rs") || name.contains("/tests/");
        let engine = name.starts_with("src/") && !exempt;
        if engine || name.starts_with("cache/") {
            for stage in &stage_crates {
                assert!(!text.contains(&format!("{stage}::")), "{name} names {stage}");
            }
        }
    }
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    // Among them: unsafe code is denied, public items are documented.
    for package in metadata().packages {
        let manifest: toml::Table = std::fs::read_to_string(&package.manifest_path).unwrap().parse().unwrap();
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{}", package.name);
    }
}

#[test]
fn one_module_maps_files() {
    // In two parts, so that this file does not find itself.
    let words = [concat!("unsafe", "_code"), concat!("unsafe", " {"), concat!("unsafe", " fn"), concat!("unsafe", " impl")];
    let found: Vec<String> =
        sources().into_iter().filter(|(_, text)| words.iter().any(|word| text.contains(word))).map(|(name, _)| name).collect();
    assert_eq!(found, ["stages/formats/src/mapped.rs"]);
}

#[test]
fn files_stay_small() {
    for (name, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 500 || name == "stages/onnx/src/proto/onnx.rs", "{name} has {lines} lines");
    }
}
