//! Programs, workers and engines that die, and runs that are interrupted.

use std::process::Child;

use crate::bench::{Bench, Said, is_alive, shell, signal, wait_until};

/// `slow` writes its own process and its worker's, then waits until it may go on; `quick` is quick.
fn pipeline() -> String {
    let slow = "echo $$ > @/program; echo $PPID > @/worker; while ! test -e @/go; do sleep 0.02; done; echo x > {outputs.out}/x";
    shell("slow", slow, "") + &shell("quick", "echo x > {outputs.out}/x", "")
}

fn end(child: Child) -> Said {
    Said::of(&child.wait_with_output().unwrap())
}

fn process(text: &str) -> u32 {
    text.trim().parse().unwrap()
}

/// Nothing private is left in the store but what live processes hold.
fn assert_tidy(bench: &Bench) {
    let left: Vec<_> = std::fs::read_dir(bench.path(".planish/tmp")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["locks"]);
}

#[test]
fn a_killed_program_costs_its_stage() {
    let bench = Bench::new(&(shell("a", "kill -9 $$", "") + &shell("b", "echo x > {outputs.out}/x", "")));
    let said = bench.planish(&["run"]);
    said.complains(1, &["failed: a: `sh` was killed by SIGKILL"]);
    said.counts(0, 1);
    assert_tidy(&bench);
}

#[test]
fn a_killed_worker_costs_its_stage_and_takes_its_program_along() {
    let bench = Bench::new(&pipeline());
    let child = bench.start(&["run", "--cpus", "2"]);
    let worker = process(&bench.wait_for("worker"));
    wait_until("quick", || bench.standings().last().is_some_and(|state| state == "fresh"));
    signal(worker, "KILL");
    let said = end(child);
    said.complains(1, &["failed: slow: the worker was killed by SIGKILL", "ran out of memory"]);
    said.counts(0, 1);
    wait_until("the program's end", || !is_alive(&bench.read("program")));
    bench.write("go", "");
    bench.ok(&["run"]).counts(1, 1);
    assert_tidy(&bench);
}

#[test]
fn a_killed_engine_leaves_nothing_running_and_the_next_run_goes_on() {
    let bench = Bench::new(&pipeline());
    let child = bench.start(&["run", "--cpus", "2"]);
    bench.wait_for("worker");
    wait_until("quick", || bench.standings().last().is_some_and(|state| state == "fresh"));
    signal(child.id(), "KILL");
    end(child);
    for name in ["worker", "program"] {
        wait_until(name, || !is_alive(&bench.read(name)));
    }
    assert_eq!(bench.standings(), ["missing", "fresh"]);
    bench.write("go", "");
    bench.ok(&["run"]).counts(1, 1);
    assert_tidy(&bench);
}

#[test]
fn an_engine_and_a_worker_killed_at_once_leave_no_program_and_nothing_that_it_started() {
    for extra in ["", "memory = \"1 GB\""] {
        let script =
            "echo $PPID > @/worker; sleep 600 & echo $! > @/inner; trap '' TERM HUP; echo $$ > @/program; while :; do sleep 0.02; done";
        let bench = Bench::new(&shell("slow", script, extra));
        let child = bench.start(&["run"]);
        bench.wait_for("program");
        let worker = bench.wait_for("worker");
        let killed = std::process::Command::new("kill").args(["-KILL", &child.id().to_string(), worker.trim()]).status().unwrap();
        assert!(killed.success());
        end(child);
        for name in ["worker", "program", "inner"] {
            wait_until(name, || !is_alive(&bench.read(name)));
        }
    }
}

#[test]
fn a_guard_started_by_hand_ends_nothing() {
    let bench = Bench::new("");
    assert_eq!(bench.planish(&["guard", "1"]).code, 70);
}

#[test]
fn an_interrupt_stops_workers_in_order_and_says_how_to_go_on() {
    for name in ["INT", "TERM", "HUP"] {
        let bench = Bench::new(&pipeline());
        let child = bench.start(&["run", "--cpus", "2"]);
        bench.wait_for("worker");
        wait_until("quick", || bench.standings().last().is_some_and(|state| state == "fresh"));
        signal(child.id(), name);
        let said = end(child);
        said.complains(130, &["stopping:", "interrupted: run the same command again to go on"]);
        assert!(said.out.contains("1 ran, 1 stopped"), "{}", said.out);
        assert!(!is_alive(&bench.read("program")));
        assert_eq!(bench.standings(), ["missing", "fresh"]);
        bench.write("go", "");
        bench.ok(&["run"]).counts(1, 1);
        assert_tidy(&bench);
    }
}

#[test]
fn a_second_interrupt_ends_workers_at_once() {
    let bench = Bench::new(&shell("a", "trap '' TERM; echo $$ > @/program; sleep 30; sleep 30", ""));
    let child = bench.start(&["run"]);
    bench.wait_for("program");
    signal(child.id(), "INT");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let begun = std::time::Instant::now();
    signal(child.id(), "INT");
    end(child).complains(130, &["ending all workers at once"]);
    assert!(begun.elapsed().as_secs() < 4, "{:?}", begun.elapsed());
    assert!(!is_alive(&bench.read("program")));
}

#[test]
fn a_program_that_does_not_want_to_end_is_ended() {
    let bench = Bench::new(&shell("a", "trap '' TERM; echo $$ > @/program; sleep 60; sleep 60", ""));
    let child = bench.start(&["run"]);
    bench.wait_for("program");
    signal(child.id(), "INT");
    end(child).complains(130, &["interrupted"]);
    assert!(!is_alive(&bench.read("program")));
}

#[test]
fn a_worker_that_is_given_nonsense_refuses() {
    let bench = Bench::new("");
    let said = bench.planish(&["worker"]);
    assert_eq!(said.code, 70);
    assert!(said.out.contains("can't read its job") && said.out.contains("not by hand"), "{}", said.out);
}

#[test]
fn an_executable_that_is_replaced_meanwhile_goes_on_as_it_was() {
    let bench = Bench::new(&(pipeline() + &shell("after", "cp {inputs.slow}/x {outputs.out}/", "inputs.slow = \"slow\"")));
    let copy = bench.path("planish");
    std::fs::copy(env!("CARGO_BIN_EXE_planish"), &copy).unwrap();
    let stdio = std::process::Stdio::piped;
    let child = std::process::Command::new(&copy).arg("run").current_dir(bench.path("")).stdout(stdio()).stderr(stdio()).spawn().unwrap();
    bench.wait_for("worker");
    std::fs::remove_file(&copy).unwrap();
    std::fs::write(&copy, "another program").unwrap();
    bench.write("go", "");
    let said = end(child);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    said.counts(0, 3);
}
