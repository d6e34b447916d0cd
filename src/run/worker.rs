//! The process that runs instances: `planish worker`, started by an engine.
//!
//! Each line of standard input is a job, or `stop`, which asks the current one to end in order; the end of input means that the engine is
//! gone or needs this worker no more. A stage has a worker of its own. Programs share one, one after the other,
//! as long as they leave no process behind.

use std::backtrace::Backtrace;
use std::fs::File;
use std::io::{BufRead, Write};
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use planish_cache::{Scratch, Store};
use planish_contract::Host;
use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group};

use crate::exit::Exit;
use crate::spec::Kinds;

use super::event::{Event, Failed, Finished};
use super::host::WorkerHost;
use super::job::Job;
use super::orphans;
use super::perform::{Place, check_build, perform_in};

/// What the thread that listens to the engine shares with the one that works.
#[derive(Clone, Default)]
struct State {
    /// The current job is to end in order.
    stop: Arc<AtomicBool>,
    /// There is a current job.
    busy: Arc<AtomicBool>,
}

/// Runs jobs from standard input, to its end.
///
/// The exit code says only whether the worker itself worked; how a job ended is told in events.
pub fn work(kinds: &dyn Kinds) -> Exit {
    let state = State::default();
    // Without it the worker still runs, it only dies of the signal.
    drop(signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&state.stop)));
    let (sender, lines) = mpsc::channel();
    let listener = state.clone();
    let watch = std::thread::Builder::new().name("engine watch".to_owned()).spawn(move || listener.watch(&sender));
    if let Err(e) = watch {
        return refuse(&state, &e.to_string());
    }
    let mut first = true;
    let mut kept = Kept::default();
    while let Some(job) = next(&lines) {
        let job = match job {
            Ok(job) => job,
            Err(reason) => return refuse(&state, &reason),
        };
        first = false;
        if !state.serve(&job, kinds, &mut kept) {
            break;
        }
    }
    if first { refuse(&state, "there is none") } else { Exit::Success }
}

fn next(lines: &Receiver<String>) -> Option<Result<Job, String>> {
    lines.recv().ok().map(|line| serde_json::from_str(&line).map_err(|e| e.to_string()))
}

fn refuse(state: &State, reason: &str) -> Exit {
    let host = WorkerHost::new(Arc::clone(&state.stop), Box::new(std::io::stdout()), Box::new(std::io::stderr()));
    let message = format!("the worker can't read its job: {reason}");
    host.tell(&Event::Failed(Failed::internal(message).hint("`planish worker` is started by `planish run`, not by hand")));
    Exit::Internal
}

impl State {
    /// Does a job, and tells how it ended; whether another may follow.
    fn serve(&self, job: &Job, kinds: &dyn Kinds, kept: &mut Kept) -> bool {
        let shared = job.may_share_worker();
        // The standard error stream of a shared worker is nobody's log.
        let own_log = File::options().create(true).append(true).open(&job.log).ok().filter(|_| shared);
        let log: Box<dyn Write + Send> = match own_log {
            Some(file) => Box::new(file),
            None => Box::new(std::io::stderr()),
        };
        let host = Arc::new(WorkerHost::new(Arc::clone(&self.stop), Box::new(std::io::stdout()), log));
        log_panics(&host);
        if shared {
            orphans::watch();
        }
        let outcome = obey(job, kinds, &host, kept);
        let clean = shared && !orphans::any();
        // From here on the end of input is no reason to die: the result is in the store.
        self.busy.store(false, Ordering::SeqCst);
        match outcome {
            Ok(finished) => host.tell(&Event::Finished(finished)),
            Err(failed) => {
                host.log(&format!("planish: {}", failed.message));
                host.tell(&Event::Failed(failed));
            }
        }
        if clean {
            host.tell(&Event::Idle);
        }
        clean
    }

    /// Listens to the engine until it is gone.
    fn watch(&self, jobs: &Sender<String>) {
        for line in std::io::stdin().lock().lines() {
            match line {
                Ok(line) if line == "stop" => self.stop.store(true, Ordering::SeqCst),
                Ok(line) => {
                    self.stop.store(false, Ordering::SeqCst);
                    self.busy.store(true, Ordering::SeqCst);
                    drop(jobs.send(line));
                }
                Err(_) => break,
            }
        }
        if self.busy.load(Ordering::SeqCst) {
            end_at_once();
        }
    }
}

/// What a worker keeps from one job to the next. The folder goes first, then the store that it is in.
#[derive(Default)]
struct Kept {
    scratch: Option<Scratch>,
    store: Option<Store>,
}

fn obey(job: &Job, kinds: &dyn Kinds, host: &WorkerHost, kept: &mut Kept) -> Result<Finished, Failed> {
    check_build(job)?;
    if kept.store.as_ref().is_none_or(|store| store.root() != job.store) {
        *kept = Kept { scratch: None, store: Some(Store::open(&job.store)?) };
    }
    let Some(store) = kept.store.as_ref() else { return Err(Failed::internal("the store was opened and is not there")) };
    if job.may_share_worker() {
        // The engine does it for many results at once.
        store.defer_syncs();
    }
    let outcome = perform_in(&mut Place { store, scratch: &mut kept.scratch }, job, kinds, host);
    // A worker that waits for its next job should keep no collection waiting; one that can't help it does until it ends.
    drop(store.settle());
    outcome
}

/// Panics go to the log, with the place and the way there.
fn log_panics(host: &Arc<WorkerHost>) {
    let host = Arc::clone(host);
    std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        host.log(&format!("{info}\n{}", Backtrace::force_capture()));
    }));
}

/// Ends this process and everything that it started.
#[expect(clippy::exit, reason = "the engine is gone: nobody is left to report to, and locks must be freed")]
fn end_at_once() {
    if getpgrp() == getpid() {
        let _ = kill_current_process_group(Signal::KILL);
    }
    std::process::exit(i32::from(Exit::Interrupted.code()));
}
