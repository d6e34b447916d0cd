//! Writes `src/proto/onnx.rs` of `planish-onnx` from `onnx.proto`. Run by hand; see `README.md`.

use std::error::Error;
use std::path::PathBuf;

/// Stands at the top of the generated file.
const HEADER: &str = "\
// Generated from onnx.proto of ONNX 1.23.2 by stages/onnx/generate; do not edit.
// onnx.proto: Copyright (c) ONNX Project Contributors, SPDX-License-Identifier: Apache-2.0.
";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(source), Some(target)) = (arguments.next(), arguments.next()) else {
        return Err("usage: generate-onnx-types path/to/onnx.proto path/to/onnx.rs".into());
    };
    let include = source.parent().ok_or("the path of onnx.proto has no folder")?;
    let descriptors = protox::compile([&source], [include])?;
    let scratch = tempfile::tempdir()?;
    prost_build::Config::new().out_dir(scratch.path()).compile_fds(descriptors)?;
    let generated = std::fs::read_to_string(scratch.path().join("onnx.rs"))?;
    std::fs::write(&target, format!("{HEADER}{generated}"))?;
    Ok(())
}
