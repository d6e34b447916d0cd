//! Workers that take one program after the other, as long as each of them leaves nothing behind.

use std::io::{BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::event::Event;
use super::executor::{LocalWorker, Report, Tell, next_line, reap};
use super::guard::Guard;

/// The workers that wait for a job.
#[derive(Clone, Default)]
pub(super) struct Pool {
    idle: Arc<Mutex<Vec<Arc<Member>>>>,
}

/// A worker of the pool.
struct Member {
    worker: LocalWorker,
    seat: Mutex<Seat>,
    listener: Mutex<Option<JoinHandle<()>>>,
}

/// Who is told what a worker does.
#[derive(Default)]
struct Seat {
    tell: Option<Tell>,
    /// The worker is gone, and nobody will be told any more.
    gone: bool,
}

impl Pool {
    /// Gives a job, one line of text, to a worker that waits, or to one made by `spawn`, which tells of which executable too. What it does is told
    /// to `tell`.
    ///
    /// # Errors
    /// What kept a worker from starting.
    pub(super) fn start(
        &self,
        line: &str,
        tell: Tell,
        spawn: impl FnOnce() -> std::io::Result<(Child, PathBuf)>,
    ) -> std::io::Result<LocalWorker> {
        let mut tell = tell;
        while let Some(member) = self.take_idle() {
            match member.sit(tell) {
                Ok(()) => return Ok(member.send(line)),
                Err(back) => tell = back,
            }
        }
        let (mut child, executable) = spawn()?;
        let stdout = child.stdout.take();
        let member = Arc::new(Member { worker: LocalWorker::of(&mut child), seat: Mutex::default(), listener: Mutex::default() });
        // Nobody else has it yet, so it is free.
        drop(member.sit(tell));
        let (pool, heard) = (self.clone(), Arc::clone(&member));
        let thread = std::thread::Builder::new().name("programs".to_owned()).spawn(move || {
            // Here, so that starting it holds nobody up.
            let guard = Guard::of(&child, &executable);
            pool.listen(&heard, (child, guard), stdout);
        })?;
        *lock(&member.listener) = Some(thread);
        Ok(member.send(line))
    }

    fn take_idle(&self) -> Option<Arc<Member>> {
        lock(&self.idle).pop()
    }

    /// Passes on what a worker tells until it is gone.
    fn listen(&self, member: &Arc<Member>, child: (Child, Guard), stdout: Option<impl Read>) {
        let mut lines = stdout.map(BufReader::new);
        let mut line = Vec::new();
        while lines.as_mut().is_some_and(|lines| next_line(lines, &mut line)) {
            match std::str::from_utf8(&line).ok().and_then(|text| Event::from_line(text.trim_end())) {
                Some(Event::Idle) => {
                    let tell = lock(&member.seat).tell.take();
                    // Free before anybody hears of it, so that what is started next finds it.
                    lock(&self.idle).push(Arc::clone(member));
                    if let Some(tell) = tell {
                        tell(Report::Exited(ExitStatus::default()));
                    }
                }
                Some(event) => {
                    if let Some(tell) = &lock(&member.seat).tell {
                        tell(Report::Event(event));
                    }
                }
                None => {}
            }
            line.clear();
        }
        let ended = reap(child, member.worker.group());
        let mut seat = lock(&member.seat);
        seat.gone = true;
        let tell = seat.tell.take();
        drop(seat);
        if let Some(tell) = tell {
            tell(ended.map_or_else(Report::Lost, Report::Exited));
        }
    }

    /// Lets the workers that wait end in order, and waits until they did.
    pub(super) fn close(&self) {
        while let Some(member) = self.take_idle() {
            member.worker.close();
            if let Some(listener) = lock(&member.listener).take() {
                // It has nothing to tell any more, whatever became of it.
                drop(listener.join());
            }
        }
    }
}

impl Member {
    /// Has `tell` told what the worker does from now on; gives it back when the worker is gone.
    fn sit(&self, tell: Tell) -> Result<(), Tell> {
        let mut seat = lock(&self.seat);
        if seat.gone {
            return Err(tell);
        }
        seat.tell = Some(tell);
        Ok(())
    }

    fn send(&self, line: &str) -> LocalWorker {
        self.worker.send(line);
        self.worker.clone()
    }
}

/// A panic elsewhere leaves plain data behind, never a broken invariant.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
