//! The names of `cubecl-llvm` that `cubecl-cuda` uses, without LLVM: for builds where LLVM can't be downloaded. With the feature `cpp` of
//! `cubecl-cuda`, which planish's `nvrtc` switches on, the CUDA runtime has NVRTC compile its kernels and nothing here is ever called.

use cubecl_core::ir::nvidia::SmArch;
use cubecl_core::prelude::KernelDefinition;
use cubecl_runtime::compiler::{CompilationError, Compiler};
use cubecl_runtime::kernel::BufferIOAttr;

/// What belongs to NVIDIA's assembly language.
pub mod nvptx {
    /// Its versions.
    pub mod ptx_version {
        use core::fmt;

        /// A version; there is none, as nothing is compiled to it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum PtxVersion {}

        impl PtxVersion {
            /// The newest version that a driver loads: none from here.
            pub fn for_driver(_driver: i32) -> Option<Self> {
                None
            }
        }

        impl fmt::Display for PtxVersion {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {}
            }
        }
    }
}

/// What the compilers share.
pub mod shared {
    /// What a compiler can't do.
    pub mod lowered_features {
        /// What is compiled for.
        pub enum GpuTarget {
            /// NVIDIA's assembly language.
            Nvptx,
        }

        /// Takes nothing from the properties, as NVRTC compiles everything that they name.
        pub fn restrict_features<T>(_properties: &mut T, _target: GpuTarget) {}
    }
}

/// What is compiled for.
#[derive(Clone, Copy, Debug, Default)]
pub enum LlvmTarget {
    /// NVIDIA's assembly language.
    #[default]
    Nvptx,
}

/// A compiler that refuses every kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlironCompiler {
    /// What it would compile for.
    pub target: LlvmTarget,
}

/// How it would compile.
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    /// An AMD architecture.
    pub arch: Option<()>,
    /// An NVIDIA architecture.
    pub sm_arch: Option<SmArch>,
    /// The version of the assembly language.
    pub ptx_version: Option<nvptx::ptx_version::PtxVersion>,
    /// Whether a launch's parameters are constants of the grid.
    pub grid_constants: bool,
    /// So that others may be left out.
    pub others: (),
}

/// A compiled kernel.
#[derive(Clone, Debug)]
pub struct NvptxModule {
    /// Its assembly.
    pub ptx: Vec<core::ffi::c_char>,
    /// Where it begins.
    pub entrypoint: String,
    /// What it was compiled from.
    pub ir: String,
    /// The shared memory that it needs, in bytes.
    pub shared_memory_size: usize,
    /// Which buffers it reads and writes.
    pub io: Vec<BufferIOAttr>,
}

/// What compiling gives.
#[derive(Clone)]
pub enum PlironArtifact {
    /// A kernel for NVIDIA.
    NvptxCode(NvptxModule),
    /// Another.
    Other,
}

impl core::fmt::Display for PlironArtifact {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("no LLVM in this build")
    }
}

impl Compiler for PlironCompiler {
    type Representation = PlironArtifact;
    type CompilationOptions = PlironOptions;

    fn compile(&mut self, _: KernelDefinition, _: &PlironOptions) -> Result<PlironArtifact, CompilationError> {
        // `CompilationError` can't be made without a backtrace, which is private to it.
        panic!("this build has no LLVM: planish's feature `nvrtc` has to be on")
    }

    fn extension(&self) -> &'static str {
        "ll"
    }

    fn lang_tag(&self) -> &'static str {
        "llvm"
    }
}
