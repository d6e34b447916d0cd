//! Where ONNX Runtime computes.

use ort::session::builder::SessionBuilder;
use planish_contract::Failure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where ONNX Runtime computes: an "execution provider".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// The processor.
    #[default]
    Cpu,
    /// The first visible NVIDIA GPU. Its last digits may depend on how many images are computed together.
    Cuda,
}

impl std::fmt::Display for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Provider::Cpu => "CPU",
            Provider::Cuda => "CUDA",
        })
    }
}

/// Where ONNX Runtime computes, and how many threads of the processor it may keep busy. A number alone means threads, on the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compute {
    /// At most so many threads; 0 counts as 1.
    pub threads: usize,
    /// Where.
    pub provider: Provider,
}

impl From<usize> for Compute {
    fn from(threads: usize) -> Self {
        Compute { threads, provider: Provider::Cpu }
    }
}

/// What an operator without a CUDA form falls back to is the processor; a library or a planish without CUDA is refused.
pub(crate) fn register(builder: SessionBuilder, provider: Provider) -> Result<SessionBuilder, Failure> {
    match provider {
        Provider::Cpu => Ok(builder),
        Provider::Cuda => cuda(builder),
    }
}

#[cfg(feature = "cuda")]
fn cuda(builder: SessionBuilder) -> Result<SessionBuilder, Failure> {
    // Logits of both providers should agree to the digits of f32.
    let provider = ort::ep::CUDA::default().with_tf32(false).build().error_on_failure();
    builder.with_execution_providers([provider]).map_err(|e| {
        let hint = "name the library of the wheel `onnxruntime-gpu` with `--onnxruntime` or ORT_DYLIB_PATH, and install the CUDA and \
                    cuDNN libraries that it asks for (`pip install onnxruntime-gpu[cuda,cudnn]`), or compute on the processor";
        Failure::input_hint(format!("ONNX Runtime can't use CUDA: {}", crate::classifier::words(&e.into())), hint)
    })
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: SessionBuilder) -> Result<SessionBuilder, Failure> {
    Err(Failure::input_hint(
        "this planish was built without CUDA for ONNX models",
        "build it with `--features onnx-cuda`, or compute on the processor",
    ))
}

/// The providers of a library, as the files beside it tell, and what keeps CUDA away.
#[cfg(feature = "dynamic")]
pub(crate) fn of_library(library: &std::path::Path) -> String {
    let name = if cfg!(target_os = "macos") { "libonnxruntime_providers_cuda.dylib" } else { "libonnxruntime_providers_cuda.so" };
    match (cfg!(feature = "cuda"), library.with_file_name(name).is_file()) {
        (true, true) => "CPU, CUDA".to_owned(),
        (true, false) => "CPU (this library has no CUDA; that of the wheel `onnxruntime-gpu` has)".to_owned(),
        (false, _) => "CPU (planish was built without the feature `onnx-cuda`)".to_owned(),
    }
}

/// The providers of the runtime that is linked in.
#[cfg(not(feature = "dynamic"))]
pub(crate) fn built_in() -> String {
    if cfg!(feature = "cuda") { "CPU, CUDA" } else { "CPU" }.to_owned()
}
