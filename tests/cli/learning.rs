//! The shipped pipeline's smoke profile, through the real stages: data, training, export, attacks, tables.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bench::{Bench, signal, wait_until};
use crate::schemas::agrees;
use crate::serving::Served;

const PIPELINE: &str = include_str!("../../pipeline.toml");
/// data, 4 trainings, 4 exports, 4 × (3 + 2 + 1) attacks, 4 landscapes, tables.
const INSTANCES: usize = 38;

fn smoke<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--profile", "smoke"], more].concat()
}

/// Instance → its outputs with the digests of all files.
fn digests(bench: &Bench, more: &[&str]) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for stage in ["data", "train", "export", "attack", "losses", "radii", "landscape", "tables"] {
        let list = bench.json(&[&["show", stage, "--json", "--profile", "smoke"], more].concat());
        for instance in list.as_array().unwrap() {
            found.insert(instance["instance"].as_str().unwrap().to_owned(), instance["outputs"].clone());
        }
    }
    found
}

#[test]
fn one_command_makes_the_table_and_a_second_does_nothing() {
    let bench = Bench::new(PIPELINE);
    let first = bench.ok(&smoke(&[]));
    first.counts(0, INSTANCES);
    for word in ["Nominal", "FGSM-20", "Multi-Targeted", "| LLR", "linf 0.1, 32 images"] {
        assert!(first.out.contains(word), "no `{word}` in\n{}", first.out);
    }
    let page = bench.read("report-smoke.html");
    assert!(page.contains("<svg") && page.contains("train[method=llr,seed=0]"));
    bench.ok(&smoke(&[])).counts(INSTANCES, 0);

    bench.write("report-smoke.html", "lost");
    let report = ["report", "--profile", "smoke", "--json"];
    let answer = agrees("report", &bench.ok(&report).out, "pages");
    let [only] = &answer["pages"].as_array().unwrap()[..] else { panic!("{answer}") };
    assert_eq!(bench.path(only["path"].as_str().unwrap()).canonicalize().unwrap(), bench.path("report-smoke.html").canonicalize().unwrap());
    assert!(first.out.contains(only["text"].as_str().unwrap()) && only["text"].as_str().unwrap().contains("| LLR"), "{answer}");
    assert_eq!(bench.read("report-smoke.html"), page);

    // Only what depends on a changed value runs.
    bench.ok(&smoke(&["--set", "attack.seed=1"])).counts(25, 13);
    bench.pipeline(&PIPELINE.replace("trades = { objective.trades = { beta = ", "trades = { objective.trades = { beta = 1"));
    bench.ok(&smoke(&[])).counts(28, 10);
    bench.pipeline(PIPELINE);
    bench.ok(&smoke(&[])).counts(INSTANCES, 0);
}

/// A training that diverges costs its own row.
#[test]
fn a_failed_training_is_a_gap_on_the_page() {
    let method = "llr = { objective.llr = { lambda = 4.0, mu = 3.0, steps = 2 } }\ntrades";
    let wild = method.replace(" }\n", ", \"optimizer.learning_rate\" = 1e30 }\n");
    let bench = Bench::new(&PIPELINE.replacen(method, &wild, 1));
    let said = bench.planish(&smoke(&["--keep-going"]));
    said.complains(1, &["failed: train[method=llr,seed=0]", "report: ", "report-smoke.html"]);
    assert!(said.out.contains("| ADV") && said.out.contains("missing:"), "{}", said.out);
    let page = bench.read("report-smoke.html");
    for words in ["<span class=\"state failed\">failed</span>", "instances have no result", "ADV"] {
        assert!(page.contains(words), "no `{words}` on the page");
    }
    std::fs::remove_file(bench.path("report-smoke.html")).unwrap();
    let again = bench.planish(&["report", "--profile", "smoke"]);
    again.complains(0, &["1 of the pipeline's instances failed: the page shows what the last run made without them, with gaps"]);
    let page = bench.read("report-smoke.html");
    assert!(page.contains("<span class=\"state failed\">failed</span>") && page.contains("instances have no result"));
    // The server has the same page.
    let served = Served::with(&bench, &["--profile", "smoke"]);
    assert_eq!(served.state()["pages"], serde_json::json!(["report-smoke.html"]));
    assert_eq!(served.get("/page/report-smoke.html"), page);
}

#[test]
fn equal_runs_make_equal_bytes_whatever_the_execution() {
    let bench = Bench::new(PIPELINE);
    bench.ok(&smoke(&["--store", "one", "--cpus", "1"]));
    let other = ["--set", "attack.execution.batch_size=7", "--set", "train.cpus=2", "--set", "attack.cpus=2", "--cpus", "2"];
    bench.ok(&smoke(&[&["--store", "two"], &other[..]].concat()));
    let one = digests(&bench, &["--store", "one"]);
    assert_eq!(one.len(), INSTANCES);
    assert_eq!(one, digests(&bench, &["--store", "two"]));
    // What must not change bytes is not part of the key.
    bench.ok(&smoke(&[&["--store", "one"], &other[..]].concat())).counts(INSTANCES, 0);
}

#[test]
fn a_killed_training_goes_on_and_ends_with_the_same_bytes() {
    let bench = Bench::new(PIPELINE);
    let target = "train[method=llr]";
    let longer = ["--set", "train.epochs=12", "--cpus", "1"];
    bench.ok(&smoke(&[&[target, "--store", "unbroken"], &longer[..]].concat()));

    let broken = [&[target, "--store", "broken"], &longer[..]].concat();
    let mut engine = bench.start(&smoke(&broken));
    let kept = || walk(&bench.path("broken/checkpoints")) > 0;
    wait_until("a checkpoint", kept);
    signal(engine.id(), "KILL");
    engine.wait().unwrap();
    bench.ok(&smoke(&broken));
    let show = |store| bench.json(&["show", target, "--json", "--profile", "smoke", "--store", store, "--set", "train.epochs=12"]);
    assert_eq!(show("unbroken")[0]["outputs"], show("broken")[0]["outputs"]);
    assert_eq!(walk(&bench.path("broken/checkpoints")), 0, "checkpoints go when the result is there");
}

/// How many files lie below a folder.
fn walk(folder: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.flatten().map(|e| if e.path().is_dir() { walk(&e.path()) } else { 1 }).sum()
}

#[test]
fn mistakes_are_told_with_their_place() {
    let bench = Bench::new(&PIPELINE.replace("epochs = 1", "epoch = 1"));
    bench.planish(&["plan"]).complains(2, &["epoch", "pipeline.toml"]);
    bench.pipeline(&PIPELINE.replace("inputs = { model = \"train\", data = \"data\" }", "inputs = { model = \"data\", data = \"data\" }"));
    bench.planish(&["plan"]).complains(2, &["checkpoint", "data-set"]);
    bench.pipeline(PIPELINE);
    bench.planish(&["plan", "--set", "train.objective.lrr.steps=2"]).complains(2, &["lrr"]);
}

#[test]
fn a_missing_data_set_fails_with_the_way_out() {
    let bench = Bench::new(PIPELINE);
    let mut command = bench.command(&smoke(&["--set", "data.dataset=cifar10", "--set", "data.execution.download=false", "data"]));
    command.env("XDG_CACHE_HOME", bench.path("cache")).env_remove("PLANISH_DATA");
    crate::bench::Said::of(&command.output().unwrap()).complains(1, &["cifar", "--data-dir"]);
}
