//! The store's own commands: `gc`, `verify`, `pin`, `unpin`.

use std::path::PathBuf;

use serde_json::Value;

use crate::bench::{Bench, Said, shell, signal, wait_until};

fn answer(bench: &Bench, arguments: &[&str]) -> Value {
    let value: Value = serde_json::from_str(&bench.ok(arguments).out).unwrap();
    assert_eq!((&value["schema"], &value["command"]), (&Value::from(1), &Value::from(arguments[0])));
    value
}

fn removed(answer: &Value) -> Vec<String> {
    let list = answer["removed"].as_array().unwrap();
    list.iter().map(|removed| format!("{} {}", removed["kind"].as_str().unwrap(), removed["name"].as_str().unwrap_or("-"))).collect()
}

fn pipeline(text: &str) -> String {
    shell("a", &format!("echo {text} > {{outputs.out}}/x"), "") + &shell("b", "cp {inputs.a}/x {outputs.out}/", "inputs.a = \"a\"")
}

fn files(bench: &Bench, folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![bench.path(folder)];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { pending.push(path) } else { found.push(path) }
        }
    }
    found
}

#[test]
fn gc_keeps_what_the_latest_run_of_each_profile_reached() {
    let profile = "[profiles.other]\nstages.a.params.command = [\"sh\", \"-c\", \"echo other > {outputs.out}/x\"]\n";
    let bench = Bench::new(&(pipeline("first") + profile));
    bench.ok(&["run"]).counts(0, 2);
    bench.pipeline(&(pipeline("second") + profile));
    bench.ok(&["run"]).counts(0, 2);
    bench.ok(&["run", "--profile", "other"]).counts(0, 2);

    let dry = answer(&bench, &["gc", "--dry-run", "--json"]);
    assert_eq!(bench.ok(&["gc", "--dry-run"]).out.lines().next().unwrap().split_whitespace().next(), Some("result"));
    let said = bench.ok(&["gc"]).out;
    assert!(said.contains("2 results; 4 results stay") && said.contains("pipeline.toml, profile other"), "{said}");
    let mut names = removed(&dry);
    names.sort_unstable();
    assert_eq!(names, ["result a", "result b"]);
    for arguments in [&["run"][..], &["run", "--profile", "other"]] {
        bench.ok(arguments).counts(2, 0);
    }
    bench.pipeline(&(pipeline("first") + profile));
    bench.ok(&["run"]).counts(0, 2);
    assert!(removed(&answer(&bench, &["gc", "--older-than", "1h", "--json"])).is_empty());
}

#[test]
fn a_stage_that_left_the_pipeline_is_no_longer_kept_and_a_target_alone_forgets_nothing() {
    let bench = Bench::new(&pipeline("x"));
    bench.ok(&["run"]).counts(0, 2);
    bench.ok(&["run", "a"]).counts(1, 0);
    assert!(removed(&answer(&bench, &["gc", "--json"])).is_empty());
    bench.pipeline(&shell("a", "echo x > {outputs.out}/x", ""));
    bench.ok(&["run"]).counts(1, 0);
    assert_eq!(removed(&answer(&bench, &["gc", "--json"])), ["result b"]);
}

#[test]
fn a_run_with_nothing_to_do_makes_its_plan_the_latest_again() {
    let bench = Bench::new(&pipeline("x"));
    let other = ["run", "--set", "a.environment={ X = \"1\" }"];
    for _ in 0..2 {
        bench.ok(&["run"]);
        bench.ok(&other);
    }
    bench.ok(&["run"]).counts(2, 0);
    // Both stages were made again under --set, with the same bytes: the later stage is shared.
    assert_eq!(removed(&answer(&bench, &["gc", "--json"])), ["result a", "notes 1 note"]);
    bench.ok(&["run"]).counts(2, 0);
    bench.ok(&other).counts(1, 1);
}

#[test]
fn pinned_results_stay() {
    let bench = Bench::new(&pipeline("first"));
    bench.planish(&["pin", "paper"]).complains(2, &["`a` has no result", "planish run"]);
    bench.ok(&["run"]);
    bench.ok(&["pin", "paper"]);
    bench.planish(&["pin", "../paper"]).complains(2, &["can't be the name of a pin"]);
    bench.pipeline(&pipeline("second"));
    bench.ok(&["run"]);
    let list = bench.ok(&["pin"]).out;
    assert!(list.contains("plan  pipeline.toml  2 results") && list.contains("pin   paper          2 results"), "{list}");
    assert_eq!(answer(&bench, &["pin", "--json"])["kept"].as_array().unwrap().len(), 2);
    assert!(removed(&answer(&bench, &["gc", "--json"])).is_empty());
    bench.ok(&["unpin", "paper"]);
    bench.planish(&["unpin", "paper"]).complains(2, &["there is no pin `paper`"]);
    assert_eq!(removed(&answer(&bench, &["gc", "--json"])).len(), 2);
}

/// What failed has no result that could be kept.
#[test]
fn failed_work_is_not_listed_as_kept() {
    let bench = Bench::new(&(shell("good", "echo 1 > {outputs.out}/x", "") + &shell("bad", "exit 3", "")));
    assert_eq!(bench.planish(&["run"]).code, 1);
    let list = bench.ok(&["pin"]).out;
    assert_eq!(list, "plan  pipeline.toml  1 result\n");
    assert_eq!(answer(&bench, &["gc", "--json"])["kept"][0]["results"], 1);
}

#[test]
fn gc_by_size_says_when_that_is_not_enough() {
    let bench = Bench::new(&pipeline("first"));
    bench.ok(&["run"]);
    bench.pipeline(&pipeline("second"));
    bench.ok(&["run"]);
    assert!(removed(&answer(&bench, &["gc", "--max-size", "1GB", "--json"])).is_empty());
    let said = bench.ok(&["gc", "--max-size", "1B"]);
    assert!(said.out.contains("2 results;") && said.err.contains("more than 1 B"), "{}{}", said.out, said.err);
    bench.ok(&["run"]).counts(2, 0);
    for wrong in [&["gc", "--max-size", "much"][..], &["gc", "--older-than", "long"], &["gc", "--store", "nowhere"]] {
        assert_eq!(bench.planish(wrong).code, 2);
    }
    assert!(!bench.path("nowhere").exists());
}

#[test]
fn gc_beside_a_run_breaks_nothing() {
    let wait = "touch @/running; while [ ! -e @/go ]; do sleep 0.02; done;";
    let stages = shell("a", "echo made > {outputs.out}/x", "")
        + &shell("b", &format!("{wait} cp {{inputs.a}}/x {{outputs.out}}/"), "inputs.a = \"a\"")
        + &shell("c", "cat {inputs.a}/x {inputs.b}/x > {outputs.out}/x", "inputs.a = \"a\"\ninputs.b = \"b\"");
    let bench = Bench::new(&stages);
    let child = bench.start(&["run"]);
    wait_until("stage b", || bench.path("running").exists());
    for size in [&["gc", "--json"][..], &["gc", "--max-size", "0", "--json"]] {
        assert!(removed(&answer(&bench, size)).is_empty());
    }
    // Another profile's run makes the first one's plan the only thing that reaches its results.
    std::fs::remove_dir_all(bench.path(".planish/roots")).unwrap();
    let collected = answer(&bench, &["gc", "--max-size", "0", "--json"]);
    assert!(removed(&collected).is_empty(), "{collected}");
    assert_eq!(collected["results_in_use"], 1);
    bench.write("go", "");
    let said = Said::of(&child.wait_with_output().unwrap());
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    said.counts(0, 3);
    bench.ok(&["run"]).counts(3, 0);
}

#[test]
fn many_runs_and_collections_on_one_store_agree() {
    let stages: String = (0..4).map(|n| shell(&format!("s{n}"), &format!("echo {n} > {{outputs.out}}/x"), "")).collect();
    let gather = shell("all", "cat {inputs.s0}/x {inputs.s3}/x > {outputs.out}/x", "inputs.s0 = \"s0\"\ninputs.s3 = \"s3\"");
    let benches: Vec<Bench> =
        (0..8).map(|n| Bench::new(&(stages.clone() + &gather + &shell("own", &format!("echo own{n} > {{outputs.out}}/x"), "")))).collect();
    let store = benches[0].path("store");
    let store = store.to_str().unwrap();
    let mut runs: Vec<_> = benches.iter().map(|bench| bench.start(&["run", "--store", store])).collect();
    for _ in 0..10 {
        let said = benches[0].planish(&["gc", "--store", store, "--max-size", "0"]);
        assert!(said.code == 0 || said.code == 2 && said.err.contains("no store"), "{}{}", said.out, said.err);
    }
    for run in runs.drain(..) {
        let said = Said::of(&run.wait_with_output().unwrap());
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    }
    for bench in &benches {
        bench.ok(&["run", "--store", store]).counts(6, 0);
    }
    assert_eq!(benches[0].planish(&["verify", "--store", store]).code, 0);
}

#[test]
fn what_a_killed_run_reached_and_its_checkpoints_stay() {
    let wait = "touch @/running; sleep 60";
    let bench = Bench::new(&(shell("a", "echo made > {outputs.out}/x", "") + &shell("b", wait, "inputs.a = \"a\"")));
    let child = bench.start(&["run"]);
    wait_until("stage b", || bench.path("running").exists());
    signal(child.id(), "KILL");
    drop(child.wait_with_output());
    assert!(removed(&answer(&bench, &["gc", "--json"])).is_empty());
    assert_eq!(bench.standings(), ["fresh", "missing"]);
}

#[test]
fn verify_finds_and_repairs_with_exit_codes_that_tell() {
    let bench = Bench::new(&pipeline("text"));
    bench.ok(&["run"]);
    let said = bench.ok(&["verify"]);
    assert!(said.out.contains("2 results, 0 sub-results intact\nno faults"), "{}", said.out);

    let blob = files(&bench, ".planish/objects").into_iter().find(|path| std::fs::read(path).unwrap() == b"text\n").unwrap();
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, "TEXT\n").unwrap();
    let dry = bench.planish(&["verify", "--dry-run", "--json"]);
    assert_eq!(dry.code, 5);
    let json: Value = serde_json::from_str(&dry.out).unwrap();
    assert_eq!((&json["repaired"], json["findings"].as_array().unwrap().len()), (&Value::from(false), 3));
    assert_eq!(std::fs::read(&blob).unwrap(), b"TEXT\n");
    let said = bench.planish(&["verify"]);
    assert_eq!(said.code, 4, "{}{}", said.out, said.err);
    assert!(
        said.out.contains("is damaged: set aside as")
            && said.out.contains("the result of `b`")
            && said.out.contains("3 faults, all repaired")
    );
    assert_eq!(bench.ok(&["verify"]).code, 0);
    bench.ok(&["run"]).counts(0, 2);

    std::fs::write(files(&bench, ".planish/roots").remove(0), "damaged").unwrap();
    let said = bench.planish(&["verify"]);
    assert_eq!(said.code, 5, "{}{}", said.out, said.err);
    assert!(said.out.contains("not repaired: run that pipeline again"), "{}", said.out);
    bench.planish(&["gc"]).complains(3, &["is damaged"]);
    bench.ok(&["run"]).counts(2, 0);
    assert_eq!(bench.ok(&["verify"]).code, 0);
    bench.ok(&["gc"]);
    bench.planish(&["verify", "--store", "nowhere"]).complains(2, &["there is no store at nowhere", "--store"]);
}

fn runs(bench: &Bench) -> Vec<String> {
    let entries = std::fs::read_dir(bench.path(".planish/runs")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| name.starts_with("20")).collect();
    names.sort();
    names
}

#[test]
fn gc_removes_the_records_of_runs_that_newer_ones_tell_of() {
    let bench = Bench::new(&(pipeline("0") + &shell("once", "echo once; echo x > {outputs.out}/x", "")));
    for text in 0..6 {
        bench.ok(&["run", "--set", &format!("a.environment={{ N = \"{text}\" }}")]);
    }
    bench.ok(&["run"]);
    std::fs::create_dir(bench.path(".planish/runs/20200101-mine")).unwrap();
    let before: Vec<String> = runs(&bench).into_iter().filter(|name| !name.contains("mine")).collect();
    assert_eq!(before.len(), 7, "{before:?}");
    let names = |answer: &Value| -> Vec<String> {
        removed(answer).into_iter().filter_map(|name| name.strip_prefix("run ").map(str::to_owned)).collect()
    };
    assert!(names(&answer(&bench, &["gc", "--json", "--dry-run"])).is_empty(), "the newest 20 stay");
    assert!(names(&answer(&bench, &["gc", "--json", "--keep-runs", "2", "--older-than", "1h"])).is_empty());
    // The first has the only record of `once`.
    let expected = &before[1..5];
    assert_eq!(names(&answer(&bench, &["gc", "--json", "--keep-runs", "2", "--dry-run"])), expected);
    assert_eq!(runs(&bench).len(), 8);
    let history = files(&bench, ".planish/runs/history").remove(0);
    let kept = std::fs::read(&history).unwrap();
    std::fs::write(&history, "damaged").unwrap();
    assert!(names(&answer(&bench, &["gc", "--json", "--keep-runs", "2"])).is_empty(), "nobody knows what it named");
    std::fs::write(&history, kept).unwrap();
    let said = answer(&bench, &["gc", "--json", "--keep-runs", "2"]);
    assert_eq!(names(&said), expected);
    assert!(said["freed_bytes"].as_u64().unwrap() > 1000);
    assert_eq!(runs(&bench), [&["20200101-mine".to_owned()], &before[..1], &before[5..]].concat());
    assert_eq!(bench.ok(&["log", "once"]).out, "once\n");
    assert!(bench.ok(&["why", "a"]).out.contains(&before[6]));
    bench.ok(&["run"]).counts(3, 0);
    assert_eq!(bench.ok(&["gc", "--keep-runs", "0"]).code, 0);
    assert!(runs(&bench).contains(&before[0]));
}

#[test]
fn gc_removes_notes_that_no_run_can_answer_from() {
    let bench = Bench::new(&pipeline("first"));
    let notes = || {
        let mut names: Vec<_> = files(&bench, ".planish/runs/settled");
        names.sort();
        names
    };
    let note = || removed(&answer(&bench, &["gc", "--json"])).into_iter().filter(|name| name.starts_with("notes")).collect::<Vec<_>>();
    bench.ok(&["run"]).counts(0, 2);
    bench.ok(&["run"]).counts(2, 0);
    let [first] = &notes()[..] else { panic!("{:?}", notes()) };
    assert!(note().is_empty());
    // What another build left: the same but for the build, under a name of its own.
    let text = std::fs::read_to_string(first).unwrap();
    let mut body: Value = serde_json::from_str(&text[64..]).unwrap();
    body["build"] = "another".into();
    let body = body.to_string();
    let other = first.with_file_name("other.json");
    std::fs::write(&other, blake3::hash(body.as_bytes()).to_hex().to_string() + &body).unwrap();
    std::fs::write(first.with_file_name("damaged.json"), "{}").unwrap();
    assert!(bench.ok(&["gc", "--older-than", "1h"]).out.contains("nothing to remove"));
    let dry = bench.ok(&["gc", "--dry-run"]).out;
    assert!(dry.contains("notes  2 notes") && other.exists(), "{dry}");
    assert_eq!(note(), ["notes 2 notes"]);
    assert_eq!(notes(), std::slice::from_ref(first));

    // The results that it tells of go.
    bench.pipeline(&pipeline("second"));
    bench.ok(&["run", "--cpus", "1"]).counts(0, 2);
    bench.ok(&["run", "--cpus", "1"]).counts(2, 0);
    assert_eq!(notes().len(), 2);
    let dry = removed(&answer(&bench, &["gc", "--dry-run", "--json"]));
    assert!(dry.contains(&"notes 1 note".to_owned()) && dry.contains(&"result a".to_owned()), "{dry:?}");
    assert_eq!(removed(&answer(&bench, &["gc", "--json"])), dry);
    assert!(notes().len() == 1 && !first.exists());
    bench.ok(&["run", "--cpus", "1"]).counts(2, 0);
}

#[test]
fn gc_says_of_a_plan_only_how_many_results_are_there() {
    let bench = Bench::new(&(shell("a", "echo x > {outputs.out}/x", "") + &shell("b", "exit 3", "inputs.a = \"a\"")));
    assert_eq!(bench.planish(&["run"]).code, 1);
    let said = bench.ok(&["gc"]).out;
    assert!(said.contains("1 result stays") && said.contains("kept for  pipeline.toml  1 result\n"), "{said}");
}
