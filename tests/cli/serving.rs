//! `planish serve`: what a browser is told while a pipeline runs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;

use serde_json::Value;

use crate::bench::{Bench, shell, wait_until};
use crate::schemas::current;
use crate::validator::refusal;

/// A server, ended with the test.
pub(crate) struct Served {
    process: Child,
    address: String,
}

impl Served {
    fn of(bench: &Bench) -> Self {
        Served::with(bench, &[])
    }

    /// With further arguments.
    pub(crate) fn with(bench: &Bench, more: &[&str]) -> Self {
        let mut process = bench.start(&[&["serve", "--listen", "127.0.0.1:0"], more].concat());
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix('/')).unwrap_or_default().to_owned();
        Served { process, address }
    }

    fn send(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).unwrap();
        stream
    }

    pub(crate) fn get(&self, path: &str) -> String {
        let mut text = String::new();
        self.send(path).read_to_string(&mut text).unwrap();
        text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    pub(crate) fn state(&self) -> Value {
        serde_json::from_str(&self.get("/state.json")).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn a_browser_is_told_how_a_run_goes() {
    let bench = Bench::new(
        &(shell("a", "echo said; touch @/begun; while [ ! -e @/go ]; do sleep 0.05; done; echo 1 > {outputs.out}/x", "")
            + &shell("b", "cat {inputs.a}/x > {outputs.out}/x", "inputs.a = \"a\"")),
    );
    let served = Served::of(&bench);
    let state = served.state();
    assert_eq!(refusal(&current("serve"), &state), None, "{state:#}");
    assert_eq!((&state["run"], &state["instances"][0]["state"]), (&Value::Null, &"missing".into()));

    let mut events = BufReader::new(served.send("/events")).lines().map(Result::unwrap);
    let mut run = bench.start(&["run"]);
    wait_until("the first stage", || bench.path("begun").exists());
    let mut until = |holds: &dyn Fn(&Value) -> bool| {
        events
            .by_ref()
            .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
            .find(|state: &Value| holds(state))
            .unwrap()
    };
    let state = until(&|state| state["instances"][0]["state"] == "running");
    assert_eq!(refusal(&current("serve"), &state), None, "{state:#}");
    assert_eq!((&state["run"]["running"], &state["instances"][1]["state"]), (&true.into(), &"pending".into()));
    assert_eq!(served.get("/log/a"), "said\n");

    bench.write("go", "");
    assert!(run.wait().unwrap().success());
    let state = until(&|state| state["run"]["running"] == false && state["instances"][1]["state"] == "fresh");
    assert_eq!((&state["run"]["exit"], &state["instances"][0]["state"]), (&0.into(), &"fresh".into()));
    assert!(state["instances"][0]["seconds"].as_f64().is_some());
}

#[test]
fn a_mistake_made_later_shows_on_the_page_and_goes_away() {
    let text = shell("a", "echo 1 > {outputs.out}/x", "");
    let bench = Bench::new(&text);
    let served = Served::of(&bench);
    bench.pipeline(&text.replace("run =", "runs ="));
    let state = served.state();
    let problem = state["problem"].as_str().unwrap();
    assert!(problem.contains("runs") && problem.contains("pipeline.toml:2"), "{problem}");
    assert_eq!(refusal(&current("serve"), &state), None);
    bench.pipeline(&text);
    assert_eq!(served.state()["problem"], Value::Null);
}

#[test]
fn serving_writes_nothing_and_refuses_what_it_cannot_do() {
    let bench = Bench::new(&shell("a", "echo 1 > {outputs.out}/x", ""));
    bench.ok(&["run"]);
    let listing = || {
        let mut names: Vec<_> = std::fs::read_dir(bench.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = listing();
    let served = Served::of(&bench);
    assert_eq!(served.state()["instances"][0]["state"], "fresh");
    assert_eq!(listing(), before);
    bench.planish(&["serve", "--listen", &served.address]).complains(2, &["can't listen on", "--listen 127.0.0.1:0"]);
    bench.planish(&["serve", "--listen", "localhost"]).complains(2, &["--listen"]);
    bench.pipeline("[stages.a]\nruns = 1\n");
    bench.planish(&["serve", "--listen", "127.0.0.1:0"]).complains(2, &["pipeline.toml"]);
}
