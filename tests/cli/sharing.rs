//! Several runs on one store.

use crate::bench::{Bench, Said, shell};

#[test]
fn two_runs_at_once_do_the_work_once() {
    let script = "echo ran >> @/ran; sleep 0.5; echo x > {outputs.out}/x";
    let bench = Bench::new(&(shell("a", script, "") + &shell("b", "cp {inputs.a}/x {outputs.out}/", "inputs.a = \"a\"")));
    let first = bench.start(&["run"]);
    let second = bench.start(&["run"]);
    let said = [first, second].map(|child| Said::of(&child.wait_with_output().unwrap()));
    for said in &said {
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    }
    assert_eq!(bench.read("ran"), "ran\n");
    let waited = |said: &Said| said.err.contains("a: waiting for another run") || said.err.contains("a: made by another run");
    assert!(said.iter().any(waited) || said.iter().any(|said| said.out.contains("2 in the store")), "{}{}", said[0].err, said[1].err);
    bench.ok(&["run"]).counts(2, 0);
}

#[test]
fn another_pipeline_finds_equal_work_in_a_shared_store() {
    let pipeline = shell("a", "echo x > {outputs.out}/x", "");
    let (here, there) = (Bench::new(&pipeline), Bench::new(&pipeline));
    let store = here.path("store");
    let store = store.to_str().unwrap();
    here.ok(&["run", "--store", store]).counts(0, 1);
    there.ok(&["run", "--store", store]).counts(1, 0);
    assert!(!there.path(".planish").exists());
    let why = there.ok(&["why", "a", "--store", store]).out;
    assert!(why.contains("its result was in the store already"), "{why}");
}

#[test]
fn a_run_with_nothing_to_do_needs_no_right_to_write() {
    let bench = Bench::new(&shell("a", "echo x > {outputs.out}/x", ""));
    bench.ok(&["run"]);
    let record = |bench: &Bench| std::fs::read_dir(bench.path(".planish/runs")).unwrap().count();
    let before = record(&bench);
    for _ in 0..2 {
        bench.ok(&["run"]).counts(1, 0);
    }
    assert_eq!(record(&bench), before);
}
