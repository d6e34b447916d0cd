//! How long a run would take: by results, by trials, by throughputs from elsewhere. Never how long anything took here.

use serde_json::Value;

use crate::bench::{Bench, Said};
use crate::schemas::agrees;

const PIPELINE: &str = include_str!("../../pipeline.toml");
const REFERENCES: &str = include_str!("../../references.toml");
const NOMINAL: &str = "train[method=nominal,seed=0]";
const LLR: &str = "train[method=llr,seed=0]";

fn time(said: &Said) -> &str {
    said.err.split_once("time: ").unwrap_or_else(|| panic!("no time in {}", said.err)).1
}

/// A number of one instance in the answer of `plan`.
fn number(plan: &Value, instance: &str, field: &str) -> f64 {
    let list = plan.as_array().unwrap();
    list.iter().find(|of| of["instance"] == instance).unwrap()[field]
        .as_f64()
        .unwrap_or_else(|| panic!("no {field} of {instance}: {plan:#}"))
}

#[test]
fn what_never_ran_is_told_by_what_is_like_it() {
    let bench = Bench::new(PIPELINE);
    let smoke = |more: &[&str]| bench.ok(&[more, &["--profile", "smoke"]].concat());
    let fresh = smoke(&["plan"]);
    assert!(time(&fresh).starts_with("not known; nothing like attack, data, export and 5 more has run"), "{}", fresh.err);
    assert!(fresh.err.contains("`planish throughput --measure`"), "{}", fresh.err);

    smoke(&["run", NOMINAL]);
    let plan = smoke(&["plan", NOMINAL, LLR]);
    assert!(time(&plan).contains("train: 1 instance, ") && time(&plan).contains("by 1 result of the same network"), "{}", plan.err);
    assert!(!time(&plan).contains("throughput --measure"), "the network has run here: {}", plan.err);
    let plan = bench.json(&["plan", NOMINAL, LLR, "--json", "--profile", "smoke"]);
    assert!(number(&plan, NOMINAL, "expected_seconds").abs() < 1e-9, "a hit costs nothing");
    let work = number(&plan, LLR, "work") / number(&plan, NOMINAL, "work");
    assert!(work > 3.0, "LLR passes more images than ordinary training: {work}");
    // The same throughput for both: more work takes longer, and twice the epochs nearly twice as long.
    let seconds =
        |more: &[&str]| number(&bench.json(&[&["plan", LLR, "--json", "--profile", "smoke"], more].concat()), LLR, "expected_seconds");
    let ratio = seconds(&["--set", "train.epochs=2"]) / seconds(&[]);
    assert!(ratio > 1.8 && ratio < 2.01, "{ratio}");

    // Other networks of the family: what is nearest counts, and is named.
    let plan = bench.ok(&["plan", LLR, "--profile", "smoke", "--set", "train.network.small-cnn.width=8"]);
    assert!(time(&plan).contains("by 1 result of small-cnn") && time(&plan).contains("throughput --measure"), "{}", plan.err);
    bench.write("references.toml", REFERENCES);
    let plan = bench.ok(&["plan", "--profile", "cifar10"]);
    // Seconds of a small training tell nothing of one that is a thousand times as much.
    assert!(!time(&plan).contains("by 1 result") && time(&plan).contains("throughput --measure"), "{}", plan.err);

    // What ran, and is now more work, takes longer by as much.
    let before =
        number(&bench.json(&["plan", NOMINAL, "--json", "--profile", "smoke", "--set", "train.epochs=2"]), NOMINAL, "expected_seconds");
    let more =
        number(&bench.json(&["plan", NOMINAL, "--json", "--profile", "smoke", "--set", "train.epochs=4"]), NOMINAL, "expected_seconds");
    assert!(more > 1.8 * before && more < 2.01 * before, "{before} {more}");
}

#[test]
fn trials_tell_of_networks_that_never_ran() {
    let bench = Bench::new(PIPELINE);
    let measured = agrees("throughput", &bench.ok(&["throughput", "--measure", "--json", "--profile", "smoke"]).out, "rates");
    let rates = measured["rates"].as_array().unwrap();
    let kinds: Vec<&str> = rates.iter().map(|rate| rate["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["attack", "landscape", "train"]);
    assert!(rates.iter().all(|rate| rate["basis"]["trial"].is_string() && rate["per_second"].as_f64().unwrap() > 0.0), "{measured:#}");
    // They are kept, and not made again.
    let again = bench.ok(&["throughput", "--measure", "--profile", "smoke"]);
    assert!(again.out.contains("trial on 20") && !again.err.contains("timing"), "{}{}", again.out, again.err);
    let plan = bench.ok(&["plan", "--profile", "smoke"]);
    assert!(time(&plan).contains("and more: nothing like data, export, tables has run"), "{}", plan.err);
    assert!(time(&plan).contains("by a trial of the same network on 20"), "{}", plan.err);
    assert!(time(&plan).contains("attack: 24 instances, at most "), "{}", plan.err);
}

#[test]
fn the_time_on_another_device_is_told_by_its_file_or_by_what_is_assumed() {
    let bench = Bench::new(PIPELINE);
    let quick = r#"{ "device": "a card", "processors": 1, "rates": [
        { "kind": "train", "like": "wide-resnet", "per_second": 1e12, "basis": { "results": 3 } },
        { "kind": "any", "like": "", "per_second": 5e11, "basis": { "assumed": "half of training's" } } ] }"#;
    bench.write("card.json", quick);
    bench.write("references.toml", REFERENCES);
    let plan = bench.ok(&["plan", "--profile", "cifar10", "--throughput", "card.json"]);
    let told = time(&plan);
    assert!(told.starts_with("about 3 years on a card (1 processor)"), "{told}");
    assert!(
        told.contains("1.00 T a second, by 3 results of wide-resnet") && told.contains("assumed, not measured: half of training's"),
        "{told}"
    );
    // Twice as quick takes half as long; assumptions are called so.
    let seconds = |peak: &str| {
        let plan = bench.json(&["plan", "--json", "--profile", "smoke", "--peak", peak]);
        number(&plan, LLR, "expected_seconds")
    };
    assert!((seconds("10") / seconds("20") - 2.0).abs() < 1e-9);
    let plan = bench.ok(&["plan", "--profile", "smoke", "--peak", "10", "--utilisation", "0.25"]);
    assert!(time(&plan).contains("assumed, not measured: 25 % of 10 TFLOP/s"), "{}", plan.err);

    bench.write("broken.json", &quick.replace("1e12", "-1"));
    for (arguments, words) in [
        (["--throughput", "broken.json"], "`per_second` of `train` is -1"),
        (["--throughput", "none.json"], "none.json: no throughput can be read"),
        (["--peak", "0"], "a device of 0 TFLOP/s"),
        (["--utilisation", "0.5"], "--peak"),
    ] {
        bench.planish(&[&["plan", "--profile", "smoke"], arguments.as_slice()].concat()).complains(2, &[words]);
    }
}
