//! A model's first run, in a process of its own under limits of memory and time.
//!
//! The inspection judges what a file says; what a model does shows when it runs. A model that eats the memory, never ends
//! or crashes its runtime takes the process with it: so the first run happens in a child of this executable,
//! which answers to a hidden command ([`serve`]). Executables that have one say so at their start ([`answer_to`]).

mod child;
mod parent;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use planish_contract::Failure;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::inspect::Layout;
use crate::model_file::ModelFile;
use crate::runtime;

pub use child::serve;

/// How much a model may take for its first run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Address space of the process (bytes), everything included: the program, ONNX Runtime, the model in its several forms.
    pub memory: u64,
    /// Wall-clock time for inspection, loading and running (seconds).
    pub seconds: u64,
}

impl Limits {
    /// Generous limits for an honest model of `size` bytes: loading takes a few copies of it, and one image not much more.
    #[must_use]
    pub fn for_size(size: u64) -> Self {
        Limits { memory: (4 << 30) + size.saturating_mul(6), seconds: 60 + size / (16 << 20) }
    }
}

/// What the first run found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Time to inspect, load and run (seconds).
    pub seconds: f64,
    /// The most memory that the process held (bytes); 0 where the system does not tell.
    pub peak_memory: u64,
    /// Whether the same image gave the same logits again, to the bit.
    pub repeatable: bool,
}

/// What a child is asked to do.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    model: PathBuf,
    library: Option<PathBuf>,
    channels_last: Option<bool>,
    limits: Limits,
}

/// What a child answers.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Ran(Report),
    Refused { message: String, hint: Option<String> },
}

static ARGUMENTS: OnceLock<Vec<OsString>> = OnceLock::new();

/// Says that this executable calls [`serve`] when it is started with `arguments`. The first call counts.
pub fn answer_to(arguments: &[&str]) {
    drop(ARGUMENTS.set(arguments.iter().map(OsString::from).collect()));
}

/// Whether [`first_run`] can start a process: whether [`answer_to`] was called.
#[must_use]
pub fn is_available() -> bool {
    ARGUMENTS.get().is_some()
}

/// Inspects, loads and runs the model at `path` on an image or two, in a process of its own.
///
/// # Errors
/// [`Failure::Input`] when the model is refused, runs out of `limits`, crashes, or gives logits that are no logits;
/// what [`runtime::ensure`] returns; [`Failure::Internal`] when [`is_available`] is not so or the process can't be started.
pub fn first_run(path: &Path, layout: Option<Layout>, limits: Limits) -> Result<Report, Failure> {
    let arguments = ARGUMENTS.get().ok_or_else(|| Failure::internal("this program can't probe models"))?;
    let library = runtime::ensure(None)?.path.clone();
    let job = Job {
        model: std::path::absolute(path).map_err(|e| Failure::io(path, e))?,
        library: runtime::IS_DYNAMIC.then_some(library),
        channels_last: layout.map(|layout| layout == Layout::ChannelsLast),
        limits,
    };
    parent::run(arguments, &job, &path.display().to_string())
}

/// As [`first_run`] with the usual limits, unless this process has seen the same model pass.
///
/// # Errors
/// As there.
pub(crate) fn first_run_once(path: &Path, model: &ModelFile) -> Result<(), Failure> {
    static PASSED: Mutex<BTreeSet<[u8; 32]>> = Mutex::new(BTreeSet::new());
    let digest: [u8; 32] = Sha256::digest(&model.bytes).into();
    let passed = || PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    if !passed().contains(&digest) {
        first_run(path, Some(model.signature.layout), Limits::for_size(model.bytes.len() as u64))?;
        passed().insert(digest);
    }
    Ok(())
}
