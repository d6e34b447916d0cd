//! Computes code fingerprints of the stage packages and an id of the whole build.
#![expect(clippy::unwrap_used, reason = "a build script stops the build on a mistake")]

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "src/fingerprint/compute.rs"]
mod compute;

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap());
    let inputs = ["Cargo.toml", "Cargo.lock", "build.rs", "src", "cache", "stages"];
    for input in inputs {
        println!("cargo:rerun-if-changed={input}");
    }
    let found = compute::workspace(&root);
    let mut code = format!(
        "/// An id of the sources and settings that this executable was built from.\npub const BUILD_ID: &str = {:?};\n",
        build_id(&root, &inputs)
    );
    code.push_str("const PACKAGES: &[(&str, &str, &[&str])] = &[\n");
    for (name, (fingerprint, below)) in &found.packages {
        writeln!(code, "    ({name:?}, {fingerprint:?}, &{below:?}),").unwrap();
    }
    code.push_str("];\nconst MEMBERS: &[(&str, &str)] = &[\n");
    for (path, fingerprint) in &found.members {
        writeln!(code, "    ({path:?}, {fingerprint:?}),").unwrap();
    }
    code.push_str("];\n");
    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("fingerprints.rs"), code).unwrap();
}

/// A hash of every source file and of the build's settings.
fn build_id(root: &Path, inputs: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for name in ["PROFILE", "TARGET", "OPT_LEVEL", "CARGO_FEATURE_ML", "CARGO_CFG_TARGET_FEATURE", "CARGO_ENCODED_RUSTFLAGS"] {
        hasher.update(env::var(name).unwrap_or_default().as_bytes()).update(&[0]);
    }
    let mut pending: Vec<PathBuf> = inputs.iter().map(|input| root.join(input)).collect();
    let mut files = Vec::new();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files.push(path);
        }
    }
    files.sort();
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file);
        hasher.update(name.to_string_lossy().as_bytes()).update(&[0]);
        hasher.update(&fs::read(&file).unwrap()).update(&[0]);
    }
    hasher.finalize().to_hex().to_string()
}
