//! Where workers run. A worker is one command line that speaks JSON lines, so another place (a batch
//! system) is another [`Executor`].

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::event::Event;
use super::guard::Guard;
use super::job::Job;
use super::pool::Pool;

/// What an executor reports about one worker; nothing follows [`Report::Exited`].
#[derive(Debug)]
pub enum Report {
    /// The worker told something.
    Event(Event),
    /// The worker is gone.
    Exited(ExitStatus),
    /// The worker could not be waited for.
    Lost(std::io::Error),
}

/// How reports reach the dispatcher.
pub type Tell = Box<dyn Fn(Report) + Send>;

/// A place where workers run.
pub trait Executor {
    /// Starts a worker for `job`; everything it does is told to `tell`, from another thread.
    ///
    /// # Errors
    /// What kept the worker from starting.
    fn start(&self, job: &Job, tell: Tell) -> std::io::Result<Box<dyn Running>>;
}

/// A worker that was started.
pub trait Running {
    /// Asks the worker to keep what it needs to go on later, and to end.
    fn stop(&self);
    /// Ends the worker and everything that it started, at once.
    fn kill(&self);
    /// The process group in which it all runs, if it runs on this machine and still does.
    fn process_group(&self) -> Option<Pid> {
        None
    }
}

/// Workers on this machine: child processes of the same executable.
pub struct Local {
    executable: PathBuf,
    environment: &'static [(&'static str, &'static str)],
    pool: Pool,
}

impl Local {
    /// Workers that run the very executable of this process, even if its file was replaced or removed since, with
    /// `environment` (name, value) set.
    ///
    /// # Errors
    /// A system that does not tell which executable this is.
    pub fn of_this_process(environment: &'static [(&'static str, &'static str)]) -> std::io::Result<Self> {
        let link = PathBuf::from("/proc/self/exe");
        let executable = if link.exists() { link } else { std::env::current_exe()? };
        Ok(Local { executable, environment, pool: Pool::default() })
    }

    fn command(&self, stderr: Stdio) -> Command {
        let mut command = Command::new(&self.executable);
        command
            .arg0("planish")
            .arg("worker")
            .envs(self.environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            // Ctrl-C in a terminal must reach the engine only: it stops its workers in order.
            .process_group(0);
        command
    }
}

impl Executor for Local {
    fn start(&self, job: &Job, tell: Tell) -> std::io::Result<Box<dyn Running>> {
        let mut line = serde_json::to_string(job)?;
        line.push('\n');
        if job.may_share_worker() {
            let worker = self.pool.start(&line, tell, || Ok((self.command(Stdio::null()).spawn()?, self.executable.clone())))?;
            return Ok(Box::new(worker));
        }
        let log = File::options().create(true).append(true).open(&job.log)?;
        let threads = job.threads.to_string();
        let mut command = self.command(log.try_clone()?.into());
        command.env("RAYON_NUM_THREADS", &threads).env("OMP_NUM_THREADS", &threads);
        if let Some(gpus) = &job.gpus {
            command.env("CUDA_VISIBLE_DEVICES", gpus);
        }
        let mut child = command.spawn()?;
        let worker = LocalWorker::of(&mut child);
        let (started, executable) = (worker.clone(), self.executable.clone());
        std::thread::Builder::new().name(format!("worker {}", job.instance)).spawn(move || {
            started.send(&line);
            // Here, so that starting it holds nobody up.
            let guard = Guard::of(&child, &executable);
            if let Some(stdout) = child.stdout.take() {
                forward(BufReader::new(stdout), log, &tell);
            }
            match reap((child, guard), started.group()) {
                Ok(status) => tell(Report::Exited(status)),
                Err(error) => tell(Report::Lost(error)),
            }
        })?;
        Ok(Box::new(worker))
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.pool.close();
    }
}

/// The most bytes of a line that are kept in memory; a longer one is passed on in pieces.
const LINE_LIMIT: u64 = 16 << 20;

/// Reads the next line, or a piece of one, to the end of `line`; whether there was any.
pub(super) fn next_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> bool {
    lines.by_ref().take(LINE_LIMIT).read_until(b'\n', line).is_ok_and(|count| count > 0)
}

/// Passes events on, and writes every other line to the log.
fn forward(mut lines: impl BufRead, mut log: impl Write, tell: &Tell) {
    let mut line = Vec::new();
    while next_line(&mut lines, &mut line) {
        match std::str::from_utf8(&line).ok().and_then(|text| Event::from_line(text.trim_end())) {
            Some(event) => tell(Report::Event(event)),
            // A log that can't be written must not cost the result.
            None => drop(log.write_all(&line)),
        }
        line.clear();
    }
}

/// Waits for the worker, ends what it may have left in its process group, and collects it.
pub(super) fn reap((mut child, guard): (Child, Guard), group: &Mutex<Option<Pid>>) -> std::io::Result<ExitStatus> {
    if let Some(pid) = *group.lock().unwrap_or_else(PoisonError::into_inner) {
        // Not collected yet: as long as it is a zombie, its number can't be given to another process.
        while let Err(error) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            if error != rustix::io::Errno::INTR {
                break;
            }
        }
    }
    let mut group = group.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pid) = group.take() {
        // Fails when the group is empty, as it should be.
        let _ = kill_process_group(pid, Signal::KILL);
    }
    let status = child.wait();
    guard.collect();
    status
}

/// A worker that is a child of this process.
#[derive(Clone)]
pub(super) struct LocalWorker {
    stdin: Arc<Mutex<Option<ChildStdin>>>,
    /// `None` once the worker was collected.
    group: Arc<Mutex<Option<Pid>>>,
}

impl LocalWorker {
    /// The worker that `child` is, which leads a process group of its own.
    pub(super) fn of(child: &mut Child) -> Self {
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
        LocalWorker { stdin: Arc::new(Mutex::new(child.stdin.take())), group: Arc::new(Mutex::new(group)) }
    }

    pub(super) fn group(&self) -> &Mutex<Option<Pid>> {
        &self.group
    }

    /// Writes to a worker that may be gone already; then there is nobody to tell.
    pub(super) fn send(&self, text: &str) {
        if let Some(stdin) = self.stdin.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            drop(stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()));
        }
    }

    /// Tells the worker that nothing more comes.
    pub(super) fn close(&self) {
        drop(self.stdin.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Running for LocalWorker {
    fn stop(&self) {
        self.send("stop\n");
    }

    fn kill(&self) {
        // Held until the signal is sent, so that the number is not somebody else's by then.
        if let Some(pid) = *self.group.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    fn process_group(&self) -> Option<Pid> {
        *self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn events_and_other_lines_are_told_apart() {
        let (sender, receiver) = mpsc::channel();
        let mut log = Vec::new();
        let text = format!("chatter\n{}\n\u{fffd}\nlast", Event::Waiting.to_line());
        let tell: Tell = Box::new(move |report| drop(sender.send(report)));
        forward(text.as_bytes(), &mut log, &tell);
        drop(tell);
        let reports: Vec<Report> = receiver.iter().collect();
        assert!(matches!(reports.as_slice(), [Report::Event(Event::Waiting)]));
        assert_eq!(String::from_utf8_lossy(&log), "chatter\n\u{fffd}\nlast");
    }

    #[test]
    fn a_line_without_end_is_read_in_pieces() {
        let mut endless = BufReader::new(std::io::repeat(b'x'));
        let mut line = Vec::new();
        assert!(next_line(&mut endless, &mut line));
        assert_eq!(line.len() as u64, LINE_LIMIT);
        assert!(!next_line(&mut std::io::empty(), &mut line));
    }
}
