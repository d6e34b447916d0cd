//! A small web server on one's own machine: how a pipeline stands while it runs, and its report pages. It reads, and changes nothing.

mod answer;
mod connection;
mod listeners;
mod request;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use self::answer::Answer;
use self::connection::Asked;
use self::listeners::Listeners;

/// How often it is asked whether something changed.
const INTERVAL: Duration = Duration::from_millis(250);
/// The state is told anew after this time even where nothing seems to have changed: results may go away without a trace.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is served.
pub trait Site {
    /// How things stand, as JSON on one line; `docs/schema/serve.json` describes it.
    fn state(&self) -> String;
    /// Something that is another one when the state may have changed; cheap.
    fn mark(&self) -> u64;
    /// The page of that name.
    ///
    /// # Errors
    /// What keeps it from being made, in words.
    fn page(&self, name: &str) -> Result<Option<String>, String>;
    /// The end of the log of an instance.
    fn log(&self, instance: &str) -> Option<Vec<u8>>;
}

/// Serves until `until` says so.
///
/// This thread makes all answers; each connection has a thread that reads and sends, so that a slow reader keeps nobody waiting.
///
/// # Errors
/// A socket whose address can't be told.
pub fn serve(listener: TcpListener, site: &dyn Site, until: impl Fn() -> bool) -> io::Result<()> {
    let address: SocketAddr = listener.local_addr()?;
    let (sender, asked) = mpsc::channel();
    std::thread::spawn(move || connection::accept(&listener, address, &sender));
    let mut listeners = Listeners::default();
    let mut told: Option<(u64, Instant)> = None;
    while !until() {
        match asked.recv_timeout(INTERVAL) {
            // Who asked may have gone away.
            Ok(Asked::Answer { route, reply }) => drop(reply.send(Answer::of(&route, site))),
            Ok(Asked::Events { listener }) => {
                listeners.join(listener);
                told = None;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        if listeners.is_empty() {
            continue;
        }
        let mark = site.mark();
        if told.is_none_or(|(before, at)| before != mark || at.elapsed() > PATIENCE) {
            listeners.tell(&site.state());
            told = Some((mark, Instant::now()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
