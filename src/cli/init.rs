//! `planish init`: a commented pipeline to start from.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use crate::exit::Exit;
use crate::show::{self, InitView, Screen};

use super::error::CommandError;
use super::hooks::Hooks;

/// Write a commented pipeline to start from
#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// Where to write it
    #[arg(short, long, value_name = "PATH", default_value = "pipeline.toml")]
    file: PathBuf,
    /// Which one [default: robustness, or command in a build without machine learning]
    #[arg(long, value_enum)]
    template: Option<Template>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// A pipeline to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Template {
    /// Two trainings on images that planish brings along, exported, attacked, compared.
    Robustness,
    /// Your own programs as stages.
    Command,
}

impl Template {
    fn text(self) -> &'static str {
        match self {
            Template::Robustness => include_str!("init/robustness.toml"),
            Template::Command => include_str!("init/command.toml"),
        }
    }
}

pub(super) fn init(arguments: &InitArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let default = if hooks.kinds.get("train").is_some() { Template::Robustness } else { Template::Command };
    let template = arguments.template.unwrap_or(default);
    let failed = |source| CommandError::Io { path: arguments.file.clone(), source };
    // Never over a file that is there, not even one that appears just now.
    let mut file = match std::fs::File::create_new(&arguments.file) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let message = format!("{} is there already", arguments.file.display());
            return Err(CommandError::usage(message, "`--file PATH` names another one"));
        }
        outcome => outcome.map_err(failed)?,
    };
    file.write_all(template.text().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    screen.say(&format!("wrote {}; `planish plan` shows what it would do, `planish run` does it", show::path(&arguments.file)));
    if arguments.json {
        let view = InitView { path: show::path(&arguments.file), template };
        screen.answer(&show::json_answer("init", &view));
    }
    Ok(Exit::Success)
}
