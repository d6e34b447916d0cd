//! `planish attack`: one ONNX model under attack, without a pipeline file.
//!
//! The command line becomes a small pipeline in memory, so results are kept in the store like any others.

mod pipeline;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use planish_contract::Folder;

use crate::exit::Exit;
use crate::run::{self, RunResult, open_artifact};
use crate::show::{self, Screen};

use super::error::CommandError;
use super::hooks::{AttackHook, AttackView, Hooks};
use super::open::{Opened, PipelineArguments, PlaceArguments};
use super::{report, run as run_command};

/// Attack an ONNX image classifier, without a pipeline file
#[derive(Debug, Args)]
pub(super) struct AttackArguments {
    /// The model: one input of images, one output of logits
    model: PathBuf,
    /// A data set's name (cifar10, cifar100, mnist, fashion-mnist), a folder with a sub-folder of PNG or JPEG files for each class, a
    /// .safetensors or .npz file with `images` and `labels`, or a .npy file with images beside `--labels`
    #[arg(long, value_name = "DATA")]
    data: String,
    /// A .npy file with the labels of the images of `--data`
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// What an adversary may do: NORM:EPS, images being in [0,1]
    #[arg(long, value_name = "NORM:EPS")]
    threat: String,
    /// An attack by its name, or with parameters: 'pgd = { steps = 50 }'. Several run one after the other
    #[arg(long, value_name = "ATTACK", default_value = "autoattack")]
    attack: Vec<String>,
    /// Attack so many test images only [default: 1000 of a named data set, all of one's own]
    #[arg(long, value_name = "N")]
    images: Option<usize>,
    /// The seed of all random numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u32,
    /// Write a page about the result to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// End with exit code 6 unless all checks for masked gradients pass
    #[arg(long)]
    strict: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    /// Print the pipeline that this command stands for, and run nothing
    #[arg(long, conflicts_with_all = ["report", "strict", "json", "cpus"])]
    print_pipeline: bool,
    /// How many processors to keep busy [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    cpus: Option<u16>,
    #[command(flatten)]
    places: PlaceArguments,
    #[command(flatten)]
    takes: TakesArguments,
    #[command(flatten)]
    own: OwnArguments,
}

/// What the model takes; checked by its accuracy on clean images before it is attacked.
#[derive(Debug, Args)]
#[command(next_help_heading = "What the model takes")]
struct TakesArguments {
    /// The order of its axes [default: told by its shape]
    #[arg(long)]
    layout: Option<Axes>,
    /// The range of its values, before `--mean` and `--std`
    #[arg(long, default_value = "0-1", allow_hyphen_values = true)]
    range: Range,
    /// The order of colours
    #[arg(long, default_value = "rgb")]
    channels: Colours,
    /// Subtracted from each channel outside the model, in the unit of `--range`: 0.485,0.456,0.406
    #[arg(long, value_name = "X,…", value_delimiter = ',', allow_hyphen_values = true)]
    mean: Vec<f64>,
    /// What each channel is divided by then: 0.229,0.224,0.225
    #[arg(long, value_name = "X,…", value_delimiter = ',')]
    std: Vec<f64>,
    /// Which of its outputs are the logits
    #[arg(long, value_name = "NAME")]
    output: Option<String>,
    /// The share of clean images that it is known to classify correctly, 0 to 1; refuse to attack it when it is not so here
    #[arg(long, value_name = "SHARE")]
    expect_accuracy: Option<f64>,
    /// The SHA-256 that the file must have
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
}

/// How one's own images are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "One's own images")]
struct OwnArguments {
    /// The order of the axes of an array of images [default: told by its shape]
    #[arg(long)]
    data_layout: Option<Axes>,
    /// Bring image files to so many pixels a side: the shorter side resized, then the centre cut out
    #[arg(long, value_name = "PIXELS")]
    size: Option<u32>,
    /// With `--size`: what the shorter side is resized to [default: as small as covers `--size`; most results on ImageNet: --resize 256 --size 224]
    #[arg(long, value_name = "PIXELS", requires = "size")]
    resize: Option<u32>,
    /// All classes of the model in order, where a folder lacks some: cat,dog,ship [default: the names of the sub-folders, sorted]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    classes: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Axes {
    Nchw,
    Nhwc,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Range {
    #[value(name = "0-1")]
    Unit,
    #[value(name = "0-255")]
    Bytes,
    #[value(name = "-1-1")]
    Symmetric,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Colours {
    Rgb,
    Bgr,
}

pub(super) fn attack(arguments: &AttackArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let hook = hook(hooks)?;
    let text = pipeline::text(arguments)?;
    if arguments.print_pipeline {
        screen.answer(&text);
        return Ok(Exit::Success);
    }
    let name = PathBuf::from(format!("attack-{}.toml", model_name(arguments)));
    let pipeline = PipelineArguments::in_memory(name, text, &arguments.places);
    let mut opened = pipeline.open(&[], hooks.kinds)?;
    let result = run_command::make(&pipeline, &mut opened, arguments.cpus, screen, hooks)?;
    let exit = run::exit(&result);
    if exit != Exit::Success {
        return Ok(exit);
    }
    let view = view(&opened, &result, hook, arguments)?;
    if arguments.json {
        screen.answer(&show::json_answer("attack", &view.json));
    } else {
        screen.answer(&view.text);
    }
    if let Some(path) = &arguments.report {
        opened.store.write_atomic(path, view.page.as_bytes())?;
        screen.say(&format!("report: {}", show::path(path)));
    }
    Ok(if arguments.strict && !view.vouched_for { Exit::Masked } else { Exit::Success })
}

/// What the stages contribute to this command.
pub(super) fn hook(hooks: &Hooks<'_>) -> Result<AttackHook, CommandError> {
    let without = || CommandError::usage("this planish was built without machine learning", "build it with its default features");
    hooks.attack.ok_or_else(without)
}

/// The model's file name, as people call it.
fn model_name(arguments: &AttackArguments) -> String {
    arguments.model.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn view(opened: &Opened, result: &RunResult, hook: AttackHook, arguments: &AttackArguments) -> Result<AttackView, CommandError> {
    let artifact = |stage: &str, output: &str| -> Result<Option<Folder>, CommandError> {
        let mut found = opened.plan.instances.iter().zip(&result.outcomes).filter(|(instance, _)| instance.stage == stage);
        let Some((instance, Some(outputs))) = found.next().map(|(instance, outcome)| (instance, outcome.outputs())) else {
            return Ok(None);
        };
        Ok(outputs.get(output).map(|digest| open_artifact(&opened.store, &instance.id, digest)).transpose()?)
    };
    let Some(evidence) = artifact(pipeline::ATTACK, "evidence")? else {
        return Err(CommandError::usage("the result is gone from the store", "run the command again"));
    };
    let check = artifact(pipeline::MODEL, "check")?;
    let provenance = report::provenance_after(opened, result)?;
    Ok((hook.view)(&model_name(arguments), &evidence, check.as_ref(), &provenance)?)
}
