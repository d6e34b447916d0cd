//! The stage kind `command`: any program as a stage.
//!
//! An argument list, never a shell string. The engine starts the program itself (see [`crate::run`]); here is what a
//! pipeline may say about it.

mod outputs;

use std::collections::BTreeMap;
use std::marker::PhantomData;

use planish_contract::{AnyStage, Arity, Context, Failure, InputSpec, Interface, Invalid, Kind, NoExecution, OutputSpec, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use outputs::CommandOutput;

/// The name that `run = "…"` uses.
pub const NAME: &str = "command";

/// The stage kind.
#[derive(Clone, Copy, Debug)]
pub struct Command;

/// What a pipeline says about a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandParameters {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// What it makes: one folder each, the default one first.
    pub outputs: Vec<CommandOutput>,
    /// The variables that it sees, beside the few that every program needs.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// The stage kind without its types.
#[must_use]
pub fn stage() -> &'static dyn AnyStage {
    static STAGE: PhantomData<Command> = PhantomData;
    &STAGE
}

impl Stage for Command {
    type Parameters = CommandParameters;
    type Execution = NoExecution;

    const NAME: &'static str = NAME;
    const PACKAGE: &'static str = env!("CARGO_PKG_NAME");

    fn interface(parameters: &CommandParameters) -> Interface {
        Interface {
            inputs: vec![InputSpec { name: "*", kind: Kind::ANY, arity: Arity::Any }],
            outputs: parameters
                .outputs
                .iter()
                .map(|output| OutputSpec { name: output.name.clone(), kind: Kind::named(output.kind.clone()) })
                .collect(),
        }
    }

    fn validate(parameters: &CommandParameters) -> Result<(), Invalid> {
        check_arguments(&parameters.command)?;
        outputs::check(&parameters.outputs)?;
        parameters.environment.iter().try_for_each(|(name, value)| check_variable(name, value))
    }

    fn run(_: &CommandParameters, _: &NoExecution, _: &Context) -> Result<(), Failure> {
        Err(Failure::internal("a command stage was given to a worker; the engine starts its program itself"))
    }
}

fn check_arguments(command: &[String]) -> Result<(), Invalid> {
    if command.first().is_none_or(|program| program.trim().is_empty()) {
        return Err(Invalid::at("command", "the command names no program").hint("write command = [\"program\", \"argument\"]"));
    }
    match command.iter().position(|argument| argument.contains('\0')) {
        Some(index) => Err(Invalid::at(&format!("command.{index}"), "an argument can't hold a null character")),
        None => Ok(()),
    }
}

fn check_variable(name: &str, value: &str) -> Result<(), Invalid> {
    let wrong = if name.is_empty() || name.contains(['=', '\0']) {
        "a variable's name is not empty and has no `=`"
    } else if value.contains('\0') {
        "a variable can't hold a null character"
    } else {
        return Ok(());
    };
    // Built by hand: a variable's name may have dots.
    Err(Invalid { path: vec!["environment".to_owned(), name.to_owned()], message: wrong.to_owned(), hint: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(command: &[&str], outputs: &[&str]) -> CommandParameters {
        CommandParameters {
            command: command.iter().map(|&argument| argument.to_owned()).collect(),
            outputs: outputs.iter().map(|&name| CommandOutput { name: name.to_owned(), kind: "any".to_owned() }).collect(),
            environment: BTreeMap::new(),
        }
    }

    #[test]
    fn a_command_needs_a_program_and_an_output() {
        assert!(Command::validate(&parameters(&["true"], &["out"])).is_ok());
        assert_eq!(Command::validate(&parameters(&[], &["out"])).unwrap_err().path, ["command"]);
        assert_eq!(Command::validate(&parameters(&["a", "\0"], &["out"])).unwrap_err().path, ["command", "1"]);
        assert_eq!(Command::validate(&parameters(&["true"], &[])).unwrap_err().path, ["outputs"]);
        assert_eq!(Command::validate(&parameters(&["true"], &["out", "out"])).unwrap_err().path, ["outputs", "1"]);
        assert_eq!(Command::validate(&parameters(&["true"], &["../out"])).unwrap_err().path, ["outputs", "0"]);
        let mut with_variable = parameters(&["true"], &["out"]);
        with_variable.environment.insert("A=B".to_owned(), String::new());
        assert_eq!(Command::validate(&with_variable).unwrap_err().path, ["environment", "A=B"]);
    }

    #[test]
    fn an_output_is_a_name_or_a_table_and_reads_back() {
        let text = r#"{ "command": ["x"], "outputs": ["plain", { "name": "model", "kind": "checkpoint" }] }"#;
        let read: CommandParameters = serde_json::from_str(text).unwrap();
        let interface = Command::interface(&read);
        assert_eq!(interface.outputs[0], OutputSpec { name: "plain".to_owned(), kind: Kind::ANY });
        assert_eq!(interface.outputs[1], OutputSpec { name: "model".to_owned(), kind: Kind::new("checkpoint") });
        let again: CommandParameters = serde_json::from_value(serde_json::to_value(&read).unwrap()).unwrap();
        assert_eq!(again, read);
        assert!(serde_json::from_str::<CommandParameters>(r#"{ "command": ["x"], "outputs": [{ "nam": "a" }] }"#).is_err());
    }
}
