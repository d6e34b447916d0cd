use super::super::good;
use crate::spec::testing::Case;

#[test]
fn targets_that_name_nothing() {
    let case = Case::new(good::PAPER);
    insta::assert_snapshot!(case.broken_for(&["trian", "train[method=lr]"]), @r#"
      x there is no stage `trian`
       ,-[target:1:1]
     1 | trian
       : ^^|^^
       :   `-- here
       `----
      help: did you mean `train`?

      x axis `method` of `train` has no label `lr`
       ,-[target:1:1]
     1 | train[method=lr]
       : ^^^^^^^^|^^^^^^^
       :         `-- here
       `----
      help: did you mean `llr`?

    Advice:
      > and in pipeline.toml
        ,-[pipeline.toml:15:22]
     14 |
     15 | [stages.train.matrix.method]
        :                      ^^^|^^
        :                         `-- the axis is declared here
     16 | nominal = { objective.nominal = {} }
        `----
    "#);
    assert!(case.broken_for(&["train:last"]).contains("a target names instances"));
    assert!(case.broken_for(&["train["]).contains("does not read as a reference"));
}

#[test]
fn a_file_that_is_too_large_or_missing_or_no_text() {
    let large = Case::new(&" ".repeat(5 * 1024 * 1024));
    assert!(large.broken().contains("larger than 4 MiB"));
    let mut missing = Case::new("");
    missing.options.file.set_file_name("pipelin.toml");
    insta::assert_snapshot!(missing.broken(), @r#"
    x the pipeline can't be read: pipelin.toml: No such file or directory (os error 2)
    help: `--file PATH` names the pipeline file
    "#);
    let binary = Case::new("");
    std::fs::write(&binary.options.file, [0x66, 0xff]).unwrap();
    assert!(binary.broken().contains("not UTF-8"));
}

#[test]
fn nesting_has_an_end() {
    for text in
        ["x = ".to_owned() + &"[".repeat(100_000), "x = ".to_owned() + &"{ a = ".repeat(100_000), vec!["a"; 100_000].join(".") + " = 1"]
    {
        assert!(!Case::new(&text).broken().is_empty());
    }
    let deep = "stages.a.params.".to_owned() + &vec!["a"; 70].join(".") + " = 1";
    assert!(Case::new(&deep).broken().contains("nest deeper than 64"));
}

#[test]
fn too_many_connections_are_refused_before_they_are_made() {
    let numbers = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let text = format!(
        "[stages.data]\nrun = \"data\"\nmatrix.seed = [{}]\n[stages.mine]\nrun = \"command\"\ninputs.all = [\"data\"]\n\
         params.outputs = [\"out\"]\nmatrix.command = {{ {} }}\n",
        numbers(500),
        (0..500).map(|n| format!("v{n} = {{ command = [\"x\"] }}")).collect::<Vec<_>>().join(", ")
    );
    assert!(Case::new(&text).broken().contains("more than 200000 connections"));
}

fn repeated(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

#[test]
fn large_pipelines_are_read_to_the_end() {
    let chain = repeated(2000, |n| {
        let input = if n == 0 { String::new() } else { format!("inputs.x = \"s{}\"\n", (n - 1) / 10) };
        format!("[stages.s{n}]\nrun = \"command\"\nparams = {{ command = [\"x\"], outputs = [\"o\"] }}\n{input}")
    });
    assert_eq!(Case::new(&chain).plan().instances.len(), 2000);
    let nothing_runs = repeated(2000, |n| format!("[stages.stage-{n}]\n"));
    assert!(Case::new(&nothing_runs).broken().contains("has no `run`"));
    let wrong_inputs = repeated(2000, |n| format!("[stages.s{n}]\nrun = \"data\"\ninputs.x = \"t{n}\"\n"));
    assert!(Case::new(&wrong_inputs).broken().contains("there is no stage `t0`"));
    let many_values = format!("[stages.a]\nrun = \"data\"\nmatrix.seed = [{}]\n", repeated(100_001, |n| format!("{n},")));
    assert!(Case::new(&many_values).broken().contains("would have 100001 instances"));
    let many_paths =
        |axis: &str, path: &str| format!("[stages.a.matrix.{axis}]\n{}", repeated(20_000, |n| format!("v{n}.\"{path}{n}.x\" = 1\n")));
    let clashes = many_paths("b", "p") + &many_paths("c", "q");
    assert!(Case::new(&clashes).broken().contains("has no `run`"));
    let many_references = format!(
        "[stages.a]\nrun = \"data\"\nmatrix.seed = [{}]\n[stages.b]\nrun = \"command\"\ninputs.x = [{}]\n",
        repeated(20_000, |n| format!("{n},")),
        repeated(20_000, |n| format!("\"a[seed={n}]\","))
    );
    assert!(Case::new(&many_references).broken().contains("names too many instances"));
}
