//! Stages that fail, and what becomes of the others.

use crate::bench::{Bench, shell};

/// `bad` fails after saying why; `after` needs it; `other` does not.
fn pipeline(bad: &str) -> String {
    shell("bad", bad, "")
        + &shell("after", "cp {inputs.bad}/* {outputs.out}", "inputs.bad = \"bad\"")
        + &shell("other", "echo x > {outputs.out}/x", "")
}

#[test]
fn others_go_on_and_the_last_lines_say_what_failed() {
    let bench = Bench::new(&pipeline("echo the reason >&2; exit 7"));
    let said = bench.planish(&["run"]);
    said.complains(1, &["failed: bad: `sh` ended with exit code 7", "| the reason", "log: .planish/runs/", "blocked: after needs bad"]);
    said.counts(0, 1);
    assert!(said.out.contains("1 failed, 1 blocked"), "{}", said.out);
    assert_eq!(bench.standings(), ["failed", "missing", "fresh"]);
    assert!(bench.ok(&["log", "bad"]).out.starts_with("the reason\n"));
    let why = bench.ok(&["why", "after"]).out;
    assert!(why.contains("depends on\n    bad: failed in run") && why.contains("last time: `sh` ended with exit code 7"), "{why}");
}

#[test]
fn fail_fast_starts_nothing_more() {
    let bench = Bench::new(&pipeline("exit 1"));
    let said = bench.planish(&["run", "--fail-fast", "--cpus", "1"]);
    said.complains(1, &["failed: bad"]);
    assert!(said.out.contains("0 ran, 1 failed, 2 not started"), "{}", said.out);
}

#[test]
fn fail_fast_stops_what_runs() {
    let slow = shell("slow", "touch @/slow; sleep 60; echo x > {outputs.out}/x", "");
    let bad = shell("bad", "while ! test -e @/slow; do sleep 0.02; done; exit 1", "");
    let said = Bench::new(&(slow + &bad)).planish(&["run", "--fail-fast", "--cpus", "2"]);
    said.complains(1, &["failed: bad"]);
    assert!(said.out.contains("1 failed, 1 stopped"), "{}", said.out);
}

#[test]
fn a_failure_is_retried_and_forgotten_when_it_is_mended() {
    let bench = Bench::new(&pipeline("test -e @/mended && echo x > {outputs.out}/x"));
    bench.planish(&["run"]).complains(1, &["failed: bad"]);
    assert!(bench.ok(&["plan"]).out.contains("it failed last time"));
    bench.write("mended", "");
    bench.ok(&["run"]).counts(1, 2);
    assert_eq!(bench.standings(), ["fresh", "fresh", "fresh"]);
}

#[test]
fn an_output_without_files_is_a_failure() {
    for script in ["true", "rmdir {outputs.out}", "mkdir {outputs.out}/empty"] {
        let bench = Bench::new(&shell("a", script, ""));
        bench.planish(&["run"]).complains(1, &["failed: a: the stage", "output `out`", "hint: every declared output"]);
        assert_eq!(bench.standings(), ["failed"]);
    }
}

#[test]
fn links_in_an_output_are_refused() {
    let bench = Bench::new(&shell("a", "ln -s /etc/passwd {outputs.out}/x", ""));
    bench.planish(&["run"]).complains(1, &["failed: a:", "it is a symbolic link"]);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let pipeline = "[stages.a]\nrun = \"command\"\nparams = { command = [\"no-such-program\"], outputs = [\"out\"] }\n";
    Bench::new(pipeline).planish(&["run"]).complains(1, &["can't start `no-such-program`", "hint: give its full path"]);
}

#[test]
fn a_file_that_is_edited_meanwhile_spoils_the_result() {
    let bench =
        Bench::new(&shell("a", "grep -q edited @/source || echo edited > @/source; echo x > {outputs.out}/x", "files.source = \"source\""));
    bench.write("source", "before");
    bench.planish(&["run"]).complains(1, &["source (in `files.source`) was edited while the stage ran; the result was not stored"]);
    // This time nothing changes.
    bench.ok(&["run"]).counts(0, 1);
    bench.ok(&["run"]).counts(1, 0);
}

#[test]
fn files_that_change_meanwhile_are_named_whatever_happens_to_them() {
    let cases = [
        ("echo edited > @/data/1.txt", "1.txt (in `files.all`) was edited while the stage ran"),
        // Changed back: what the stage read in between is not what its key says.
        ("cp @/data/1.txt @/old; echo edited > @/data/1.txt; sleep 0.01; cp @/old @/data/1.txt", "1.txt (in `files.all`) was edited"),
        ("rm @/data/2.txt", "2.txt (in `files.all`) was removed while the stage ran"),
        ("echo new > @/data/3.txt", "3.txt (in `files.all`) was added while the stage ran"),
    ];
    for (change, message) in cases {
        for pattern in ["data/*.txt", "data"] {
            let bench = Bench::new(&shell("a", &format!("{change}; echo x > {{outputs.out}}/x"), &format!("files.all = \"{pattern}\"")));
            std::fs::create_dir(bench.path("data")).unwrap();
            bench.write("data/1.txt", "one");
            bench.write("data/2.txt", "two");
            bench.planish(&["run"]).complains(1, &[message, "the result was not stored", "hint: run again"]);
            assert_eq!(bench.standings(), ["failed"]);
        }
    }
}

#[test]
fn an_optional_gather_goes_on_without_what_failed() {
    let one = shell(
        "one",
        "test $SEED = 0 && echo $SEED > {outputs.out}/x",
        "[stages.one.matrix.seed]\ns0 = { environment.SEED = \"0\" }\ns1 = { environment.SEED = \"1\" }",
    );
    let all = shell("all", "cp {inputs.one}/gathered.json {outputs.out}/", "inputs.one = { from = [\"one\"], optional = true }");
    let bench = Bench::new(&(one + &all));
    let said = bench.planish(&["run"]);
    said.complains(1, &["failed: one[seed=s1]"]);
    said.counts(0, 2);
    // Without a result of `one[seed=s1]`, what gathers it is not what a run would make if there were one.
    assert!(bench.ok(&["plan"]).out.contains("depends"));
    let gathered: serde_json::Value = serde_json::from_str(&bench.result("all", "out/gathered.json")).unwrap();
    let listed = gathered.as_array().unwrap();
    assert_eq!(
        (listed.len(), &listed[1]["coordinates"]["seed"]["label"], listed[1]["folder"].is_null()),
        (2, &"s1".into(), true),
        "{gathered}"
    );
}
