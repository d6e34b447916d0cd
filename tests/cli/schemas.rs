//! The committed schemas are current, and what planish answers and reads agrees with them.

use std::path::Path;

use serde_json::Value;

use crate::adopting::age;
use crate::bench::{Bench, shell};
use crate::validator::refusal;

/// The committed file must be what `planish schema` prints.
#[track_caller]
pub(crate) fn current(of: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schema/{of}.json"));
    let printed = Bench::new("").ok(&["schema", of]).out;
    assert_eq!(
        std::fs::read_to_string(&path).unwrap_or_default(),
        printed,
        "docs/schema/{of}.json is not current: planish schema {of} > docs/schema/{of}.json"
    );
    serde_json::from_str(&printed).unwrap()
}

fn bench() -> Bench {
    let bench = Bench::new(
        &(shell(
            "a",
            "echo said; cat {files.f} > {outputs.out}/x",
            "files.f = \"f\"\n[stages.a.matrix.word]\none = { environment.WORD = \"1\" }",
        ) + &shell("b", "cat {inputs.a}/*/x > {outputs.out}/x", "inputs.a = [\"a\"]")
            + &shell("c", "exit 3", "inputs.b = \"b\"")),
    );
    bench.write("f", "f\n");
    bench
}

#[test]
fn every_answer_agrees_with_its_schema() {
    let bench = bench();
    assert_eq!(bench.planish(&["run"]).code, 1);
    bench.write("f", "g\n");
    // Two answers of each: while `a` is stale, and after it was made again.
    for _ in 0..2 {
        for (of, arguments) in [
            ("plan", vec!["plan", "--json"]),
            ("status", vec!["status", "--json"]),
            ("why", vec!["why", "c", "--json"]),
            ("show", vec!["show", "a", "--json"]),
            ("list", vec!["list", "--json"]),
            ("artifacts", vec!["list", "--artifacts", "--json"]),
            ("graph", vec!["graph", "--json"]),
            ("log", vec!["log", "c", "--json"]),
            ("doctor", vec!["doctor", "--json"]),
        ] {
            let schema = current(of);
            let answer: Value = serde_json::from_str(&bench.ok(&arguments).out).unwrap();
            assert_eq!(refusal(&schema, &answer), None, "{of}: {answer:#}");
            assert_eq!(answer["schema"], 1);
            let mut other = answer.clone();
            for field in ["instances", "nodes", "findings"] {
                if other.get(field).is_some() {
                    other[field] = "nothing".into();
                }
            }
            assert!(refusal(&schema, &other).is_some(), "{of}");
        }
        assert_eq!(bench.planish(&["run"]).code, 1);
    }
}

/// Whether an answer agrees with its schema, and would not with `field` of another type.
#[track_caller]
pub(crate) fn agrees(of: &str, answer: &str, field: &str) -> Value {
    let schema = current(of);
    let answer: Value = serde_json::from_str(answer).unwrap();
    assert_eq!(refusal(&schema, &answer), None, "{of}: {answer:#}");
    assert_eq!(answer["schema"], 1);
    for other in [Value::from("nothing"), serde_json::json!([{}])] {
        let mut changed = answer.clone();
        changed[field] = other;
        assert!(refusal(&schema, &changed).is_some(), "{of}");
    }
    let mut missing = answer.clone();
    missing.as_object_mut().unwrap().remove(field).unwrap();
    assert!(refusal(&schema, &missing).is_some(), "{of}");
    answer
}

#[test]
fn answers_about_the_store_agree_with_their_schemas() {
    let bench = bench();
    assert_eq!(bench.planish(&["run"]).code, 1);
    let kept = agrees("pin", &bench.ok(&["pin", "mine", "a", "--json"]).out, "kept");
    assert_eq!((kept["command"].as_str(), kept["kept"].as_array().unwrap().len()), (Some("pin"), 2));
    let kept = agrees("pin", &bench.ok(&["unpin", "mine", "--json"]).out, "kept");
    assert_eq!((kept["command"].as_str(), kept["kept"].as_array().unwrap().len()), (Some("unpin"), 1));

    age(&bench, "a[word=one]");
    let answer = agrees("adopt", &bench.ok(&["adopt", "a", "--because", "a name", "--json"]).out, "adopted");
    assert_eq!((&answer["adopted"][0]["because"], &answer["undone"]), (&"a name".into(), &Value::Array(Vec::new())));
    let answer = agrees("adopt", &bench.ok(&["adopt", "a", "--undo", "--json"]).out, "undone");
    assert_eq!(answer["undone"][0]["instance"], "a[word=one]");
    let none = bench.planish(&["adopt", "c", "--undo", "--json"]);
    assert_eq!((none.code, none.out.as_str()), (2, ""));

    bench.write("f", "g\n");
    assert_eq!(bench.planish(&["run"]).code, 1);
    for arguments in [&["gc", "--dry-run", "--json"][..], &["gc", "--json"]] {
        let answer = agrees("gc", &bench.ok(arguments).out, "removed");
        assert_eq!(answer["dry_run"], arguments.contains(&"--dry-run"));
        assert!(!answer["removed"].as_array().unwrap().is_empty());
    }
    assert_eq!(agrees("verify", &bench.ok(&["verify", "--json"]).out, "findings")["findings"], Value::Array(Vec::new()));
    std::fs::write(bench.path(".planish/snapshot"), "damaged").unwrap();
    let said = bench.planish(&["verify", "--json"]);
    let answer = agrees("verify", &said.out, "findings");
    assert_eq!((said.code, &answer["findings"][0]["repair"], &answer["repaired"]), (4, &"rebuilt".into(), &true.into()));
}

#[test]
fn what_was_made_is_told_in_json_on_standard_output_alone() {
    let bench = bench();
    let said = bench.planish(&["run", "--json"]);
    assert_eq!(said.code, 1);
    let answer = agrees("run", &said.out, "instances");
    assert!(
        said.err.contains("failed: c: `sh` ended with exit code 3") && said.err.contains("3 instances: 0 in the store, 2 ran, 1 failed")
    );
    for part in ["counts", "seconds"] {
        agrees("run", &said.out, part);
    }
    assert_eq!(masked(answer), serde_json::from_str::<Value>(RAN).unwrap());
    // Quiet: what went wrong, and nothing else.
    let quiet = bench.planish(&["run", "--json", "--quiet"]);
    assert!(!quiet.err.contains("instances:") && quiet.err.starts_with("failed: c"), "{}", quiet.err);
    let again = agrees("run", &quiet.out, "instances");
    assert_eq!(
        again["counts"],
        serde_json::json!({ "hit": 2, "done": 0, "made_by_another_run": 0, "failed": 1, "blocked": 0, "stopped": 0, "not_started": 0 })
    );

    let hits = agrees("run", &bench.ok(&["run", "b", "--json"]).out, "instances");
    assert_eq!((&hits["run"], &hits["exit"], &hits["instances"][1]["state"]), (&Value::Null, &0.into(), &"hit".into()));
    agrees("plan", &bench.ok(&["run", "--dry-run", "--json"]).out, "instances");
    let none = bench.planish(&["report", "--json"]);
    assert_eq!((none.code, none.out.as_str()), (2, ""), "no stage of this pipeline makes a report");
    current("report");
    let wrong = bench.planish(&["run", "nothing", "--json"]);
    assert_eq!((wrong.code, wrong.out.as_str()), (2, ""));

    let made = agrees("init", &bench.ok(&["init", "--file", "new.toml", "--template", "command", "--json"]).out, "template");
    assert_eq!((&made["path"], &made["template"]), (&"new.toml".into(), &"command".into()));
    assert!(bench.read("new.toml").contains("[stages."));
}

/// An answer with what is not the same in every run replaced.
fn masked(mut answer: Value) -> Value {
    let text = |value: &mut Value| {
        assert!(value.as_str().is_some_and(|text| text.len() >= 16), "{value}");
        *value = "…".into();
    };
    let seconds = |value: &mut Value| {
        assert!(value.as_f64().is_some_and(|seconds| seconds > 0.0), "{value}");
        *value = 0.into();
    };
    text(&mut answer["run"]);
    seconds(&mut answer["seconds"]);
    for instance in answer["instances"].as_array_mut().unwrap() {
        text(&mut instance["key"]);
        text(&mut instance["log"]);
        if !instance["seconds"].is_null() {
            seconds(&mut instance["seconds"]);
        }
    }
    answer
}

/// What `run --json` answers, masked.
const RAN: &str = r#"{
  "schema": 1, "command": "run", "run": "…", "exit": 1, "interrupted": false, "seconds": 0,
  "counts": { "hit": 0, "done": 2, "made_by_another_run": 0, "failed": 1, "blocked": 0, "stopped": 0, "not_started": 0 },
  "instances": [
    { "instance": "a[word=one]", "stage": "a", "kind": "command", "state": "done", "key": "…", "reason": "first", "seconds": 0,
      "failure": null, "blocked_by": [], "note": null, "log": "…", "adopted": false, "rests_on": [] },
    { "instance": "b", "stage": "b", "kind": "command", "state": "done", "key": "…", "reason": "first", "seconds": 0,
      "failure": null, "blocked_by": [], "note": null, "log": "…", "adopted": false, "rests_on": [] },
    { "instance": "c", "stage": "c", "kind": "command", "state": "failed", "key": "…", "reason": "first", "seconds": null,
      "failure": { "class": "stage", "message": "`sh` ended with exit code 3", "hint": null, "transient": true },
      "blocked_by": [], "note": null, "log": "…", "adopted": false, "rests_on": [] }
  ],
  "pages": []
}"#;

#[cfg(feature = "ml")]
mod pipelines {
    use super::*;

    fn parse(text: &str) -> Value {
        serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap()
    }

    fn shipped() -> String {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipeline.toml")).unwrap()
    }

    #[test]
    fn the_shipped_pipelines_agree_with_the_schema() {
        let schema = current("pipeline");
        assert!(shipped().starts_with("#:schema ./docs/schema/pipeline.json\n"), "editors find the schema by the first line");
        assert_eq!(refusal(&schema, &parse(&shipped())), None);
        for template in ["robustness", "command"] {
            let bench = Bench::new("");
            std::fs::remove_file(bench.path("pipeline.toml")).unwrap();
            bench.ok(&["init", "--template", template]);
            assert_eq!(refusal(&schema, &parse(&bench.read("pipeline.toml"))), None, "{template}");
            assert!(bench.ok(&["plan"]).out.contains(" to run"), "{template}");
        }
    }

    #[test]
    fn what_planish_refuses_by_its_form_the_schema_refuses_too() {
        let schema = current("pipeline");
        let edits = [
            ("run = \"train\"", "run = \"trian\""),
            ("epochs = 10", "epoch = 10"),
            ("epochs = 10", "epochs = \"ten\""),
            ("\"linf\", eps = 0.1", "\"linf\", eps = \"8/x\""),
            ("objective.llr", "objective.lr"),
            ("lambda = 4.0", "lamda = 4.0"),
            ("inputs = { data = \"data\" }", "input = { data = \"data\" }"),
            ("inputs = { data = \"data\" }", "inputs = { data = 3 }"),
            ("steps = 3, step_size = \"0.5 eps\"", "steps = 3, step_size = \"0.5 epsilon\""),
            ("seed = [0]", "seed = [0.5]"),
            ("[profiles.smoke.stages.data]", "[profiles.smoke.stage.data]"),
        ];
        for (from, to) in edits {
            let edited = shipped().replacen(from, to, 1);
            assert_ne!(edited, shipped(), "{from}");
            assert!(refusal(&schema, &parse(&edited)).is_some(), "the schema takes `{to}`");
        }
        let allowed = [
            ("objective.nominal = {}", "objective = \"nominal\""),
            ("epochs = 10", "epochs = 10\n\"optimizer.momentum\" = 0.8"),
            ("\"linf\", eps = 0.1", "\"linf\", eps = \"8/255\""),
            ("seed = [0]", "seed = [0, 1]\nepochs.short = { epochs = 2 }"),
            (
                "attacks = { from = [\"attack\", \"losses\", \"radii\"], optional = true }",
                "attacks = { from = \"attack[method=llr]\", over = [\"attack\"], optional = true }",
            ),
            (
                "run = \"train\"",
                "run = \"train\"\ncpus = 2\nmemory = \"4 GB\"\nkey_also = [\"device\"]\nexclude = [{ method = \"llr\", seed = 0 }]",
            ),
        ];
        for (from, to) in allowed {
            let edited = shipped().replacen(from, to, 1);
            assert_ne!(edited, shipped(), "{from}");
            assert_eq!(refusal(&schema, &parse(&edited)), None, "{to}");
        }
    }
}
