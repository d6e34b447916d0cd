//! A folder with a pipeline, and the executable to run there.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

/// A folder with a pipeline.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Bench {
    /// A folder with this pipeline; `@` in it stands for the folder.
    pub(crate) fn new(pipeline: &str) -> Self {
        let bench = Bench { folder: tempfile::tempdir().unwrap() };
        bench.pipeline(pipeline);
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn pipeline(&self, text: &str) {
        self.write("pipeline.toml", &text.replace('@', self.folder.path().to_str().unwrap()));
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_planish"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn planish(&self, arguments: &[&str]) -> Said {
        Said::of(&self.command(arguments).output().unwrap())
    }

    /// Runs a command that succeeds.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Said {
        let said = self.planish(arguments);
        assert_eq!(said.code, 0, "planish {arguments:?}\n{}{}", said.out, said.err);
        said
    }

    /// Starts a command.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// The JSON answer to a command that succeeds.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let said = self.ok(arguments);
        let answer: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(answer["schema"], 1);
        assert_eq!(answer["command"], arguments[0]);
        answer["instances"].clone()
    }

    /// How `planish status` says that each instance stands, in the order of the plan.
    pub(crate) fn standings(&self) -> Vec<String> {
        let list = self.json(&["status", "--json"]);
        list.as_array().unwrap().iter().map(|i| i["state"].as_str().unwrap().to_owned()).collect()
    }

    /// The file that an instance made, copied out of the store.
    pub(crate) fn result(&self, instance: &str, file: &str) -> String {
        let target = tempfile::tempdir().unwrap();
        self.ok(&["show", instance, "--restore", target.path().join("out").to_str().unwrap()]);
        std::fs::read_to_string(target.path().join("out").join(file)).unwrap()
    }

    /// Waits until a file is there and not empty.
    pub(crate) fn wait_for(&self, name: &str) -> String {
        wait_until(name, || !self.read(name).is_empty());
        self.read(name)
    }
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Requires an exit code and words on standard error.
    #[track_caller]
    pub(crate) fn complains(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "no `{word}` in\n{}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    /// Requires a line about the whole run that says how many were in the store and how many ran.
    #[track_caller]
    pub(crate) fn counts(&self, hits: usize, ran: usize) {
        let words = format!("{hits} in the store, {ran} ran");
        assert!(self.out.contains(&words), "no `{words}` in\n{}{}", self.out, self.err);
    }
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "gave up waiting for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a signal, such as `KILL`.
pub(crate) fn signal(process: u32, name: &str) {
    let done = Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status().unwrap();
    assert!(done.success());
}

/// Whether a process is there and not a zombie.
pub(crate) fn is_alive(process: &str) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(process.trim()).join("stat")).unwrap_or_default();
    // The state follows the name, which is in parentheses.
    status.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// A stage that runs a shell script: `$in` and `$out` are written as placeholders by the caller.
pub(crate) fn shell(name: &str, script: &str, more: &str) -> String {
    format!("[stages.{name}]\nrun = \"command\"\nparams.outputs = [\"out\"]\nparams.command = [\"sh\", \"-c\", '''{script}''']\n{more}\n")
}
