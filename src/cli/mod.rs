//! The command line: one file a command.

mod adopt;
mod attack;
mod browser;
mod completions;
mod curves;
mod doctor;
mod error;
mod gc;
mod graph;
mod hooks;
mod init;
mod list;
mod log;
mod man;
mod open;
mod pin;
mod plan;
mod report;
mod run;
mod schema;
mod select;
mod serve;
mod show;
mod status;
mod throughput;
mod verify;
mod why;

use std::panic::AssertUnwindSafe;

use clap::{Parser, Subcommand};

use crate::exit::{self, Exit};
use crate::show::Screen;

pub use error::CommandError;
pub use hooks::{AttackHook, AttackView, CurvesHook, DevicesHook, Helper, Hooks, InstanceProvenance, NeedHook, PageRenderer, ReportHook};
pub use init::Template;

/// Declarative robustness experiments: one TOML file to the tables of a paper.
#[derive(Debug, Parser)]
#[command(name = "planish", version, about, after_help = exit::HELP, propagate_version = true)]
struct CommandLine {
    /// Say nothing on the way: answers and errors only
    #[arg(short, long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArguments),
    Plan(plan::PlanArguments),
    Throughput(throughput::ThroughputArguments),
    Status(status::StatusArguments),
    Why(why::WhyArguments),
    Graph(graph::GraphArguments),
    Log(log::LogArguments),
    Show(show::ShowArguments),
    Report(report::ReportArguments),
    Serve(serve::ServeArguments),
    Gc(gc::GcArguments),
    Verify(verify::VerifyArguments),
    Pin(pin::PinArguments),
    Unpin(pin::UnpinArguments),
    Adopt(adopt::AdoptArguments),
    List(list::ListArguments),
    Init(init::InitArguments),
    Schema(schema::SchemaArguments),
    Doctor(doctor::DoctorArguments),
    Completions(completions::CompletionsArguments),
    Man(man::ManArguments),
    Attack(Box<attack::AttackArguments>),
    /// Run one instance, told on standard input; started by `planish run`
    #[command(hide = true)]
    Worker,
    /// End what a worker leaves behind; started by `planish run`
    #[command(hide = true)]
    Guard {
        /// The worker's process
        worker: i32,
    },
    /// Do a small task in a process of its own, told on standard input; started by workers
    #[command(hide = true)]
    Helper {
        /// The kind of task
        name: String,
    },
}

/// Reads the command line of this process and does what it says.
#[must_use]
pub fn main(hooks: &Hooks<'_>) -> Exit {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => {
            Screen::new(false).command_line(&error);
            return if error.use_stderr() { Exit::Usage } else { Exit::Success };
        }
    };
    let screen = Screen::new(line.quiet);
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| obey(&line.command, hooks, screen)));
    // What panicked was shown by the panic hook; workers end with this process.
    outcome.unwrap_or(Exit::Internal)
}

fn obey(command: &Command, hooks: &Hooks<'_>, screen: Screen) -> Exit {
    let outcome = match command {
        Command::Run(arguments) => run::run(arguments, hooks, screen),
        Command::Plan(arguments) => plan::plan(arguments, hooks, screen),
        Command::Throughput(arguments) => throughput::throughput(arguments, hooks, screen),
        Command::Status(arguments) => status::status(arguments, hooks, screen),
        Command::Why(arguments) => why::why(arguments, hooks, screen),
        Command::Graph(arguments) => graph::graph(arguments, hooks, screen),
        Command::Log(arguments) => log::log(arguments, hooks, screen),
        Command::Show(arguments) => show::show(arguments, hooks, screen),
        Command::Report(arguments) => report::report(arguments, hooks, screen),
        Command::Serve(arguments) => serve::serve(arguments, hooks, screen),
        Command::Gc(arguments) => gc::gc(arguments, screen),
        Command::Verify(arguments) => verify::verify(arguments, screen),
        Command::Pin(arguments) => pin::pin(arguments, hooks, screen),
        Command::Unpin(arguments) => pin::unpin(arguments, screen),
        Command::Adopt(arguments) => adopt::adopt(arguments, hooks, screen),
        Command::List(arguments) => list::list(arguments, hooks, screen),
        Command::Init(arguments) => init::init(arguments, hooks, screen),
        Command::Schema(arguments) => schema::schema(arguments, hooks, screen),
        Command::Doctor(arguments) => Ok(doctor::doctor(arguments, hooks, screen)),
        Command::Completions(arguments) => Ok(completions::completions(arguments, screen)),
        Command::Man(arguments) => man::man(arguments, screen),
        Command::Attack(arguments) => attack::attack(arguments, hooks, screen),
        Command::Worker => return crate::run::work(hooks.kinds),
        Command::Guard { worker } => return crate::run::guard(*worker),
        Command::Helper { name } => return help(hooks, name),
    };
    outcome.unwrap_or_else(|error| {
        screen.error(&error);
        error.exit()
    })
}

/// Does one small task.
fn help(hooks: &Hooks<'_>, name: &str) -> Exit {
    let helper = hooks.helpers.iter().find(|(known, _)| *known == name);
    if helper.is_some_and(|(_, task)| task()) { Exit::Success } else { Exit::Usage }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }
}
