//! Running the program of a `command` stage in a private folder.
//!
//! ```text
//! sandbox/inputs/NAME/…          read-only copies: the program can't reach the store
//!         inputs/NAME/0000/…     the artifacts of a gathered input, listed in inputs/NAME/gathered.json
//!         files/NAME/…           read-only copies
//!         work/ home/ tmp/       the working directory, $HOME and $TMPDIR
//! ```

mod leftovers;
mod placeholder;
mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use planish_contract::{Context, Failure};
use rustix::process::{Pid, Signal, kill_process};

use super::event::Failed;
pub use placeholder::unknown_placeholder;
use places::Places;

/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);
/// Shortest and longest pause between two looks at a running program; in between, a part of the time that it has run.
const PAUSES: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(50));
const PAUSE_PART: u32 = 8;

/// A program to run as a stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program<'a> {
    /// The program and its arguments, with placeholders.
    pub command: &'a [String],
    /// The environment that the pipeline declares.
    pub environment: &'a BTreeMap<String, String>,
    /// The `files.NAME` that stand for exactly one file: their placeholder is that file.
    pub single_files: &'a BTreeSet<String>,
    /// The outputs that the pipeline declares.
    pub outputs: &'a [String],
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
pub(super) fn run(program: Program<'_>, context: &Context<'_>) -> Result<(), Failed> {
    let places = Places::lay_out(program, context)?;
    let mut arguments = program.command.iter().map(|argument| places.fill(argument));
    let name = arguments.next().ok_or_else(|| Failure::input("the command is empty"))??;
    let rest = arguments.collect::<Result<Vec<_>, _>>()?;
    let mut log = File::options().create(true).append(true).open(program.log).map_err(|e| Failure::io(program.log, e))?;
    let work = program.sandbox.join("work");
    let path = program.environment.get("PATH").map_or_else(|| std::env::var_os("PATH"), |path| Some(path.into()));
    let mut command = Command::new(locate(&name, path.as_deref(), &work));
    command
        .arg0(&name)
        .args(rest)
        .env_clear()
        .envs(minimal_environment(program.sandbox, context.threads))
        .current_dir(&work)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(|e| Failure::io(program.log, e))?)
        .stderr(log.try_clone().map_err(|e| Failure::io(program.log, e))?);
    for (key, value) in program.environment {
        command.env(key, places.fill(value)?);
    }
    let child = command.spawn().map_err(|e| not_started(&name, &e))?;
    let status = wait(child, context)?;
    judge(&name, status)?;
    if let Some(note) = leftovers::note(program, context, program.outputs) {
        // A log that can't be written must not cost the result.
        drop(writeln!(log, "{note}"));
    }
    Ok(places.check_copies(program)?)
}

/// Where the program `name` is: found here, and not in the new process, because a process whose program is known can be started without
/// copying this one. A name that is not found stays, and the system says so.
fn locate(name: &OsStr, path: Option<&OsStr>, work: &Path) -> PathBuf {
    let is_program = |file: &PathBuf| fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    let is_path = name.as_encoded_bytes().contains(&b'/');
    let mut places = path.into_iter().flat_map(std::env::split_paths).filter(|_| !is_path).map(|folder| work.join(folder).join(name));
    places.find(is_program).unwrap_or_else(|| PathBuf::from(name))
}

fn not_started(name: &OsString, error: &std::io::Error) -> Failure {
    let name = name.to_string_lossy();
    let hint = "give its full path, install it, or name a script under `files` and use `{files.NAME}`";
    Failure::input_hint(format!("can't start `{name}`: {error}"), hint)
}

fn judge(name: &OsString, status: ExitStatus) -> Result<(), Failed> {
    let name = name.to_string_lossy();
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(Failed::stage(format!("`{name}` ended with exit code {code}")).transient()),
        (None, signal) => Err(Failed::stage(format!("`{name}` was killed by {}", signal_name(signal))).transient()),
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
        ("RAYON_NUM_THREADS", threads.to_string().into()),
    ];
    variables.extend(std::env::var_os("PATH").map(|path| ("PATH", path)));
    variables.extend(std::env::var_os("CUDA_VISIBLE_DEVICES").map(|gpus| ("CUDA_VISIBLE_DEVICES", gpus)));
    variables
}

/// Waits for the program; when the run is asked to stop, asks the program to end, then ends it.
fn wait(mut child: Child, context: &Context<'_>) -> Result<ExitStatus, Failure> {
    let begun = Instant::now();
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
        std::thread::sleep((begun.elapsed() / PAUSE_PART).clamp(PAUSES.0, PAUSES.1));
    }
}

/// Not collected yet, so its number still is its own.
fn ask_to_end(child: &Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
}
