//! What runs again after a change, and what does not.

use crate::bench::{Bench, shell};

/// `count` copies its file and notes in `ran` that it ran; `lines` counts lines; `last` says how many.
fn pipeline() -> String {
    [
        shell("copy", "cat {files.text} > {outputs.out}/x; echo copy >> @/ran", "files.text = \"text\""),
        shell("lines", "wc -l < {inputs.copy}/x > {outputs.out}/n; echo lines >> @/ran", "inputs.copy = \"copy\""),
        shell(
            "last",
            "echo $WORD $(cat {inputs.n}/n) > {outputs.out}/x; echo last >> @/ran",
            "inputs.n = \"lines\"\nparams.environment.WORD = \"lines:\"",
        ),
    ]
    .concat()
}

fn bench() -> Bench {
    let bench = Bench::new(&pipeline());
    bench.write("text", "one\ntwo\n");
    bench
}

#[test]
fn a_second_run_does_nothing() {
    let bench = bench();
    bench.ok(&["run"]).counts(0, 3);
    let runs = || std::fs::read_dir(bench.path(".planish/runs")).unwrap().count();
    let before = runs();
    bench.ok(&["run"]).counts(3, 0);
    assert_eq!(bench.read("ran"), "copy\nlines\nlast\n");
    assert_eq!(runs(), before, "a run that does nothing leaves nothing");
    assert_eq!(bench.result("last", "out/x"), "lines: 2\n");
}

#[test]
fn the_same_bytes_cut_off_what_follows() {
    let bench = bench();
    bench.ok(&["run"]);
    bench.write("text", "three\nfour\n");
    bench.ok(&["run"]).counts(1, 2);
    assert_eq!(bench.read("ran"), "copy\nlines\nlast\ncopy\nlines\n");
}

#[test]
fn a_change_taken_back_is_a_hit() {
    let bench = bench();
    bench.ok(&["run"]);
    bench.write("text", "one\n");
    bench.ok(&["run"]).counts(0, 3);
    bench.write("text", "one\ntwo\n");
    bench.ok(&["run"]).counts(3, 0);
    bench.ok(&["run", "--set", "last.environment={ WORD = \"n:\" }"]).counts(2, 1);
    assert_eq!(bench.standings(), ["fresh", "fresh", "fresh"]);
}

#[test]
fn comments_and_order_in_the_file_change_nothing() {
    let bench = bench();
    bench.ok(&["run"]);
    let text = pipeline().replace("params.outputs = [\"out\"]", "params . outputs = [ # what it makes\n  'out',\n]");
    bench.pipeline(&format!("# A remark.\n{text}"));
    bench.ok(&["run"]).counts(3, 0);
}

#[test]
fn a_damaged_result_is_made_again() {
    let bench = bench();
    bench.ok(&["run"]);
    let view = bench.json(&["show", "copy", "--json"]);
    let digest = view[0]["outputs"][0]["files"][0]["digest"].as_str().unwrap();
    let blob = bench.path(".planish/objects").join(&digest[..2]).join(&digest[2..]);
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, "one\nTWO\n").unwrap();
    let said = bench.ok(&["run"]);
    said.counts(2, 1);
    assert!(said.err.contains("damaged"), "{}", said.err);
    assert_eq!(bench.result("copy", "out/x"), "one\ntwo\n");
    bench.ok(&["run"]).counts(3, 0);
}

#[test]
fn force_and_targets_choose_what_runs() {
    let bench = bench();
    bench.ok(&["run", "lines"]).counts(0, 2);
    bench.ok(&["run", "--force", "lines"]).counts(1, 2);
    bench.ok(&["run", "--force", "copy", "--force", "last"]).counts(1, 2);
    assert_eq!(bench.read("ran").lines().count(), 6);
}

#[test]
fn equal_work_under_two_names_is_done_once() {
    let script = "echo x > {outputs.out}/x; echo ran >> @/ran; sleep 0.2";
    let bench = Bench::new(&(shell("a", script, "") + &shell("b", script, "")));
    bench.ok(&["run", "--cpus", "2"]).counts(1, 1);
    assert_eq!(bench.read("ran"), "ran\n");
}

#[test]
fn what_joins_the_key_on_request_counts_and_resources_do_not() {
    let stage = |more: &str| shell("a", "echo x > {outputs.out}/x; echo ran >> @/ran", more);
    let bench = Bench::new(&stage(""));
    bench.ok(&["run"]).counts(0, 1);
    for not_keyed in ["cpus = 2", "memory = \"1 GB\"", "retries = 1", "timeout = \"1h\""] {
        bench.pipeline(&stage(not_keyed));
        bench.ok(&["run"]).counts(1, 0);
    }
    bench.pipeline(&stage("key_also = [\"runtime\"]"));
    assert!(bench.ok(&["why", "a"]).out.contains("key_also all: null"), "{}", bench.ok(&["why", "a"]).out);
    bench.ok(&["run"]).counts(0, 1);
    bench.ok(&["run"]).counts(1, 0);
    bench.pipeline(&stage(""));
    bench.ok(&["run"]).counts(1, 0);
    assert_eq!(bench.read("ran"), "ran\nran\n");
}

#[test]
fn a_renamed_variant_is_a_hit_and_its_stage_never_learns_its_name() {
    let text = |label: &str| {
        shell("a", "env > {outputs.out}/x; echo ran >> @/ran", &format!("[stages.a.matrix.word]\n{label} = {{ environment.WORD = \"1\" }}"))
            + &shell("b", "cat {inputs.a}/x > {outputs.out}/x", "inputs.a = \"a\"")
            + &shell("all", "cp {inputs.b}/gathered.json {outputs.out}/x", "inputs.b = [\"b\"]")
    };
    let bench = Bench::new(&text("former"));
    bench.ok(&["run"]).counts(0, 3);
    assert!(!bench.result("a[word=former]", "out/x").contains("former"));
    bench.pipeline(&text("latter"));
    // Only what gathers is told of labels.
    bench.ok(&["run"]).counts(2, 1);
    assert_eq!(bench.read("ran"), "ran\n");
    assert!(bench.result("all", "out/x").contains("latter"));
    bench.pipeline(&text("former"));
    bench.ok(&["run"]).counts(3, 0);
}

#[test]
fn files_count_by_their_content_wherever_they_lie() {
    let stage = |file: &str| shell("a", "cat {files.f} > {outputs.out}/x", &format!("files.f = \"{file}\""));
    let bench = Bench::new(&stage("one/f"));
    for folder in ["one", "two"] {
        std::fs::create_dir(bench.path(folder)).unwrap();
        bench.write(&format!("{folder}/f"), "text");
    }
    bench.ok(&["run"]).counts(0, 1);
    bench.pipeline(&stage("two/f"));
    bench.ok(&["run"]).counts(1, 0);
    bench.write("two/f", "other text");
    bench.ok(&["run"]).counts(0, 1);
    bench.pipeline(&stage("one/f"));
    bench.ok(&["run"]).counts(1, 0);
}

#[test]
fn an_upstream_rerun_that_changes_one_output_reruns_only_those_who_read_it() {
    let two = |right: &str| {
        format!(
            "[stages.two]\nrun = \"command\"\nparams.outputs = [\"left\", \"right\"]\nparams.environment.RIGHT = \"{right}\"\n\
             params.command = [\"sh\", \"-c\", 'echo l > {{outputs.left}}/x; echo $RIGHT > {{outputs.right}}/x']\n"
        )
    };
    let readers: String =
        ["left", "right"].iter().map(|name| shell(name, "cp {inputs.i}/x {outputs.out}/", &format!("inputs.i = \"two:{name}\""))).collect();
    let bench = Bench::new(&(two("1") + &readers));
    bench.ok(&["run"]).counts(0, 3);
    bench.pipeline(&(two("2") + &readers));
    bench.ok(&["run"]).counts(1, 2);
    assert_eq!((bench.result("left", "out/x"), bench.result("right", "out/x")), ("l\n".to_owned(), "2\n".to_owned()));
    bench.pipeline(&(two("1") + &readers));
    bench.ok(&["run"]).counts(3, 0);
}
