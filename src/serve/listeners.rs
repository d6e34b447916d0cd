//! Who is told of changes: server-sent events (the HTML standard, section 9.2), a thread each.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::time::Duration;

/// A connection on which nothing was said for so long is said something to, so that one that is gone is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-store\r\n\
                    X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n";

/// All who are told.
#[derive(Debug, Default)]
pub(super) struct Listeners(Vec<SyncSender<Arc<str>>>);

impl Listeners {
    /// Whether nobody is.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One more.
    pub(super) fn join(&mut self, listener: SyncSender<Arc<str>>) {
        self.0.push(listener);
    }

    /// Tells everybody. Who does not keep up misses states, never the latest for long: another one follows.
    pub(super) fn tell(&mut self, state: &str) {
        let state: Arc<str> = Arc::from(state);
        self.0.retain(|listener| !matches!(listener.try_send(Arc::clone(&state)), Err(TrySendError::Disconnected(_))));
    }
}

/// Passes states on until the client has gone away.
pub(super) fn relay(writer: &mut impl Write, states: &Receiver<Arc<str>>) -> io::Result<()> {
    writer.write_all(HEAD.as_bytes())?;
    loop {
        match states.recv_timeout(HEARTBEAT) {
            // JSON has no line ends.
            Ok(state) => write!(writer, "data: {state}\n\n")?,
            Err(RecvTimeoutError::Timeout) => writer.write_all(b": still here\n\n")?,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        writer.flush()?;
    }
}
