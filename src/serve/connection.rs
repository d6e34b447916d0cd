//! Connections, a thread each: one request is read, one answer is sent.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use super::answer::Answer;
use super::listeners;
use super::request::{self, Refusal, Route};

/// More connections at once are closed.
const MOST: usize = 64;
/// A longer head of a request is refused.
const LONGEST: usize = 16 << 10;
/// How long a client may take to ask, and then to read.
const READING: Duration = Duration::from_secs(10);
const WRITING: Duration = Duration::from_mins(1);
/// After a socket that could not be opened: the system may be out of them.
const PAUSE: Duration = Duration::from_millis(50);

/// What connections ask of the thread that makes answers.
pub(super) enum Asked {
    /// An answer.
    Answer {
        /// To what.
        route: Route,
        /// Where it goes.
        reply: Sender<Answer>,
    },
    /// The state, now and whenever it changes.
    Events {
        /// Where they go.
        listener: SyncSender<Arc<str>>,
    },
}

/// Accepts connections until nobody is there to make answers.
pub(super) fn accept(listener: &TcpListener, address: SocketAddr, asked: &Sender<Asked>) {
    let open = Arc::new(());
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            std::thread::sleep(PAUSE);
            continue;
        };
        // Each connection holds one of these.
        if Arc::strong_count(&open) > MOST {
            continue;
        }
        let (asked, held) = (asked.clone(), Arc::clone(&open));
        std::thread::spawn(move || {
            // Whatever goes wrong: the client has gone away, or can't be talked to.
            drop(converse(stream, address, &asked));
            drop(held);
        });
    }
}

fn converse(mut stream: TcpStream, address: SocketAddr, asked: &Sender<Asked>) -> io::Result<()> {
    stream.set_read_timeout(Some(READING))?;
    stream.set_write_timeout(Some(WRITING))?;
    let (method, route) = read(&mut stream, address)?;
    let whole = method != "HEAD";
    match route {
        Ok(Route::Events) if whole => {
            let (listener, states) = sync_channel(4);
            drop(asked.send(Asked::Events { listener }));
            listeners::relay(&mut stream, &states)
        }
        Ok(route) => {
            let (reply, answer) = channel();
            drop(asked.send(Asked::Answer { route, reply }));
            answer.recv().map_err(io::Error::other)?.send(&mut stream, whole)
        }
        Err(refusal) => Answer::refusal(refusal).send(&mut stream, whole),
    }
}

/// The method, and what is asked for.
fn read(stream: &mut TcpStream, address: SocketAddr) -> io::Result<(String, Result<Route, Refusal>)> {
    let mut head = Vec::new();
    let mut part = [0; 1024];
    loop {
        let length = stream.read(&mut part)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(part.get(..length).unwrap_or_default());
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&head) {
            Ok(httparse::Status::Complete(_)) => {
                let host = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("Host"));
                let host = host.and_then(|header| std::str::from_utf8(header.value).ok());
                let (method, path) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
                return Ok((method.to_owned(), request::route(method, path, host, address)));
            }
            Ok(httparse::Status::Partial) if head.len() < LONGEST => {}
            Ok(httparse::Status::Partial) | Err(_) => return Ok((String::new(), Err(Refusal::Malformed))),
        }
    }
}
