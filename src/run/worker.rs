//! The process that runs one instance: `planish worker`, started by an engine.
//!
//! It reads its job from the first line of standard input. After that, a line `stop` asks it to end in
//! order; the end of input means that the engine is gone, and ends it at once.

use std::backtrace::Backtrace;
use std::io::BufRead;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use planish_contract::Host;
use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group};

use crate::exit::Exit;
use crate::spec::Kinds;

use super::event::{Event, Failed};
use super::host::WorkerHost;
use super::job::Job;
use super::perform::perform;

/// Runs one job from standard input to its end.
///
/// The exit code says only whether the worker itself worked; how the job ended is its last event.
pub fn work(kinds: &dyn Kinds) -> Exit {
    let stop = Arc::new(AtomicBool::new(false));
    let host = Arc::new(WorkerHost::new(Arc::clone(&stop), Box::new(std::io::stdout()), Box::new(std::io::stderr())));
    let mut line = String::new();
    let job = match std::io::stdin().lock().read_line(&mut line) {
        Ok(_) => serde_json::from_str::<Job>(&line).map_err(|e| e.to_string()),
        Err(e) => Err(e.to_string()),
    };
    let job = match job {
        Ok(job) => job,
        Err(reason) => {
            let message = format!("the worker can't read its job: {reason}");
            host.tell(&Event::Failed(Failed::internal(message).hint("`planish worker` is started by `planish run`, not by hand")));
            return Exit::Internal;
        }
    };
    log_panics(&host);
    // Without them the worker still runs, it only dies of the signal or outlives its engine by one stage.
    drop(signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&stop)));
    drop(std::thread::Builder::new().name("engine watch".to_owned()).spawn(move || watch(&stop)));
    match perform(&job, kinds, &host) {
        Ok(finished) => host.tell(&Event::Finished(finished)),
        Err(failed) => {
            host.log(&format!("planish: {}", failed.message));
            host.tell(&Event::Failed(failed));
        }
    }
    Exit::Success
}

/// Panics go to the log, with the place and the way there.
fn log_panics(host: &Arc<WorkerHost>) {
    let host = Arc::clone(host);
    std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        host.log(&format!("{info}\n{}", Backtrace::force_capture()));
    }));
}

/// Listens to the engine until it is gone.
fn watch(stop: &AtomicBool) {
    for line in std::io::stdin().lock().lines() {
        match line {
            Ok(line) if line == "stop" => stop.store(true, Ordering::Relaxed),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    end_at_once();
}

/// Ends this process and everything that it started.
#[expect(clippy::exit, reason = "the engine is gone: nobody is left to report to, and locks must be freed")]
fn end_at_once() {
    if getpgrp() == getpid() {
        let _ = kill_current_process_group(Signal::KILL);
    }
    std::process::exit(i32::from(Exit::Interrupted.code()));
}
