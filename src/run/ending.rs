//! How instances and runs end, in words and codes.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use planish_cache::Key;

use crate::exit::Exit;

use super::dispatcher::RunResult;
use super::event::{Failed, FailureClass};
use super::program::signal_name;
use super::record::{InstanceRecord, State};
use super::slot::Outcome;

/// The number of the signal that the system sends when memory runs out, and nobody can catch.
const SIGKILL: i32 = signal_hook::consts::SIGKILL;
/// The signal with which a program ends itself, as when it gets no memory.
const SIGABRT: i32 = signal_hook::consts::SIGABRT;

/// What it means that a worker is gone and told nothing of a result.
pub(super) fn of_status(status: ExitStatus) -> Failed {
    let Some(signal) = status.signal() else {
        let code = status.code().map_or_else(|| "an unknown code".to_owned(), |code| code.to_string());
        return Failed::stage(format!("the worker ended with exit code {code} and no result")).hint("its log may say why").transient();
    };
    let failed = Failed::stage(format!("the worker was killed by {}", signal_name(Some(signal)))).transient();
    match signal {
        SIGKILL => failed.hint(
            "if nobody did this, the machine ran out of memory: declare the stage's `memory`, or run fewer side by side with `--cpus`",
        ),
        SIGABRT => failed
            .hint("its log says why; after `memory allocation … failed` the stage needs more than it may have: a smaller `batch_size`"),
        _ => failed.hint("its log may say why"),
    }
}

/// What to do about a panic that is no mistake: `cubecl`, on which other devices than the processor are reached, panics when the device has no memory left.
pub(super) fn hint_of_panic(message: &str) -> Option<&'static str> {
    let full = ["out of device memory", "out-of-memory", "can't allocate buffer of size"].iter().any(|words| message.contains(words));
    full.then_some("the device has too little memory: a smaller `batch_size`, or `accumulate` = 2, 4, … to work on a batch in parts")
}

/// The exit code of a run.
#[must_use]
pub fn exit(result: &RunResult) -> Exit {
    if result.interrupted {
        return Exit::Interrupted;
    }
    let mut exit = Exit::Success;
    for outcome in &result.outcomes {
        match outcome {
            Outcome::Failed { failed, .. } => match failed.class {
                FailureClass::Store => return Exit::Store,
                FailureClass::Internal => exit = Exit::Internal,
                FailureClass::Stage | FailureClass::Stopped if exit == Exit::Success => exit = Exit::StageFailed,
                FailureClass::Stage | FailureClass::Stopped => {}
            },
            Outcome::Blocked { .. } | Outcome::Stopped | Outcome::NotStarted if exit == Exit::Success => exit = Exit::StageFailed,
            _ => {}
        }
    }
    exit
}

/// Writes into the record how an instance ended.
pub(super) fn note(record: &mut InstanceRecord, outcome: &Outcome, key: Option<Key>) {
    record.key = key.or(record.key);
    record.state = match outcome {
        Outcome::Hit { .. } => State::Hit,
        Outcome::Done { finished, .. } => {
            record.seconds = Some(finished.seconds);
            record.message.clone_from(&finished.note);
            State::Done
        }
        Outcome::Failed { failed, .. } => {
            record.message = Some(failed.message.clone());
            State::Failed
        }
        Outcome::Blocked { .. } => State::Blocked,
        Outcome::Stopped => State::Stopped,
        Outcome::NotStarted => State::Pending,
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::run::reason::Reason;

    fn result(outcomes: Vec<Outcome>, interrupted: bool) -> RunResult {
        RunResult { run: String::new(), outcomes, keys: Vec::new(), files: BTreeMap::new(), seconds: 0.0, interrupted }
    }

    fn failure(failed: Failed) -> Outcome {
        Outcome::Failed { failed, reason: Reason::First }
    }

    #[test]
    fn a_full_device_is_no_mistake_in_the_code() {
        // As cubecl 0.11 words it.
        for message in [
            "out of device memory allocating 512 bytes",
            "An out-of-memory error happened during launch",
            "can't allocate buffer of size: 9",
        ] {
            assert!(hint_of_panic(message).is_some_and(|hint| hint.contains("accumulate")), "{message}");
        }
        assert_eq!(hint_of_panic("index out of bounds"), None);
    }

    #[test]
    fn the_worst_failure_gives_the_code() {
        let hit = || Outcome::Hit { outputs: BTreeMap::new() };
        let store = Failed { class: FailureClass::Store, ..Failed::stage("") };
        assert_eq!(exit(&result(vec![hit()], false)), Exit::Success);
        assert_eq!(exit(&result(vec![failure(Failed::stage("x")), hit()], false)), Exit::StageFailed);
        assert_eq!(exit(&result(vec![failure(Failed::stage("x")), failure(store)], false)), Exit::Store);
        assert_eq!(exit(&result(vec![failure(Failed::internal("x")), failure(Failed::stage("x"))], false)), Exit::Internal);
        assert_eq!(exit(&result(vec![failure(Failed::stage("x"))], true)), Exit::Interrupted);
        assert_eq!(exit(&result(vec![Outcome::Blocked { by: vec![0] }], false)), Exit::StageFailed);
    }

    #[test]
    fn a_killed_worker_is_explained() {
        let failed = of_status(ExitStatus::from_raw(SIGKILL));
        assert_eq!(failed.message, "the worker was killed by SIGKILL");
        assert!(failed.hint.is_some_and(|hint| hint.contains("memory")));
        let failed = of_status(ExitStatus::from_raw(6));
        assert_eq!(failed.message, "the worker was killed by SIGABRT");
    }
}
