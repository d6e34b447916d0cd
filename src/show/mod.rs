//! What people and programs see: text, progress, JSON. The only place that prints.

mod artifact;
mod explain;
mod graph;
mod health;
mod inventory;
mod json;
mod kept;
mod lines;
mod listing;
mod live;
mod progress;
mod ran;
mod record;
mod store;
mod summary;
mod time;
pub(crate) mod words;

use std::io::{IsTerminal, Write};
use std::path::Path;

use crate::cli::CommandError;

pub use artifact::{ArtifactView, FileView, ResultView, artifact};
pub use explain::explanations;
pub use graph::{GraphFormat, GraphView, Node, graph};
pub use health::{DoctorView, Finding, Health, doctor};
pub use inventory::{InstanceView, OutputView, StoredView, artifacts, instances};
pub use json::{Schema, VERSION, answer_schema, flat_schema, json, json_answer, json_line, pretty};
pub use kept::{KeptView, RootView, roots};
pub use lines::LineObserver;
pub use listing::{PlanView, StatusView, plan, status};
pub use live::{Known, LatestView, LiveView, PresentView};
pub use progress::ProgressObserver;
pub use ran::{InitView, PageView, ReportView, RunView};
pub use record::{AdoptionsView, LogView};
pub use store::{CollectionView, VerificationView, VerifyBar};
pub use summary::{Summary, adopted, counts, remarks, settled_counts};
pub use time::{TimeView, throughput};
pub(crate) use words::count;
pub use words::{adoption, size};

/// How wide a message may be when no terminal says.
const DEFAULT_WIDTH: usize = 100;

/// Standard output for answers, standard error for everything said on the way.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    quiet: bool,
}

impl Screen {
    /// A screen; a quiet one shows answers and errors only.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        Screen { quiet }
    }

    /// Whether only answers and errors are shown.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether what is said on the way goes to a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// Shows an answer, as it is. A reader that has gone away (`| head`) is no error.
    pub fn answer(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }

    /// Shows bytes of a file as they are.
    pub fn bytes(&self, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        drop(out.write_all(bytes).and_then(|()| out.flush()));
    }

    /// Says something on the way, a line or more.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            line(text);
        }
    }

    /// Says what went wrong in a run, even on a quiet screen.
    pub fn complain(&self, text: &str) {
        if !text.is_empty() {
            line(text.trim_end());
        }
    }

    /// Says what went wrong, and what to do about it.
    pub fn error(&self, error: &CommandError) {
        line(&explain(error, !self.is_terminal() || std::env::var_os("NO_COLOR").is_some()));
    }

    /// Shows what the command line's reader says: help, or what it can't read.
    pub fn command_line(&self, error: &clap::Error) {
        drop(error.print());
    }
}

/// What went wrong, and what to do about it, as plain text.
#[must_use]
pub fn problem(error: &CommandError) -> String {
    explain(error, true)
}

fn explain(error: &CommandError, plain: bool) -> String {
    if let CommandError::Pipeline(errors) = error {
        return errors.render(plain, DEFAULT_WIDTH).trim_end().to_owned();
    }
    let hint = error.hint().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
    format!("error: {error}{hint}")
}

/// A standard error that is gone leaves nobody to tell.
fn line(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// A path as short as it can be said: relative to the working directory, if below it.
#[must_use]
pub fn path(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let short = here.as_deref().and_then(|here| path.strip_prefix(here).ok()).filter(|short| !short.as_os_str().is_empty());
    let short = short.unwrap_or(path);
    short.strip_prefix(".").unwrap_or(short).display().to_string()
}
