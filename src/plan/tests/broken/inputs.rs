use crate::spec::testing::Case;

#[test]
fn an_unknown_stage() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "dat"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x there is no stage `dat`
      ,-[pipeline.toml:6:15]
    5 | run = "train"
    6 | inputs.data = "dat"
      :               ^^|^^
      :                 `-- here
      `----
     help: did you mean `data`?
    "#);
}

#[test]
fn an_unknown_output() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
[stages.export]
run = "export"
inputs.model = "train:selectd"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x stage `train` has no output `selectd`
      ,-[pipeline.toml:9:16]
    8 | run = "export"
    9 | inputs.model = "train:selectd"
      :                ^^^^^^^|^^^^^^^
      :                       `-- here
      `----
     help: did you mean `selected`?
    "#);
}

#[test]
fn an_unknown_input() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
inputs.dta = "data"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x stage kind `train` has no input `dta`
      ,-[pipeline.toml:7:8]
    6 | inputs.data = "data"
    7 | inputs.dta = "data"
      :        ^|^
      :         `-- here
      `----
     help: did you mean `data`?
    "#);
}

#[test]
fn a_missing_input() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x input `data` of stage `train` is not connected
      ,-[pipeline.toml:5:7]
    4 | [stages.train]
    5 | run = "train"
      :       ^^^|^^^
      :          `-- stage kind `train` needs `data-set` as `data`
      `----
     help: write inputs.data = "STAGE"
    "#);
}

#[test]
fn an_artifact_of_another_kind() {
    let text = r#"
[stages.data]
run = "data"
[stages.export]
run = "export"
inputs.model = "data"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x input `model` of `export` takes `checkpoint`, not `data-set`
      ,-[pipeline.toml:6:16]
    4 | [stages.export]
    5 | run = "export"
      :       ^^^^|^^^
      :           `-- stage kind `export` takes `checkpoint` as `model`
    6 | inputs.model = "data"
      :                ^^^|^^
      :                   `-- `data:data` is `data-set`
      `----
    "#);
}

#[test]
fn a_circle() {
    let text = r#"
[stages.a]
run = "command"
params = { command = ["x"], outputs = ["o"] }
inputs.x = "c"
[stages.b]
run = "command"
params = { command = ["x"], outputs = ["o"] }
inputs.x = "a"
[stages.c]
run = "command"
params = { command = ["x"], outputs = ["o"] }
inputs = { x = "b", y = "a" }
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x stages take from each other in a circle: a ← c ← a
      ,-[pipeline.toml:5:12]
    4 | params = { command = ["x"], outputs = ["o"] }
    5 | inputs.x = "c"
      :            ^|^
      :             `-- `a` takes from `c`
    6 | [stages.b]
      `----
       ,-[pipeline.toml:13:25]
    12 | params = { command = ["x"], outputs = ["o"] }
    13 | inputs = { x = "b", y = "a" }
       :                         ^|^
       :                          `-- `c` takes from `a`
       `----
     help: one of these inputs has to go
    "#);
}

#[test]
fn a_stage_that_takes_from_itself() {
    let text = r#"
[stages.a]
run = "command"
params = { command = ["x"], outputs = ["o"] }
inputs.x = "a"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x stages take from each other in a circle: a ← a
      ,-[pipeline.toml:5:12]
    4 | params = { command = ["x"], outputs = ["o"] }
    5 | inputs.x = "a"
      :            ^|^
      :             `-- `a` takes from `a`
      `----
     help: one of these inputs has to go
    "#);
}

#[test]
fn a_list_where_one_is_taken() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
[stages.export]
run = "export"
inputs.model = ["train"]
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x input `model` takes one artifact, not a list
      ,-[pipeline.toml:9:16]
    8 | run = "export"
    9 | inputs.model = ["train"]
      :                ^^^^|^^^^
      :                    `-- this gathers a list
      `----
     help: write "stage" to connect one to one, or fix the axes: "stage[axis=label]"
    "#);
}

#[test]
fn one_where_a_list_is_gathered() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
[stages.tables]
run = "report"
inputs.training = "train"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x input `training` gathers a list
      ,-[pipeline.toml:9:19]
    8 | run = "report"
    9 | inputs.training = "train"
      :                   ^^^|^^^
      :                      `-- this connects one to one
      `----
     help: write ["stage"] to gather all instances, or { from = "stage", over = ["axis"] }
    "#);
}

#[test]
fn a_reference_that_does_not_read() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
[stages.export]
run = "export"
inputs.model = "train[seed"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x `train[seed` does not read as a reference: the bracket does not close at its end
      ,-[pipeline.toml:9:16]
    8 | run = "export"
    9 | inputs.model = "train[seed"
      :                ^^^^^^|^^^^^
      :                      `-- here
      `----
     help: write "stage", "stage:output" or "stage[axis=label]"
    "#);
}

#[test]
fn an_optional_input_that_is_not_gathered() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
[stages.export]
run = "export"
inputs.model = { from = "train", optional = true }
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x only a gathered input can be optional
      ,-[pipeline.toml:9:34]
    8 | run = "export"
    9 | inputs.model = { from = "train", optional = true }
      :                                  ^^^^|^^^
      :                                      `-- here
      `----
     help: an input that takes one artifact is left out instead, where the stage allows it
    "#);
}

#[test]
fn a_wrong_key_in_an_input() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
[stages.tables]
run = "report"
inputs.training = { form = ["train"] }
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x unknown key `form` in input `training`
      ,-[pipeline.toml:9:21]
    8 | run = "report"
    9 | inputs.training = { form = ["train"] }
      :                     ^^|^
      :                       `-- here
      `----
     help: did you mean `from`?
    "#);
}

#[test]
fn several_problems_at_once() {
    let text = r#"
[stages.data]
run = "data"
params.sede = 1
[stages.train]
run = "train"
inputs.data = "dta"
params.epoch = 1
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x there is no stage `dta`
      ,-[pipeline.toml:7:15]
    6 | run = "train"
    7 | inputs.data = "dta"
      :               ^^|^^
      :                 `-- here
    8 | params.epoch = 1
      `----
     help: did you mean `data`?

     x unknown key `sede`
      ,-[pipeline.toml:4:8]
    3 | run = "data"
    4 | params.sede = 1
      :        ^^|^
      :          `-- not a key that this table has
    5 | [stages.train]
      `----
     help: did you mean `seed`?

     x unknown key `epoch`
      ,-[pipeline.toml:8:8]
    7 | inputs.data = "dta"
    8 | params.epoch = 1
      :        ^^|^^
      :          `-- not a key that this table has
      `----
     help: did you mean `epochs`?
    "#);
}

#[test]
fn an_input_of_another_output_would_fit() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
matrix.seed = [1]
[stages.mine]
run = "command"
params = { command = ["x"], outputs = ["log", { name = "model", kind = "onnx-model" }, { name = "weights", kind = "checkpoint" }] }
[stages.export]
run = "export"
inputs.model = "mine:model"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x input `model` of `export` takes `checkpoint`, not `onnx-model`
       ,-[pipeline.toml:13:16]
    11 | [stages.export]
    12 | run = "export"
       :       ^^^^|^^^
       :           `-- stage kind `export` takes `checkpoint` as `model`
    13 | inputs.model = "mine:model"
       :                ^^^^^^|^^^^^
       :                      `-- `mine:model` is `onnx-model`
       `----
     help: did you mean `mine:weights`?
    "#);
}
