//! Running the program of a `command` stage in a private folder.
//!
//! ```text
//! sandbox/inputs/NAME/…          read-only copies: the program can't reach the store
//!         inputs/NAME/0000/…     the artifacts of a gathered input, listed in inputs/NAME/gathered.json
//!         files/NAME/…           read-only copies
//!         work/ home/ tmp/       the working directory, $HOME and $TMPDIR
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use planish_contract::{Context, Failure, Folder, Gathered, Input};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::json;

use crate::command::{self, CommandParameters};
use crate::plan::Instance;

/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);
/// Longest pause between two looks at a running program.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// A program to run as a stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program<'a> {
    /// The program and its arguments, with placeholders.
    pub command: &'a [String],
    /// The environment that the pipeline declares.
    pub environment: &'a BTreeMap<String, String>,
    /// The `files.NAME` that stand for exactly one file: their placeholder is that file.
    pub single_files: &'a BTreeSet<String>,
    /// A private, empty folder.
    pub sandbox: &'a Path,
    /// The file that takes what the program prints.
    pub log: &'a Path,
}

/// Runs `program` to its end.
///
/// # Errors
/// [`Failure::Input`] when it can't be started, exits with another code than 0, or is killed;
/// [`Failure::Stopped`] when the run is asked to stop; [`Failure::Io`] when a file can't be copied.
pub(super) fn run(program: Program<'_>, context: &Context<'_>) -> Result<(), Failure> {
    let places = Places::lay_out(program, context)?;
    let mut arguments = program.command.iter().map(|argument| places.fill(argument));
    let name = arguments.next().ok_or_else(|| Failure::input("the command is empty"))??;
    let rest = arguments.collect::<Result<Vec<_>, _>>()?;
    let log = File::options().create(true).append(true).open(program.log).map_err(|e| Failure::io(program.log, e))?;
    let mut command = Command::new(&name);
    command
        .args(rest)
        .env_clear()
        .envs(minimal_environment(program.sandbox, context.threads))
        .current_dir(program.sandbox.join("work"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(|e| Failure::io(program.log, e))?)
        .stderr(log);
    for (key, value) in program.environment {
        command.env(key, places.fill(value)?);
    }
    let child = command.spawn().map_err(|e| not_started(&name, &e))?;
    let status = wait(child, context)?;
    judge(&name, status)
}

fn not_started(name: &OsString, error: &std::io::Error) -> Failure {
    let name = name.to_string_lossy();
    let hint = "give its full path, install it, or name a script under `files` and use `{files.NAME}`";
    Failure::input_hint(format!("can't start `{name}`: {error}"), hint)
}

fn judge(name: &OsString, status: ExitStatus) -> Result<(), Failure> {
    let name = name.to_string_lossy();
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(Failure::input(format!("`{name}` ended with exit code {code}"))),
        (None, signal) => Err(Failure::input(format!("`{name}` was killed by {}", signal_name(signal)))),
    }
}

/// The name of a signal, such as `SIGKILL`.
pub(crate) fn signal_name(signal: Option<i32>) -> String {
    match signal {
        Some(number) => signal_hook::low_level::signal_name(number).map_or_else(|| format!("signal {number}"), str::to_owned),
        None => "an unknown signal".to_owned(),
    }
}

/// What a program gets beside the environment that the pipeline declares.
fn minimal_environment(sandbox: &Path, threads: usize) -> Vec<(&'static str, OsString)> {
    let mut variables = vec![
        ("HOME", sandbox.join("home").into_os_string()),
        ("TMPDIR", sandbox.join("tmp").into_os_string()),
        ("LANG", "C.UTF-8".into()),
        ("OMP_NUM_THREADS", threads.to_string().into()),
    ];
    variables.extend(std::env::var_os("PATH").map(|path| ("PATH", path)));
    variables.extend(std::env::var_os("CUDA_VISIBLE_DEVICES").map(|gpus| ("CUDA_VISIBLE_DEVICES", gpus)));
    variables
}

/// Waits for the program; when the run is asked to stop, asks the program to end, then ends it.
fn wait(mut child: Child, context: &Context<'_>) -> Result<ExitStatus, Failure> {
    let mut pause = Duration::from_millis(1);
    let mut asked: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait().map_err(|e| Failure::internal(format!("waiting for the program: {e}")))? {
            return if asked.is_some() { Err(Failure::Stopped) } else { Ok(status) };
        }
        match asked {
            None if context.host.stopped() => {
                ask_to_end(&child);
                asked = Some(Instant::now());
            }
            Some(at) if at.elapsed() > GRACE => {
                // Fails only when it has ended meanwhile.
                drop(child.kill());
            }
            _ => {}
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Not collected yet, so its number still is its own.
fn ask_to_end(child: &Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Where everything lies that a placeholder can name: `inputs.NAME` → path.
struct Places(BTreeMap<String, PathBuf>);

impl Places {
    fn lay_out(program: Program<'_>, context: &Context<'_>) -> Result<Self, Failure> {
        for folder in ["work", "home", "tmp"] {
            create_folder(&program.sandbox.join(folder))?;
        }
        let mut places = BTreeMap::new();
        for (name, input) in &context.inputs {
            let folder = program.sandbox.join("inputs").join(name);
            match input {
                Input::One(artifact) => copy_folder(artifact, &folder)?,
                Input::Gather(list) => copy_gathered(list, &folder)?,
            }
            places.insert(format!("inputs.{name}"), folder);
        }
        for (name, files) in &context.files {
            let folder = program.sandbox.join("files").join(name);
            copy_folder(files, &folder)?;
            let only = files.files().next().filter(|_| program.single_files.contains(name));
            places.insert(format!("files.{name}"), only.map_or_else(|| folder.clone(), |(file, _)| folder.join(file)));
        }
        for entry in fs::read_dir(&context.outputs).map_err(|e| Failure::io(&context.outputs, e))? {
            let entry = entry.map_err(|e| Failure::io(&context.outputs, e))?;
            places.insert(format!("outputs.{}", entry.file_name().to_string_lossy()), entry.path());
        }
        Ok(Places(places))
    }

    /// `text` with its placeholders replaced; other braces stay as they are.
    fn fill(&self, text: &str) -> Result<OsString, Failure> {
        let mut filled = OsString::new();
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => filled.push(text),
                Piece::Placeholder(name) => match self.0.get(name) {
                    Some(place) => filled.push(place),
                    None => return Err(Failure::input(unknown(name, self.0.keys().map(String::as_str)))),
                },
            }
        }
        Ok(filled)
    }
}

/// The first placeholder of a `command` stage that names nothing the instance has, as a message.
#[must_use]
pub fn unknown_placeholder(instance: &Instance) -> Option<String> {
    let parameters = CommandParameters::deserialize(&instance.parameters).ok().filter(|_| instance.kind == command::NAME)?;
    let mut known: Vec<String> = instance.inputs.iter().map(|input| format!("inputs.{}", input.name)).collect();
    known.extend(instance.files.iter().map(|file| format!("files.{}", file.name)));
    known.extend(instance.interface.outputs.iter().map(|output| format!("outputs.{}", output.name)));
    let texts = parameters.command.iter().chain(parameters.environment.values());
    texts.flat_map(|text| pieces(text)).find_map(|piece| match piece {
        Piece::Placeholder(name) if !known.iter().any(|known| known == name) => Some(unknown(name, known.iter().map(String::as_str))),
        _ => None,
    })
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<String> = known.map(|name| format!("{{{name}}}")).collect();
    format!("the command names `{{{name}}}`, but the stage has only {}", known.join(", "))
}

/// A part of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('{') {
        pieces.push(Piece::Text(before));
        if let Some((name, after)) = tail.split_once('}').filter(|(name, _)| is_placeholder(name)) {
            pieces.push(Piece::Placeholder(name));
            rest = after;
        } else {
            pieces.push(Piece::Text("{"));
            rest = tail;
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

fn is_placeholder(name: &str) -> bool {
    ["inputs.", "files.", "outputs."].iter().any(|group| name.starts_with(group))
}

fn copy_gathered(list: &[Gathered], folder: &Path) -> Result<(), Failure> {
    create_folder(folder)?;
    let mut index = Vec::new();
    for (position, gathered) in list.iter().enumerate() {
        let name = format!("{position:04}");
        if let Some(artifact) = &gathered.folder {
            copy_folder(artifact, &folder.join(&name))?;
        }
        let place = gathered.folder.is_some().then_some(name);
        index.push(json!({ "folder": place, "coordinates": gathered.coordinates }));
    }
    let path = folder.join("gathered.json");
    let text = serde_json::to_string_pretty(&index).map_err(|e| Failure::internal(e.to_string()))?;
    fs::write(&path, text + "\n").map_err(|e| Failure::io(&path, e))
}

fn copy_folder(artifact: &Folder, to: &Path) -> Result<(), Failure> {
    create_folder(to)?;
    for (name, from) in artifact.files() {
        let relative = Path::new(name);
        if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(Failure::input(format!("the file name `{name}` leads out of its folder")));
        }
        let target = to.join(relative);
        if let Some(parent) = target.parent() {
            create_folder(parent)?;
        }
        fs::copy(from, &target).map_err(|e| Failure::io(from, e))?;
        make_read_only(&target)?;
    }
    Ok(())
}

fn make_read_only(path: &Path) -> Result<(), Failure> {
    let mode = fs::metadata(path).map_err(|e| Failure::io(path, e))?.permissions().mode();
    let permissions = fs::Permissions::from_mode(mode & 0o555 | 0o400);
    fs::set_permissions(path, permissions).map_err(|e| Failure::io(path, e))
}

fn create_folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|e| Failure::io(path, e))
}
