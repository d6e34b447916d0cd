use std::cell::Cell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use super::*;

/// A site whose state changes when a test says so.
struct Numbered {
    number: Cell<u64>,
    news: mpsc::Receiver<u64>,
}

impl Site for Numbered {
    fn state(&self) -> String {
        format!("{{\"number\":{}}}", self.number.get())
    }

    fn mark(&self) -> u64 {
        self.number.set(self.news.try_iter().last().unwrap_or(self.number.get()));
        self.number.get()
    }

    fn page(&self, name: &str) -> Result<Option<String>, String> {
        match name {
            "report.html" => Ok(Some("<p>a table</p>".to_owned())),
            "broken.html" => Err("the store is damaged".to_owned()),
            _ => Ok(None),
        }
    }

    fn log(&self, instance: &str) -> Option<Vec<u8>> {
        (instance == "a[x=1]").then(|| b"<b>epoch 1".to_vec())
    }
}

/// Serves while `body` runs.
fn serving(body: impl FnOnce(SocketAddr, &mpsc::Sender<u64>) + Send) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, news) = mpsc::channel();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let over = &over;
        scope.spawn(move || {
            // A failed assertion must end the server too.
            struct End<'a>(&'a AtomicBool);
            impl Drop for End<'_> {
                fn drop(&mut self) {
                    self.0.store(true, Ordering::Relaxed);
                }
            }
            let _end = End(over);
            body(address, &sender);
        });
        let site = Numbered { number: Cell::new(0), news };
        serve(listener, &site, || over.load(Ordering::Relaxed)).unwrap();
    });
}

fn send(address: SocketAddr, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).unwrap();
    stream
}

fn ask(address: SocketAddr, line: &str) -> String {
    let mut text = String::new();
    send(address, &format!("{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close")).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn pages_logs_and_state_are_served_with_a_policy() {
    serving(|address, _| {
        let home = ask(address, "GET /");
        assert!(home.starts_with("HTTP/1.1 200"), "{home}");
        assert!(home.contains("Content-Security-Policy: default-src 'none'"), "{home}");
        assert!(home.contains("<table"), "{home}");
        assert!(ask(address, "GET /serve.js").contains("EventSource"));
        assert!(ask(address, "GET /serve.css").contains("color-scheme"));
        assert!(ask(address, "GET /state.json").ends_with("{\"number\":0}"));
        assert!(ask(address, "GET /page/report.html").ends_with("<p>a table</p>"));
        let log = ask(address, "GET /log/a%5Bx%3D1%5D");
        assert!(log.contains("Content-Type: text/plain") && log.ends_with("<b>epoch 1"), "{log}");
    });
}

#[test]
fn what_is_not_there_is_said() {
    serving(|address, _| {
        assert!(ask(address, "GET /page/other.html").starts_with("HTTP/1.1 404"));
        let broken = ask(address, "GET /page/broken.html");
        assert!(broken.starts_with("HTTP/1.1 500") && broken.ends_with("the store is damaged\n"), "{broken}");
        assert!(ask(address, "GET /log/b").starts_with("HTTP/1.1 404"));
        assert!(ask(address, "GET /../../etc/passwd").starts_with("HTTP/1.1 404"));
        assert!(ask(address, "DELETE /").starts_with("HTTP/1.1 405"));
        assert!(ask(address, "GET").starts_with("HTTP/1.1 400"));
        let head = ask(address, "HEAD /state.json");
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("Content-Length: 12\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        let mut text = String::new();
        send(address, "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close").read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 403"), "{text}");
    });
}

#[test]
fn changes_are_told_as_events() {
    serving(|address, sender| {
        let mut lines = BufReader::new(send(address, &format!("GET /events HTTP/1.1\r\nHost: {address}"))).lines().map(Result::unwrap);
        let mut next = || lines.by_ref().find(|line| line.starts_with("data: ")).unwrap();
        assert_eq!(next(), "data: {\"number\":0}");
        sender.send(7).unwrap();
        while next() != "data: {\"number\":7}" {}
    });
}

#[test]
fn a_reader_that_stalls_keeps_nobody_waiting() {
    serving(|address, _| {
        let stalled: Vec<TcpStream> = (0..8).map(|_| send(address, &format!("GET /events HTTP/1.1\r\nHost: {address}"))).collect();
        let _half = {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"GET / HT").unwrap();
            stream
        };
        assert!(ask(address, "GET /state.json").starts_with("HTTP/1.1 200"));
        drop(stalled);
        assert!(ask(address, "GET /state.json").starts_with("HTTP/1.1 200"));
    });
}
