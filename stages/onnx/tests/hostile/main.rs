//! The corpus of hostile and odd model files: each is made by a function here, tried as planish tries the model of a
//! stranger (in a process of its own, under limits), and ends in a clear refusal or in a documented acceptance.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::cast_possible_wrap,
    clippy::match_same_arms,
    reason = "a test: it may panic, and shows its cases where asked"
)]

mod build;
mod case;
mod cases;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use planish_contract::Failure;
use planish_onnx::probe::{self, Limits, Report};

use case::{Case, Expected};

/// The limits for honest sizes: an address space of 3 GiB holds the program, ONNX Runtime and its pools, with room to spare.
const LIMITS: Limits = Limits { memory: 3 << 30, seconds: 20 };

/// The process that tries a model, started by the table below.
#[test]
#[ignore = "answers to the test `every_file_is_refused_or_accepted_as_documented`, which starts it"]
fn probe_process() {
    assert!(probe::serve());
}

#[test]
fn every_file_is_refused_or_accepted_as_documented() {
    probe::answer_to(&["--ignored", "--exact", "probe_process", "--nocapture"]);
    let mut cases = cases::all();
    // For a look at one case.
    if let Some(name) = std::env::var_os("PLANISH_HOSTILE_CASE") {
        cases.retain(|case| *case.name == *name);
        if let Ok(copy) = std::env::var("PLANISH_HOSTILE_COPY") {
            (cases[0].write)(std::path::Path::new(&copy));
        }
    }
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(what) = try_case(case) {
                        wrong.lock().unwrap().push(format!("{}: {what}", case.name));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn try_case(case: &Case) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    (case.write)(&path);
    let limits = case.limits.unwrap_or(LIMITS);
    let outcome = probe::first_run(&path, None, limits);
    if std::env::var_os("PLANISH_SHOW_HOSTILE").is_some() {
        eprintln!("{}: {}", case.name, shown(&outcome).replace(&path.display().to_string(), "FILE"));
    }
    judge(case, &outcome)
}

fn shown(outcome: &Result<Report, Failure>) -> String {
    match outcome {
        Ok(report) => format!("accepted: {report:?}"),
        Err(failure) => format!("refused: {failure} [{}]", failure.hint().unwrap_or("no hint")),
    }
}

fn judge(case: &Case, outcome: &Result<Report, Failure>) -> Result<(), String> {
    let unexpected = || Err(shown(outcome));
    match (&case.expected, outcome) {
        // Whatever the file says, the process that read it ended in order.
        (Expected::Either, Ok(_)) | (Expected::Accepted, Ok(Report { repeatable: true, .. })) => Ok(()),
        (Expected::AcceptedAsRandom, Ok(Report { repeatable: false, .. })) => Ok(()),
        (Expected::Either, Err(Failure::Input { message, .. })) if message.contains("model.onnx: ") && !message.contains("ended with") => {
            Ok(())
        }
        (Expected::Refused(words), Err(Failure::Input { message, .. })) => {
            let missing = words.iter().find(|word| !message.contains(**word));
            let readable = message.contains("model.onnx: ") && message.len() < 1000 && !message.contains(|c: char| c.is_control());
            if missing.is_none() && readable { Ok(()) } else { unexpected() }
        }
        _ => unexpected(),
    }
}
