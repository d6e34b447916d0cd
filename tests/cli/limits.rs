//! Time limits, memory limits, and stages that are tried again.

use std::time::{Duration, Instant};

use crate::bench::{Bench, is_alive, shell, wait_until};

#[test]
fn a_stage_that_takes_too_long_is_ended_with_all_that_it_started() {
    let script = "echo begun; sleep 60 & echo $! > @/child; sleep 60";
    let bench = Bench::new(&(shell("a", script, "timeout = \"500ms\"") + &shell("b", "echo x > {outputs.out}/x", "timeout = 60")));
    let begun = Instant::now();
    let said = bench.planish(&["run"]);
    said.complains(1, &["failed: a: it took longer than its `timeout` of 0.5 s and was ended", "| begun", "hint: raise `timeout`"]);
    said.counts(0, 1);
    assert!(begun.elapsed() < Duration::from_secs(30));
    wait_until("the child's end", || !is_alive(&bench.read("child")));
    assert_eq!(bench.standings(), ["failed", "fresh"]);
}

#[test]
fn a_stage_that_takes_too_much_memory_is_ended() {
    // The shell keeps the whole text in memory.
    let script = "echo $(head -c 300000000 /dev/zero | tr '\\0' x) > {outputs.out}/x; sleep 60";
    let bench = Bench::new(&(shell("a", script, "memory = \"100 MB\"") + &shell("b", "echo x > {outputs.out}/x", "memory = \"1 GB\"")));
    let said = bench.planish(&["run"]);
    said.complains(1, &["failed: a: it used ", "of memory, more than its `memory` of 100 MB, and was ended", "hint: raise `memory`"]);
    said.counts(0, 1);
}

#[test]
fn what_fails_is_tried_again_as_often_as_asked_for() {
    let script = "echo try >> @/tries; test $(wc -l < @/tries) -ge 3 && echo x > {outputs.out}/x";
    let bench = Bench::new(
        &(shell("a", script, "retries = { times = 2, wait = \"50ms\" }")
            + &shell("b", "cp {inputs.a}/x {outputs.out}/", "inputs.a = \"a\"")),
    );
    let said = bench.ok(&["run"]);
    said.counts(0, 2);
    for line in ["a: failed: `sh` ended with exit code 1; try 2 of 3 in 50 ms", "try 3 of 3 in 0.1 s", "a: done"] {
        assert!(said.err.contains(line), "no `{line}` in {}", said.err);
    }
    let lines = ["`sh` ended with exit code 1", "try 2 of 3", "`sh` ended with exit code 1", "try 3 of 3"];
    assert_eq!(bench.ok(&["log", "a"]).out, lines.map(|line| format!("planish: {line}\n")).concat());
    let view = bench.json(&["show", "a", "--json"]);
    let provenance = &view[0]["provenance"];
    assert_eq!((&provenance["attempt"], &provenance["limits"]["retries"]), (&3.into(), &2.into()));
    // It is no part of the key.
    bench.pipeline(
        &(shell("a", script, "timeout = \"1h\"\nmemory = \"9 GB\"") + &shell("b", "cp {inputs.a}/x {outputs.out}/", "inputs.a = \"a\"")),
    );
    bench.ok(&["run"]).counts(2, 0);
}

#[test]
fn tries_come_to_an_end_and_mistakes_are_not_tried_again() {
    let again = "retries = { times = 1, wait = \"10ms\" }";
    let crash = shell("crash", "echo try >> @/crashes; kill -9 $$", again);
    let late = shell("late", "echo try >> @/late; sleep 60", &format!("{again}\ntimeout = \"200ms\""));
    let mistake = shell("mistake", "echo try >> @/mistakes", again);
    let bench = Bench::new(&(crash + &late + &mistake));
    bench
        .planish(&["run"])
        .complains(1, &["failed: crash: `sh` was killed by SIGKILL", "failed: late: it took longer", "wrote nothing to its output"]);
    let tries = ["crashes", "late", "mistakes"].map(|name| bench.read(name).lines().count());
    assert_eq!(tries, [2, 2, 1]);
}

#[test]
fn an_interrupt_does_not_wait_for_the_next_try() {
    let bench = Bench::new(&shell("a", "echo try >> @/tries; exit 3", "retries = { times = 5, wait = \"1h\" }"));
    let child = bench.start(&["run"]);
    bench.wait_for("tries");
    std::thread::sleep(Duration::from_millis(300));
    crate::bench::signal(child.id(), "INT");
    let said = crate::bench::Said::of(&child.wait_with_output().unwrap());
    said.complains(130, &["try 2 of 6 in 1 h 00 min", "failed: a: `sh` ended with exit code 3", "interrupted:"]);
}
