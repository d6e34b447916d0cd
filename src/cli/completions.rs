//! `planish completions SHELL`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::exit::Exit;
use crate::show::Screen;

use super::CommandLine;

/// Print completions for a shell: `source <(planish completions bash)`
#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn completions(arguments: &CompletionsArguments, screen: Screen) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut CommandLine::command(), "planish", &mut text);
    screen.bytes(&text);
    Exit::Success
}
