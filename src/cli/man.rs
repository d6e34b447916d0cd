//! `planish man`: the manual, as roff.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use crate::exit::Exit;
use crate::show::Screen;

use super::CommandLine;
use super::error::CommandError;

/// Print the manual page: `planish man | man -l -`; or write one page a command
#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// Write the page of every command to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn man(arguments: &ManArguments, screen: Screen) -> Result<Exit, CommandError> {
    let command = CommandLine::command();
    let Some(folder) = &arguments.out else {
        screen.bytes(&whole(command).map_err(|source| CommandError::Io { path: PathBuf::from("the manual"), source })?);
        return Ok(Exit::Success);
    };
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written.map_err(|source| CommandError::Io { path: folder.clone(), source })?;
    Ok(Exit::Success)
}

/// One page with all commands.
fn whole(mut command: clap::Command) -> std::io::Result<Vec<u8>> {
    command.build();
    let mut text = Vec::new();
    Man::new(command.clone()).render(&mut text)?;
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help") {
        // A section of its own for each, with the options that the first page does not show.
        writeln!(text, ".SH \"PLANISH {}\"", inner.get_name().to_uppercase())?;
        let page = Man::new(inner.clone());
        page.render_description_section(&mut text)?;
        page.render_synopsis_section(&mut text)?;
        page.render_options_section(&mut text)?;
    }
    Ok(text)
}
