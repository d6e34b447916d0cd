//! What the stage crates contribute to the command line. The engine knows them only through this.

use std::collections::BTreeMap;
use std::path::Path;

use planish_contract::{Failure, Folder};
use serde_json::Value;

use crate::run::Standing;
use crate::show::Finding;
use crate::spec::Kinds;

/// What the stage crates contribute.
#[derive(Clone, Copy)]
pub struct Hooks<'a> {
    /// The stage kinds.
    pub kinds: &'a dyn Kinds,
    /// The stage kinds whose results can be shown as a page.
    pub reports: &'a [ReportHook],
    /// What the libraries of the stages need of the machine; `doctor` looks at it.
    pub needs: &'a [NeedHook],
    /// Measures the devices of a name for `doctor --device`; none in a build without machine learning.
    pub devices: Option<DevicesHook>,
    /// The stage kinds whose results have curves for `TensorBoard`.
    pub curves: &'a [CurvesHook],
    /// What `planish attack` shows; none in a build without machine learning.
    pub attack: Option<AttackHook>,
    /// Environment variables (name, value) that their libraries need in workers.
    pub environment: &'static [(&'static str, &'static str)],
    /// Small tasks that workers give to a process of its own: the name behind `planish helper`, and what does the task that
    /// standard input tells and says whether it could.
    pub helpers: &'a [Helper],
}

/// Something that stages need of the machine.
#[derive(Clone, Copy, Debug)]
pub struct NeedHook {
    /// What it is.
    pub name: &'static str,
    /// What is there, in words; `None` when it is not there and planish would obtain it. Changes nothing. The argument is the path that
    /// the user named.
    pub look: fn(Option<&Path>) -> Result<Option<String>, Failure>,
}

/// Compares the devices of a name with the processor and times them: what was found of each. The error is that of a name that stands for no
/// device here.
pub type DevicesHook = fn(&str) -> Result<Vec<Finding>, Failure>;

/// Makes a page from the stage's default output, what is known of all instances, and which of them the stage gathers: input → positions, in the
/// stage's order.
pub type PageRenderer = fn(&Folder, &[InstanceProvenance], &BTreeMap<String, Vec<usize>>) -> Result<String, Failure>;

/// Shows the result of a stage kind as a page.
#[derive(Clone, Copy, Debug)]
pub struct ReportHook {
    /// The stage kind.
    pub kind: &'static str,
    /// The page, self-contained HTML.
    pub render: PageRenderer,
    /// The same result as text, printed at the end of a run.
    pub text: fn(&Folder) -> Result<String, Failure>,
}

/// Writes the curves; see [`CurvesHook::write`].
type CurvesWriter = fn(&Folder, f64, &BTreeMap<String, Value>, &Path) -> Result<(), Failure>;

/// Writes the curves of a stage kind's result for `TensorBoard`.
#[derive(Clone, Copy, Debug)]
pub struct CurvesHook {
    /// The stage kind.
    pub kind: &'static str,
    /// Writes an event file into a folder, from the stage's default output, when it was made (seconds since 1970) and what the stage recorded.
    pub write: CurvesWriter,
}

/// Makes the view; see [`AttackHook::view`].
type AttackViewer = fn(&str, &Folder, Option<&Folder>, &[InstanceProvenance]) -> Result<AttackView, Failure>;

/// The name of a task and what does it; see [`Hooks::helpers`].
pub type Helper = (&'static str, fn() -> bool);

/// Shows what attacks on one model came to.
#[derive(Clone, Copy, Debug)]
pub struct AttackHook {
    /// From the model's name, the evidence, what was checked of the model beforehand, and what is known of all instances.
    pub view: AttackViewer,
    /// The JSON Schema of the whole answer with [`AttackView::json`] in it.
    pub schema: fn() -> Value,
}

/// What attacks on one model came to.
#[derive(Clone, Debug)]
pub struct AttackView {
    /// A table.
    pub text: String,
    /// The same for programs.
    pub json: Value,
    /// A self-contained HTML page.
    pub page: String,
    /// Whether all checks for masked gradients were made and passed.
    pub vouched_for: bool,
}

/// What is known of an instance beside its result.
#[derive(Clone, Debug)]
pub struct InstanceProvenance {
    /// The instance: `train[method=llr,seed=0]`.
    pub id: String,
    /// Its stage.
    pub stage: String,
    /// Its stage kind.
    pub kind: String,
    /// How it stands.
    pub standing: Standing,
    /// The key of its result, in hexadecimal; empty when there is none.
    pub key: String,
    /// When it was made, RFC 3339; empty when there is no result.
    pub made: String,
    /// How long that took.
    pub seconds: Option<f64>,
    /// Name → fact: host, device, runtime, threads, whatever the stage recorded.
    pub facts: Vec<(String, Value)>,
    /// Where its log is, as a path that can be opened from here; empty when there is none.
    pub log: String,
    /// What commands about it have to be given beside its name, such as `--profile smoke`; empty for the default pipeline and profile.
    pub arguments: String,
}
