//! What can't be done is said, with the place and the fix, and with its exit code.

use crate::bench::{Bench, shell};

fn good() -> String {
    shell("a", "echo x > {outputs.out}/x", "")
}

#[test]
fn a_command_line_that_does_not_read_has_code_2() {
    let bench = Bench::new(&good());
    bench.planish(&["run", "--no-such-option"]).complains(2, &["--no-such-option"]);
    bench.planish(&["frobnicate"]).complains(2, &["frobnicate"]);
    bench.planish(&["run", "--cpus", "0"]).complains(2, &["--cpus"]);
    bench.planish(&[]).complains(2, &["Usage"]);
    let help = bench.ok(&["help"]).out;
    assert!(help.contains("Exit codes:") && help.contains("130  interrupted"), "{help}");
    assert!(!help.contains("worker"), "{help}");
    assert!(bench.ok(&["--version"]).out.starts_with("planish "));
}

#[test]
fn a_pipeline_that_can_not_be_used_has_code_2_and_the_place() {
    let bench = Bench::new(&good());
    bench.planish(&["run", "--file", "nowhere.toml"]).complains(2, &["nowhere.toml", "--file"]);
    bench.pipeline("[stages.a]\nrun = \"comand\"\n");
    bench.planish(&["run"]).complains(2, &["comand", "pipeline.toml:2", "command"]);
    bench.pipeline("[stages.a\n");
    bench.planish(&["plan"]).complains(2, &["pipeline.toml:1"]);
    bench.pipeline(&good().replace("{outputs.out}", "{outputs.ouf}"));
    bench.planish(&["run"]).complains(2, &["stage `a`: the command names `{outputs.ouf}`", "{outputs.out}", "hint:"]);
    assert!(!bench.path(".planish").exists(), "nothing was made for a pipeline that can't be used");
}

#[test]
fn what_is_not_in_the_plan_is_refused() {
    let bench = Bench::new(&good());
    bench.planish(&["run", "b"]).complains(2, &["b"]);
    bench.planish(&["run", "--force", "b"]).complains(2, &["there is no instance `b`"]);
    bench.planish(&["why", "b"]).complains(2, &["there is no instance `b`"]);
    bench.planish(&["run", "--profile", "large"]).complains(2, &["there is no profile `large`"]);
    bench.planish(&["show", "a"]).complains(2, &["`a` has no result", "planish run a"]);
    bench.planish(&["log", "a"]).complains(2, &["`a` has no log"]);
    bench.planish(&["report"]).complains(2, &["no stage of this pipeline makes a report"]);
}

#[test]
fn a_store_that_can_not_be_used_has_code_3() {
    let bench = Bench::new(&good());
    bench.write("file", "not a store");
    bench.planish(&["run", "--store", "file"]).complains(3, &["file", "hint:"]);
    bench.planish(&["run", "--store", "file/below"]).complains(3, &["file"]);
    bench.planish(&["run", "--store", "/proc/planish"]).complains(3, &["/proc/planish"]);
    std::fs::create_dir(bench.path("folder")).unwrap();
    bench.write("folder/important", "do not touch");
    bench.planish(&["run", "--store", "folder"]).complains(3, &["is not a planish store"]);
    assert_eq!(bench.read("folder/important"), "do not touch");
}

#[test]
fn a_store_that_loses_its_runs_folder_meanwhile_has_code_3() {
    // The run's record can't be written any more: a file stands where its folder has to be.
    let bench = Bench::new(&good());
    bench.ok(&["plan"]);
    std::fs::remove_dir(bench.path(".planish/runs")).unwrap();
    bench.write(".planish/runs", "in the way");
    bench.planish(&["run"]).complains(3, &["runs"]);
}

#[test]
fn quiet_says_errors_only() {
    let bench = Bench::new(&good());
    let said = bench.ok(&["run", "-q"]);
    assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""));
    let said = bench.ok(&["--quiet", "status"]);
    assert!(said.out.contains("fresh") && said.err.is_empty());
    bench.pipeline(&shell("a", "exit 1", ""));
    bench.planish(&["run", "-q"]).complains(1, &["failed: a"]);
}
