//! A server on the loopback interface that misbehaves as told; for tests.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How the server answers one request.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// With everything that was asked for.
    Whole,
    /// With everything from the start, whatever was asked for.
    IgnoringRanges,
    /// With so many bytes of what was asked for, and then no more.
    Cut(usize),
    /// With so many bytes, and then silence.
    Stall(usize),
    /// With this status and no file.
    Status(u16),
    /// With other content.
    Instead(&'static [u8]),
}

pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: &'static str,
    /// Where each request wanted to start.
    pub(crate) starts: Arc<Mutex<Vec<usize>>>,
}

/// A server that gives these answers in turn, and then the last one for ever.
pub(crate) fn serve(content: &'static [u8], answers: Vec<Answer>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/file", listener.local_addr().unwrap());
    let starts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&starts);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let Some(&answer) = answers.get(number).or(answers.last()) else { return };
            let stream = stream.unwrap();
            let start = requested_start(&stream);
            seen.lock().unwrap().push(start);
            // A client that has heard enough may hang up.
            std::thread::spawn(move || drop(respond(stream, content, start, answer)));
        }
    });
    Server { address: address.leak(), starts }
}

fn requested_start(stream: &TcpStream) -> usize {
    let lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let range = lines.filter_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned)).last();
    range.map_or(0, |range| range.trim_end_matches('-').parse().unwrap())
}

fn respond(mut stream: TcpStream, content: &[u8], start: usize, answer: Answer) -> std::io::Result<()> {
    let (from, send) = match answer {
        Answer::Whole => (start, content.len() - start),
        Answer::IgnoringRanges => (0, content.len()),
        Answer::Cut(n) | Answer::Stall(n) => (start, n),
        Answer::Status(status) => return write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        Answer::Instead(other) => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", other.len())?;
            return stream.write_all(other);
        }
    };
    let rest = content.len() - from;
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {rest}\r\nConnection: close\r\n")?;
    write!(stream, "Content-Range: bytes {from}-{}/{}\r\n\r\n", content.len() - 1, content.len())?;
    stream.write_all(&content[from..from + send])?;
    if matches!(answer, Answer::Stall(_)) {
        std::thread::sleep(Duration::from_secs(5));
    }
    Ok(())
}
