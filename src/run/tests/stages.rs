//! Stage kinds for tests.

use std::marker::PhantomData;
use std::path::PathBuf;

use planish_contract::{AnyStage, Arity, Context, Failure, Interface, Kind, NoExecution, Progress, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::Kinds;

/// Writes a text, after the texts of its inputs.
struct Write;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Text {
    text: String,
    /// Family members that the output names.
    #[serde(default)]
    declares: Vec<String>,
}

impl Stage for Write {
    type Parameters = Text;
    type Execution = NoExecution;
    const NAME: &'static str = "write";
    const PACKAGE: &'static str = "test";

    fn interface(_: &Text) -> Interface {
        Interface::of(&[("*", Kind::ANY, Arity::Any)], &[("out", Kind::ANY)])
    }

    fn run(parameters: &Text, _: &NoExecution, context: &Context) -> Result<(), Failure> {
        let mut text = parameters.text.clone();
        for name in context.inputs.keys() {
            let path = context.input(name)?.file("text")?;
            text = std::fs::read_to_string(path).map_err(|e| Failure::io(path, e))? + &text;
        }
        context.host.progress(Progress { done: 1, total: 1, text: "written".to_owned() });
        context.host.provenance("device", "cpu".into());
        for member in &parameters.declares {
            context.declare_member("out", member)?;
        }
        let path = context.output("out").join("text");
        std::fs::write(&path, text).map_err(|e| Failure::io(&path, e))
    }
}

/// Misbehaves as told.
struct Misbehave;

#[derive(Serialize, Deserialize, JsonSchema)]
enum Manner {
    /// Panics.
    Panic,
    /// Returns a failure.
    Fail,
    /// Writes nothing.
    Nothing,
    /// Removes its output folder.
    Remove,
    /// Edits a file and then writes.
    Edit(PathBuf),
    /// Fails the first time, and leaves a checkpoint that lets it succeed the second time.
    Resume,
}

impl Stage for Misbehave {
    type Parameters = Manner;
    type Execution = NoExecution;
    const NAME: &'static str = "misbehave";
    const PACKAGE: &'static str = "test";

    fn interface(_: &Manner) -> Interface {
        Interface::of(&[], &[("out", Kind::ANY)])
    }

    fn run(manner: &Manner, _: &NoExecution, context: &Context) -> Result<(), Failure> {
        context.check_stopped()?;
        let output = context.output("out");
        match manner {
            Manner::Panic => panic!("something impossible"),
            Manner::Fail => return Err(Failure::input_hint("it does not work", "try something else")),
            Manner::Nothing => {}
            Manner::Remove => std::fs::remove_dir(&output).map_err(|e| Failure::io(&output, e))?,
            Manner::Edit(path) => {
                std::fs::write(path, "edited").map_err(|e| Failure::io(path, e))?;
                std::fs::write(output.join("x"), "x").map_err(|e| Failure::io(&output, e))?;
            }
            Manner::Resume => {
                let kept = context.checkpoints.join("kept");
                if !kept.exists() {
                    std::fs::write(&kept, "half").map_err(|e| Failure::io(&kept, e))?;
                    return Err(Failure::input("only half way"));
                }
                std::fs::write(output.join("x"), "whole").map_err(|e| Failure::io(&output, e))?;
            }
        }
        Ok(())
    }
}

/// Squares numbers, with a memo of the squares; says in the log what it had to work out.
struct Squares;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Numbers {
    numbers: Vec<u64>,
    #[serde(default)]
    members: Vec<String>,
}

impl Stage for Squares {
    type Parameters = Numbers;
    type Execution = NoExecution;
    const NAME: &'static str = "squares";
    const PACKAGE: &'static str = "planish-attack";

    fn interface(_: &Numbers) -> Interface {
        Interface::of(&[("*", Kind::ANY, Arity::Any)], &[("out", Kind::ANY)])
    }

    fn run(parameters: &Numbers, _: &NoExecution, context: &Context) -> Result<(), Failure> {
        let members: Vec<&str> = parameters.members.iter().map(String::as_str).collect();
        let memo = context.memo("square", &members);
        let mut text = String::new();
        for number in &parameters.numbers {
            let word = number.to_le_bytes();
            let known = memo.get(&[&word]).and_then(|value| Some(u64::from_le_bytes(value.try_into().ok()?)));
            let square = known.unwrap_or_else(|| {
                context.host.log(&format!("worked out {number}"));
                memo.put(&[&word], (number * number).to_le_bytes().to_vec());
                number * number
            });
            text.push_str(&square.to_string());
            text.push('\n');
        }
        let path = context.output("out").join("squares");
        std::fs::write(&path, text).map_err(|e| Failure::io(&path, e))
    }
}

/// All of them.
pub(crate) struct TestKinds;

impl Kinds for TestKinds {
    fn get(&self, name: &str) -> Option<&'static dyn AnyStage> {
        static WRITE: PhantomData<Write> = PhantomData;
        static MISBEHAVE: PhantomData<Misbehave> = PhantomData;
        static SQUARES: PhantomData<Squares> = PhantomData;
        match name {
            Write::NAME => Some(&WRITE),
            Misbehave::NAME => Some(&MISBEHAVE),
            Squares::NAME => Some(&SQUARES),
            _ => None,
        }
    }

    fn names(&self) -> Vec<&'static str> {
        vec![Write::NAME, Misbehave::NAME, Squares::NAME]
    }
}
