//! `planish schema`: what may be written in a pipeline file, and what `--json` answers look like.

use clap::{Args, ValueEnum};

use crate::exit::Exit;
use crate::show::{self, Screen};
use crate::spec;

use super::attack;
use super::error::CommandError;
use super::hooks::Hooks;

/// Print a JSON Schema: of pipeline files, for editors, or of what a command answers with --json
#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// Of what
    #[arg(value_enum, default_value = "pipeline")]
    of: Subject,
}

/// What a schema is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// Pipeline files.
    Pipeline,
    /// The answer of `planish plan --json`.
    Plan,
    /// The answer of `planish throughput --json`.
    Throughput,
    /// The answer of `planish status --json`.
    Status,
    /// The answer of `planish why --json`.
    Why,
    /// The answer of `planish show --json`.
    Show,
    /// The answer of `planish list --json`.
    List,
    /// The answer of `planish list --artifacts --json`.
    Artifacts,
    /// The answer of `planish graph --format json`.
    Graph,
    /// The answer of `planish log --json`.
    Log,
    /// The answer of `planish doctor --json`.
    Doctor,
    /// The answer of `planish gc --json`.
    Gc,
    /// The answer of `planish verify --json`.
    Verify,
    /// The answer of `planish pin --json` and of `planish unpin --json`.
    Pin,
    /// The answer of `planish adopt --json`.
    Adopt,
    /// The answer of `planish run --json`.
    Run,
    /// The answer of `planish report --json`.
    Report,
    /// The answer of `planish init --json`.
    Init,
    /// What `planish serve` tells under `/state.json` and `/events`.
    Serve,
    /// The answer of `planish attack --json`.
    Attack,
}

pub(super) fn schema(arguments: &SchemaArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let schema = match arguments.of {
        Subject::Pipeline => spec::schema(hooks.kinds),
        Subject::Plan => show::answer_schema::<Vec<show::PlanView<'_>>>(),
        Subject::Throughput => show::flat_schema::<crate::run::Throughput>(),
        Subject::Status => show::answer_schema::<Vec<show::StatusView<'_>>>(),
        Subject::Why => show::answer_schema::<Vec<crate::run::Explanation>>(),
        Subject::Show => show::answer_schema::<Vec<show::ResultView>>(),
        Subject::List => show::answer_schema::<Vec<show::InstanceView<'_>>>(),
        Subject::Artifacts => show::answer_schema::<Vec<show::StoredView<'_>>>(),
        Subject::Graph => show::flat_schema::<show::GraphView>(),
        Subject::Log => show::answer_schema::<Vec<show::LogView>>(),
        Subject::Doctor => show::flat_schema::<show::DoctorView>(),
        Subject::Gc => show::flat_schema::<show::CollectionView>(),
        Subject::Verify => show::flat_schema::<show::VerificationView>(),
        Subject::Pin => show::flat_schema::<show::KeptView>(),
        Subject::Adopt => show::flat_schema::<show::AdoptionsView>(),
        Subject::Run => show::flat_schema::<show::RunView<'_>>(),
        Subject::Report => show::flat_schema::<show::ReportView>(),
        Subject::Init => show::flat_schema::<show::InitView>(),
        Subject::Serve => show::flat_schema::<show::LiveView>(),
        Subject::Attack => (attack::hook(hooks)?.schema)(),
    };
    screen.answer(&show::pretty(&schema));
    Ok(Exit::Success)
}
