//! Interrupts as messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::dispatcher::Message;

/// As long as it lives, interrupts are messages and nothing else.
pub(super) struct Watch {
    handle: Handle,
    seen: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn begin(sender: Sender<Message>) -> std::io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let handle = signals.handle();
        let seen = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&seen);
        let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for _ in signals.forever() {
                if sender.send(Message::Signal).is_err() {
                    return;
                }
                // After the message: whoever sees this finds it.
                tell.store(true, Ordering::SeqCst);
            }
        })?;
        Ok(Watch { handle, seen, thread: Some(thread) })
    }

    /// Whether there was an interrupt; its message was sent then.
    pub(super) fn seen(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.seen)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
