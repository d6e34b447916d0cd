//! What a request asks for, and whether it may.

use std::net::SocketAddr;

use percent_encoding::percent_decode_str;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// The live page.
    Home,
    /// Its script.
    Script,
    /// Its style.
    Style,
    /// Server-sent events: the state now and whenever it changes.
    Events,
    /// The state as JSON.
    State,
    /// A report page, by its name.
    Page(String),
    /// The log of an instance.
    Log(String),
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It can't be read.
    Malformed,
    /// Nothing is there.
    NotFound,
    /// Only reading is served.
    Method,
    /// It was addressed to another host: a page elsewhere may have made a browser ask.
    Host,
}

/// What a request asks for.
pub(super) fn route(method: &str, url: &str, host: Option<&str>, address: SocketAddr) -> Result<Route, Refusal> {
    if method != "GET" && method != "HEAD" {
        return Err(Refusal::Method);
    }
    if address.ip().is_loopback() && !host.is_some_and(is_local) {
        return Err(Refusal::Host);
    }
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| Refusal::NotFound);
    match path.split_once('/').map(|(_, rest)| rest.split_once('/').unwrap_or((rest, ""))) {
        Some(("", "")) => Ok(Route::Home),
        Some(("serve.js", "")) => Ok(Route::Script),
        Some(("serve.css", "")) => Ok(Route::Style),
        Some(("events", "")) => Ok(Route::Events),
        Some(("state.json", "")) => Ok(Route::State),
        Some(("page", name)) if !name.is_empty() => decoded(name).map(Route::Page),
        Some(("log", name)) if !name.is_empty() => decoded(name).map(Route::Log),
        _ => Err(Refusal::NotFound),
    }
}

/// Whether a `Host` header names this machine itself. A name that somebody made point here does not (DNS rebinding).
fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.chars().all(|c| c.is_ascii_digit())).map_or(host, |(name, _)| name);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: &str = "127.0.0.1:7878";

    fn ask(method: &str, url: &str, host: &str) -> Result<Route, Refusal> {
        route(method, url, Some(host), LOOPBACK.parse().unwrap())
    }

    #[test]
    fn paths_are_routes_and_names_are_decoded() {
        let get = |url| ask("GET", url, "localhost:7878");
        assert_eq!(get("/"), Ok(Route::Home));
        assert_eq!(get("/?from=mail"), Ok(Route::Home));
        assert_eq!(get("/events"), Ok(Route::Events));
        assert_eq!(get("/log/train%5Bmethod%3Dllr,eps%3D8%2F255%5D"), Ok(Route::Log("train[method=llr,eps=8/255]".to_owned())));
        assert_eq!(get("/page/report.html"), Ok(Route::Page("report.html".to_owned())));
        for url in ["/log/", "/log", "/events/x", "/etc/passwd", "", "*", "/log/%FF", "http://localhost/"] {
            assert_eq!(get(url), Err(Refusal::NotFound), "{url}");
        }
    }

    #[test]
    fn only_reading_is_served() {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "get"] {
            assert_eq!(ask(method, "/", LOOPBACK), Err(Refusal::Method));
        }
        assert_eq!(ask("HEAD", "/", LOOPBACK), Ok(Route::Home));
    }

    #[test]
    fn other_hosts_are_refused_on_loopback() {
        for host in ["localhost", "LOCALHOST:7878", "127.0.0.1:7878", "127.1.2.3", "[::1]:7878", "[::1]"] {
            assert_eq!(ask("GET", "/", host), Ok(Route::Home), "{host}");
        }
        for host in ["", "evil.example", "evil.example:7878", "localhost.evil.example", "192.168.0.1", "127.0.0.1.nip.io:7878"] {
            assert_eq!(ask("GET", "/", host), Err(Refusal::Host), "{host}");
        }
        assert_eq!(route("GET", "/", None, LOOPBACK.parse().unwrap()), Err(Refusal::Host));
        assert_eq!(route("GET", "/", Some("workstation:80"), "192.168.0.1:80".parse().unwrap()), Ok(Route::Home));
    }
}
