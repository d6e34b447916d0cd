//! What each command answers.

use crate::bench::{Bench, shell};

fn bench() -> Bench {
    let seeds = "inputs.a = \"a\"\n[stages.b.matrix.seed]\ns0 = { environment.SEED = \"0\" }\ns1 = { environment.SEED = \"1\" }";
    let pipeline = shell("a", "echo said; cat {files.f} > {outputs.out}/x", "files.f = \"f\"")
        + &shell("b", "echo $SEED > {outputs.out}/x; cat {inputs.a}/x >> {outputs.out}/x", seeds)
        + &shell("c", "cat {inputs.b}/*/x > {outputs.out}/x", "inputs.b = [\"b\"]");
    let bench = Bench::new(&pipeline);
    bench.write("f", "f\n");
    bench
}

const ALL: [&str; 4] = ["a", "b[seed=s0]", "b[seed=s1]", "c"];

#[test]
fn plan_says_what_a_run_would_do() {
    let bench = bench();
    let expected = "\
run      a           it has never run
depends  b[seed=s0]  depends on a
depends  b[seed=s1]  depends on a
depends  c           depends on b[seed=s0], b[seed=s1]

0 hits, 1 to run, 3 depend on these
";
    assert_eq!(bench.ok(&["plan"]).out, expected);
    assert_eq!(bench.ok(&["run", "--dry-run"]).out, expected);
    assert!(bench.ok(&["run", "--dry-run", "a"]).out.ends_with("0 hits, 1 to run\n"));
    assert_eq!(bench.standings(), ["missing"; 4]);
    bench.ok(&["run"]);
    assert!(bench.ok(&["plan"]).out.ends_with("4 hits, 0 to run\n"));
    assert!(bench.ok(&["run", "--dry-run", "--force", "a"]).out.starts_with("run      a           asked for with --force\n"));
    bench.write("f", "g\n");
    let plan = bench.json(&["plan", "--json"]);
    let actions: Vec<&str> = plan.as_array().unwrap().iter().map(|i| i["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["run", "depends", "depends", "depends"]);
    assert_eq!(plan[0]["reason"]["changed"][0]["file"]["name"], "f");
    assert_eq!(plan[3]["depends_on"], serde_json::json!(["b[seed=s0]", "b[seed=s1]"]));
}

#[test]
fn status_says_how_things_stand() {
    let bench = bench();
    bench.ok(&["run", "b[seed=s0]"]);
    assert_eq!(bench.standings(), ["fresh", "fresh", "missing", "missing"]);
    bench.ok(&["run"]);
    bench.write("f", "g\n");
    let status = bench.ok(&["status"]).out;
    assert!(status.starts_with("stale  a           file f (f) changed\nstale  b[seed=s0]  depends on a\n"), "{status}");
    assert!(status.ends_with("\n4 stale\n"), "{status}");
    assert_eq!(bench.json(&["status", "--json", "a"]).as_array().unwrap().len(), 1);
}

#[test]
fn why_goes_down_to_the_first_cause() {
    let bench = bench();
    bench.ok(&["run"]);
    assert!(bench.ok(&["why", "c"]).out.contains("it had never run before"));
    bench.write("f", "g\n");
    let before = bench.ok(&["why", "c"]).out;
    assert!(before.starts_with("c: stale\n  depends on\n    b[seed=s0]: stale\n"), "{before}");
    assert!(before.contains("a: stale\n          file f (f) changed\n"), "{before}");
    bench.ok(&["run"]);
    let after = bench.ok(&["why", "c"]).out;
    assert!(after.starts_with("c: fresh, made in run "), "{after}");
    assert!(after.contains("input b[seed=s0] changed") && after.contains("file f (f) changed"), "{after}");
    let why = bench.json(&["why", "b[seed=s1]", "--json"]);
    assert_eq!(why[0]["causes"][0]["instance"], "a");
    assert_eq!(why[0]["causes"][0]["reason"]["changed"][0]["file"]["change"], "changed");
    let set = "b.command=[\"sh\", \"-c\", \"echo > {outputs.out}/x\"]";
    let why = bench.ok(&["why", "b[seed=s0]", "--set", set]).out;
    assert!(why.contains("b[seed=s0]: stale\n  parameter command[2]: \"echo $SEED"), "{why}");
}

#[test]
fn graph_has_five_forms() {
    let bench = bench();
    let text = bench.ok(&["graph"]).out;
    assert_eq!(text, "a (missing)\nb[seed=s0] (missing) ← a\nb[seed=s1] (missing) ← a\nc (missing) ← b[seed=s0], b[seed=s1]\n");
    let dot = bench.ok(&["graph", "--format", "dot"]).out;
    assert!(dot.starts_with("digraph pipeline {") && dot.contains("n1 [label = \"b[seed=s0]\"") && dot.contains("n0 -> n1;"), "{dot}");
    let mermaid = bench.ok(&["graph", "--format", "mermaid", "b"]).out;
    assert!(mermaid.starts_with("flowchart LR\n") && mermaid.contains("n2[\"b[seed=s1]\"]") && mermaid.contains("n0 --> n2"), "{mermaid}");
    assert!(!mermaid.contains("n3"));
    let svg = bench.ok(&["graph", "--format", "svg"]).out;
    assert!(svg.starts_with("<svg ") && svg.contains(">seed=s0</text>") && svg.matches("marker-end").count() == 4, "{svg}");
    let json: serde_json::Value = serde_json::from_str(&bench.ok(&["graph", "--json"]).out).unwrap();
    assert_eq!((&json["nodes"][3]["name"], &json["edges"]), (&"c".into(), &serde_json::json!([[0, 1], [0, 2], [1, 3], [2, 3]])));
    assert_eq!(bench.ok(&["graph", "--stages"]).out, "a (missing)\nb (2 instances, missing) ← a\nc (missing) ← b\n");
}

#[test]
fn log_shows_what_was_printed() {
    let bench = bench();
    bench.ok(&["run"]);
    let said = bench.ok(&["log", "a"]);
    assert_eq!(said.out, "said\n");
    assert!(said.err.contains("a in run "));
    assert_eq!(bench.ok(&["log", "a", "--follow"]).out, "said\n");
    bench.planish(&["log", "b"]).complains(2, &["`b` stands for 2 instances", "b[seed=s0], b[seed=s1]"]);
}

#[test]
fn log_follows_a_running_stage() {
    let bench = Bench::new(&shell("a", "echo first; while ! test -e @/go; do sleep 0.02; done; echo last; echo x > {outputs.out}/x", ""));
    let run = bench.start(&["run"]);
    crate::bench::wait_until("the log", || bench.planish(&["log", "a"]).out == "first\n");
    let follow = bench.start(&["log", "a", "--follow"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    bench.write("go", "");
    let said = crate::bench::Said::of(&follow.wait_with_output().unwrap());
    assert_eq!((said.code, said.out.as_str()), (0, "first\nlast\n"));
    assert!(run.wait_with_output().unwrap().status.success());
}

#[test]
fn show_lists_files_and_where_they_come_from() {
    let bench = bench();
    bench.ok(&["run"]);
    let text = bench.ok(&["show", "a"]).out;
    for words in ["a\n  key ", "output out  ", "  x  2 B  ", "provenance\n", "  by    planish ", "  log   runs/"] {
        assert!(text.contains(words), "no `{words}` in\n{text}");
    }
    let view = bench.json(&["show", "a", "--json"]);
    let provenance = &view[0]["provenance"];
    assert!(provenance["started"].as_str().unwrap() <= provenance["ended"].as_str().unwrap());
    assert_eq!((&view[0]["fresh"], &view[0]["outputs"][0]["files"][0]["size"]), (&true.into(), &2.into()));
    bench.write("f", "longer\n");
    assert!(bench.ok(&["show", "a"]).out.starts_with("a (an earlier result;"));
}

#[test]
fn show_copies_results_out_but_over_nothing() {
    let bench = bench();
    bench.ok(&["run"]);
    let said = bench.ok(&["show", "c", "--restore", "copy"]);
    assert!(said.err.contains("c:out → copy/out"), "{}", said.err);
    assert_eq!(bench.read("copy/out/x"), "0\nf\n1\nf\n");
    bench.planish(&["show", "c", "--restore", "copy"]).complains(2, &["is not empty"]);
    bench.planish(&["show", "b", "--restore", "other"]).complains(2, &["`b` stands for 2 instances"]);
    // A copy that is edited is not the store's.
    bench.write("copy/out/x", "edited");
    bench.ok(&["run"]).counts(4, 0);
}

#[test]
fn a_run_leaves_a_record_and_a_log_for_each_instance() {
    let bench = bench();
    bench.ok(&["run"]);
    let runs: Vec<_> = std::fs::read_dir(bench.path(".planish/runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let folder = runs.iter().find(|path| path.join("run.json").exists()).unwrap();
    let record: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(folder.join("run.json")).unwrap()).unwrap();
    assert_eq!((&record["schema"], &record["exit"]), (&1.into(), &0.into()));
    for id in ALL {
        assert_eq!(record["instances"][id]["state"], "done", "{id}");
        assert!(folder.join(format!("{id}.log")).exists());
    }
}
