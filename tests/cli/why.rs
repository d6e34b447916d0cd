//! `why`: what changed since the result that the store still holds.

use serde_json::{Value, json};

use crate::bench::{Bench, shell};

/// `b` copies what `a` makes of a file and a variable; `c` fails.
fn bench() -> Bench {
    let bench = Bench::new(
        &(shell("a", "cat {files.f} > {outputs.out}/x; echo $N >> {outputs.out}/x", "files.f = \"f\"\nparams.environment = { N = \"1\" }")
            + &shell("b", "cp {inputs.a}/x {outputs.out}/", "inputs.a = \"a\"")
            + &shell("c", "exit 3", "inputs.b = \"b\"")),
    );
    bench.write("f", "f\n");
    bench
}

fn only(bench: &Bench, arguments: &[&str]) -> Value {
    let answer = bench.json(&[&["why"], arguments, &["--json"]].concat());
    answer[0].clone()
}

fn key(bench: &Bench, instance: &str) -> Value {
    bench.json(&["show", instance, "--json"])[0]["key"].clone()
}

#[test]
fn an_instance_that_never_ran_has_no_earlier_result() {
    let bench = bench();
    assert_eq!(bench.ok(&["why", "b"]).out, "b: missing\n  depends on\n    a: missing\n      it has never run\n");
    let why = only(&bench, &["a"]);
    assert_eq!((&why["reason"], &why["superseded"], &why["run"]), (&json!("first"), &Value::Null, &Value::Null));
    bench.planish(&["run"]);
    assert!(bench.ok(&["why", "a"]).out.ends_with("\n  it had never run before\n"));
}

#[test]
fn a_superseded_result_is_named_with_its_key_and_run_and_what_changed() {
    let bench = bench();
    bench.planish(&["run"]);
    let (a, b) = (key(&bench, "a"), key(&bench, "b"));
    let run = only(&bench, &["a"])["run"].clone();
    bench.write("f", "g\n");
    let set = ["--set", "a.environment.N=\"2\"", "--set", "b.environment={ M = \"3\" }"];
    let why = only(&bench, &[&["b"][..], &set].concat());
    // What `a` will make is not known yet; that of `b` itself which changed is.
    assert_eq!((&why["standing"], &why["key"], &why["reason"]), (&json!("stale"), &Value::Null, &Value::Null));
    let own = &why["superseded"];
    assert_eq!((&own["key"], &own["run"], &own["foreign"]), (&b, &run, &json!(false)));
    assert_eq!(own["differences"], json!([{ "parameter": { "path": "environment.M", "old": null, "new": "3" } }]));
    let cause = &why["causes"][0];
    assert_eq!(
        cause["reason"]["changed"],
        json!([
            { "parameter": { "path": "environment.N", "old": "1", "new": "2" } },
            { "file": { "name": "f", "file": "f", "change": "changed" } }
        ])
    );
    assert_eq!((&cause["superseded"]["key"], &cause["superseded"]["differences"]), (&a, &json!([])));
    assert!(cause["key"].is_string() && cause["key"] != a);

    let text = bench.ok(&[&["why", "b"][..], &set].concat()).out;
    let short = |key: &Value| key.as_str().unwrap()[..12].to_owned();
    let expected =
        format!("b: stale\n  parameter environment.M added: \"3\"\n  compared with the earlier result (key {}…, run ", short(&b));
    assert!(text.starts_with(&expected), "{text}");
    assert!(
        text.contains("parameter environment.N: \"1\" → \"2\"\n      file f (f) changed\n      compared with the earlier result (key ")
    );
    assert!(text.contains(&format!("(key {}… → {}…, run ", short(&a), short(&cause["key"]))), "{text}");
}

#[test]
fn a_failure_and_what_it_depends_on_are_told_together() {
    let bench = bench();
    bench.planish(&["run"]);
    let why = bench.ok(&["why", "c"]).out;
    assert!(why.contains("last time: `sh` ended with exit code 3\n  it failed last time\n"), "{why}");
    bench.write("f", "g\n");
    let why = bench.ok(&["why", "c"]).out;
    assert!(why.contains("  depends on\n    b: stale\n      depends on\n        a: stale\n"), "{why}");
    assert!(why.contains("        a: stale\n          file f (f) changed\n"), "{why}");
}

#[test]
fn a_result_that_fits_again_names_the_run_that_made_it() {
    let bench = bench();
    bench.planish(&["run"]);
    let first = only(&bench, &["a"])["run"].clone();
    bench.planish(&["run", "--set", "a.environment.N=\"2\""]);
    // Back without a run, and after one that had nothing to do.
    for _ in 0..2 {
        let why = only(&bench, &["a"]);
        assert_eq!((&why["standing"], &why["run"], &why["superseded"]), (&json!("fresh"), &first, &Value::Null));
        assert_eq!(why["reason"]["changed"], json!([{ "parameter": { "path": "environment.N", "old": "2", "new": "1" } }]));
        bench.planish(&["run"]);
    }
}

#[test]
fn results_that_another_pipeline_file_or_profile_made_are_compared_too() {
    let bench = bench();
    bench.planish(&["run"]);
    let (a, run) = (key(&bench, "a"), only(&bench, &["a"])["run"].clone());
    std::fs::copy(bench.path("pipeline.toml"), bench.path("other.toml")).unwrap();
    let other = ["a", "--file", "other.toml"];
    // The same key: a hit of another run.
    let why = only(&bench, &other);
    assert_eq!((&why["standing"], &why["run"], &why["key"], &why["reason"]), (&json!("fresh"), &run, &a, &Value::Null));
    let why = only(&bench, &[&other[..], &["--set", "a.environment.N=\"2\""]].concat());
    assert_eq!((&why["standing"], &why["reason"]), (&json!("missing"), &json!("first")));
    assert_eq!((&why["superseded"]["key"], &why["superseded"]["foreign"]), (&a, &json!(true)));
    assert_eq!(why["superseded"]["differences"], json!([{ "parameter": { "path": "environment.N", "old": "1", "new": "2" } }]));
    // Without its result in the store there is nothing to compare with.
    std::fs::remove_dir_all(bench.path(".planish/index")).unwrap();
    assert_eq!(only(&bench, &other)["superseded"], Value::Null);
}
