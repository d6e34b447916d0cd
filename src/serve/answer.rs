//! Answers, made in one thread and sent in another.

use std::io::{self, Write};

use super::Site;
use super::request::{Refusal, Route};

const HOME: &str = include_str!("home.html");
const SCRIPT: &str = include_str!("serve.js");
const STYLE: &str = include_str!("serve.css");

/// Nothing but what comes from here.
const OWN: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'";
/// Report pages hold their scripts and styles themselves.
const SELF_CONTAINED: &str =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'";

/// What is sent.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    kind: &'static str,
    policy: &'static str,
    body: Vec<u8>,
}

impl Answer {
    fn found(kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Answer { status: 200, kind, policy: OWN, body: body.into() }
    }

    fn words(status: u16, text: &str) -> Self {
        Answer { status, kind: "text/plain", policy: OWN, body: format!("{text}\n").into_bytes() }
    }

    /// The answer to a request.
    pub(super) fn of(route: &Route, site: &dyn Site) -> Self {
        match route {
            Route::Home => Answer::found("text/html", HOME),
            Route::Script => Answer::found("text/javascript", SCRIPT),
            Route::Style => Answer::found("text/css", STYLE),
            Route::State | Route::Events => Answer::found("application/json", site.state()),
            Route::Log(instance) => match site.log(instance) {
                Some(log) => Answer::found("text/plain", log),
                None => Answer::words(404, "no run of this pipeline worked on that instance"),
            },
            Route::Page(name) => match site.page(name) {
                Ok(Some(page)) => Answer { policy: SELF_CONTAINED, ..Answer::found("text/html", page) },
                Ok(None) => Answer::words(404, "the result that this page shows is not in the store; `planish run` makes it"),
                Err(message) => Answer::words(500, &message),
            },
        }
    }

    /// The answer to a request that is refused.
    pub(super) fn refusal(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed => Answer::words(400, "this is no request that can be read"),
            Refusal::NotFound => Answer::words(404, "there is nothing here; see /"),
            Refusal::Method => Answer::words(405, "only GET and HEAD are served: nothing can be changed from here"),
            Refusal::Host => Answer::words(403, "ask for localhost: requests to other host names are refused"),
        }
    }

    /// Sends it, or all but its body.
    pub(super) fn send(&self, stream: &mut impl Write, whole: bool) -> io::Result<()> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            _ => "Internal Server Error",
        };
        let Answer { status, kind, policy, body } = self;
        write!(
            stream,
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\nContent-Security-Policy: {policy}\r\n\
             X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n",
            body.len()
        )?;
        if whole {
            stream.write_all(body)?;
        }
        stream.flush()
    }
}
