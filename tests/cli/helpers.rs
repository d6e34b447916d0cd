//! `init`, `doctor`, `list`, `completions`, `man`.

use crate::bench::{Bench, shell};

#[test]
fn init_writes_a_pipeline_that_runs_and_never_over_another() {
    let bench = Bench::new("# mine\n");
    bench.planish(&["init"]).complains(2, &["pipeline.toml is there already", "--file PATH"]);
    assert_eq!(bench.read("pipeline.toml"), "# mine\n");
    std::fs::remove_file(bench.path("pipeline.toml")).unwrap();
    assert!(bench.ok(&["init", "--template", "command"]).err.contains("wrote pipeline.toml"));
    bench.ok(&["run"]).counts(0, 5);
    assert_eq!(bench.result("all", "all/sums.txt"), "500500\n55\n");
    bench.ok(&["run"]).counts(5, 0);
}

#[test]
fn doctor_says_what_the_machine_can_do() {
    let bench = Bench::new(&shell("a", "true", ""));
    let said = bench.ok(&["doctor"]);
    for words in ["processors", "memory", "store", ".planish", "writable", "file system", "reflinks", "locks", "1 instances"] {
        assert!(said.out.contains(words), "no `{words}` in\n{}", said.out);
    }
    let left: Vec<_> = std::fs::read_dir(bench.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["pipeline.toml"], "it leaves nothing behind");
    bench.pipeline("[stages.a]\nrun = \"nothing\"\n");
    let said = bench.planish(&["doctor"]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("FAIL") && said.out.contains("unknown stage kind `nothing`"), "{}", said.out);
    bench.write("file", "");
    let said = bench.planish(&["doctor", "--store", "file/store"]);
    assert_eq!(said.code, 1, "{}", said.out);
}

#[cfg(not(any(feature = "cuda", feature = "wgpu")))]
#[test]
fn doctor_refuses_devices_that_are_not_here() {
    let bench = Bench::new(&shell("a", "true", ""));
    let refused = |device: &str, words: &[&str]| {
        let said = bench.planish(&["doctor", "--device", device]);
        assert_eq!(said.code, 1, "{}", said.out);
        for word in words.iter().chain(&["FAIL", device]) {
            assert!(said.out.contains(word), "no `{word}` in\n{}", said.out);
        }
    };
    refused("cuda", &["built without it", "feature `cuda`", "docs/gpu.md"]);
    refused("wgpu:all", &["feature `wgpu`"]);
    refused("gpu", &["is not a device", "cuda:all"]);
}

#[test]
fn list_shows_what_the_targets_alone_stand_for() {
    let matrix = "[stages.a.matrix.word]\none = { environment.WORD = \"1\" }\ntwo = { environment.WORD = \"2\" }";
    let bench = Bench::new(
        &(shell("a", "echo $WORD > {outputs.out}/x", matrix) + &shell("b", "cat {inputs.i}/x > {outputs.out}/x", "inputs.i = \"a\"")),
    );
    let out = bench.ok(&["list", "b[word=two]", "a"]).out;
    assert_eq!(out, "a[word=one]  command  out\na[word=two]  command  out\nb[word=two]  command  out  i ← a[word=two]:out\n");
    let views = bench.json(&["list", "b[word=one]", "--json"]);
    assert_eq!(views[0]["coordinates"], serde_json::json!({ "word": "one" }));
    assert_eq!(views[0]["inputs"]["i"], serde_json::json!(["a[word=one]:out"]));
    bench.planish(&["list", "b[word=three]"]).complains(2, &["there is no instance `b[word=three]`"]);
    assert!(bench.ok(&["list", "--artifacts"]).out.ends_with("0 artifacts, 0 B\n"));
    bench.ok(&["run", "a"]);
    let stored = bench.json(&["list", "--artifacts", "--json"]);
    assert_eq!(stored.as_array().unwrap().len(), 2);
    assert_eq!((&stored[0]["files"], &stored[0]["bytes"]), (&1.into(), &2.into()));
}

#[test]
fn completions_and_the_manual_know_every_command() {
    let bench = Bench::new("");
    let manual = bench.ok(&["man"]).out;
    let help = bench.ok(&["--help"]).out;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| line.starts_with("  "));
    // A description may go on in a line that is set in further.
    let commands = commands.filter(|line| !line.starts_with("   "));
    let names: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    assert!(names.len() > 10, "{help}");
    for shell in ["bash", "zsh", "fish"] {
        let text = bench.ok(&["completions", shell]).out;
        for name in &names {
            assert!(text.contains(name), "{shell}: {name}");
            assert!(manual.contains(&format!("PLANISH {}", name.to_uppercase())), "{name}");
        }
    }
    bench.ok(&["man", "--out", "pages"]);
    assert!(bench.read("pages/planish-run.1").contains("planish\\-run"));
}
