use crate::spec::testing::Case;

#[test]
fn an_unknown_parameter() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
params.optimizer = { learning_rate = 0.1, momentun = 0.9 }
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x unknown key `momentun`
      ,-[pipeline.toml:7:43]
    6 | inputs.data = "data"
    7 | params.optimizer = { learning_rate = 0.1, momentun = 0.9 }
      :                                           ^^^^|^^^
      :                                               `-- not a key that this table has
      `----
     help: did you mean `momentum`?
    "#);
}

#[test]
fn an_unknown_choice() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
params.objective.tradez = { beta = 6 }
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x unknown choice `tradez`
      ,-[pipeline.toml:7:18]
    6 | inputs.data = "data"
    7 | params.objective.tradez = { beta = 6 }
      :                  ^^^|^^
      :                     `-- not one of the choices
      `----
     help: did you mean `trades`?
    "#);
}

#[test]
fn an_unknown_bare_choice() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
params = { network = { wide-resnet = { depth = 10, width = 1, activation = "reluu" } } }
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x unknown choice `reluu`
      ,-[pipeline.toml:7:76]
    6 | inputs.data = "data"
    7 | params = { network = { wide-resnet = { depth = 10, width = 1, activation = "reluu" } } }
      :                                                                            ^^^|^^^
      :                                                                               `-- not one of the choices
      `----
     help: did you mean `relu`?
    "#);
}

#[test]
fn a_wrong_type() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
params.epochs = "many"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x expected an integer from 0 to 4294967295, found the string "many"
      ,-[pipeline.toml:7:17]
    6 | inputs.data = "data"
    7 | params.epochs = "many"
      :                 ^^^|^^
      :                    `-- here
      `----
    "#);
}

#[test]
fn a_number_that_is_no_integer() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
params.epochs = 1.5
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x expected an integer from 0 to 4294967295, found the number 1.5
      ,-[pipeline.toml:7:17]
    6 | inputs.data = "data"
    7 | params.epochs = 1.5
      :                 ^|^
      :                  `-- here
      `----
    "#);
}

#[test]
fn a_list_for_a_table() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
params.optimizer = [0.1, 0.9]
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x expected a table, found a list
      ,-[pipeline.toml:7:20]
    6 | inputs.data = "data"
    7 | params.optimizer = [0.1, 0.9]
      :                    ^^^^^|^^^^
      :                         `-- here
      `----
    "#);
}

#[test]
fn two_choices() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
[stages.train.params.objective]
nominal = {}
trades = { beta = 6 }
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x one choice is possible here, but both `nominal` and `trades` are given
      ,-[pipeline.toml:9:1]
    7 | [stages.train.params.objective]
    8 | nominal = {}
      : ^^^|^^^
      :    `-- the other one
    9 | trades = { beta = 6 }
      : ^^^|^^
      :    `-- here
      `----
     help: keep one of the two; a path reaches into the selected choice only
    "#);
}

#[test]
fn a_missing_parameter() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
params.objective = "trades"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x `beta` is missing
      ,-[pipeline.toml:7:20]
    6 | inputs.data = "data"
    7 | params.objective = "trades"
      :                    ^^^^|^^^
      :                        `-- here
      `----
    "#);
}

#[test]
fn a_refused_parameter() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
params.objective.trades.beta = -1
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x `objective.trades.beta`: must not be negative
      ,-[pipeline.toml:7:32]
    6 | inputs.data = "data"
    7 | params.objective.trades.beta = -1
      :                                ^|
      :                                 `-- here
      `----
     help: the paper uses 6
    "#);
}

#[test]
fn a_refused_default() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
params = { "epochs" = 0 }
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x `epochs`: must be at least 1
      ,-[pipeline.toml:7:23]
    6 | inputs.data = "data"
    7 | params = { "epochs" = 0 }
      :                       |
      :                       `-- here
      `----
    "#);
}

#[test]
fn unknown_execution() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
execution.devise = "cpu"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x unknown key `devise`
      ,-[pipeline.toml:7:11]
    6 | inputs.data = "data"
    7 | execution.devise = "cpu"
      :           ^^^|^^
      :              `-- not a key that this table has
      `----
     help: did you mean `device`?
    "#);
}

#[test]
fn a_default_that_a_stage_refuses() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
"#;
    insta::assert_snapshot!(Case::new(text).execution("device", "gpu").broken(), @r#"
     x unknown choice `gpu`
      ,-[command line:1:10]
    1 | device = gpu
      :          ^|^
      :           `-- not one of the choices
      `----
     help: did you mean `cpu`?
    "#);
}

#[test]
fn key_also_of_nothing() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
key_also = ["devices"]
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x `devices` can't join the key
      ,-[pipeline.toml:7:13]
    6 | inputs.data = "data"
    7 | key_also = ["devices"]
      :             ^^^^|^^^^
      :                 `-- here
      `----
     help: did you mean `device`?
    "#);
}

#[test]
fn a_missing_file() {
    let text = r#"
[stages.data]
run = "data"
files = { source = "archive/*.tar.gz" }
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x `files.source` can't be found: there is no such file
      ,-[pipeline.toml:4:20]
    3 | run = "data"
    4 | files = { source = "archive/*.tar.gz" }
      :                    ^^^^^^^^^|^^^^^^^^
      :                             `-- here
      `----
     help: paths are relative to the pipeline file; looked for archive/*.tar.gz
    "#);
}

#[test]
fn a_command_without_outputs() {
    let text = r#"
[stages.mine]
run = "command"
params.command = ["true"]
params.outputs = []
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x `outputs`: a stage without outputs leaves nothing
      ,-[pipeline.toml:5:18]
    4 | params.command = ["true"]
    5 | params.outputs = []
      :                  ^|
      :                   `-- here
      `----
     help: write outputs = ["NAME"]
    "#);
}

#[test]
fn a_command_with_a_misspelt_output() {
    let text = r#"
[stages.mine]
run = "command"
params = { command = ["true"], outputs = [{ nam = "x" }] }
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x unknown key `nam`
      ,-[pipeline.toml:4:45]
    3 | run = "command"
    4 | params = { command = ["true"], outputs = [{ nam = "x" }] }
      :                                             ^|^
      :                                              `-- not a key that this table has
      `----
     help: did you mean `name`?
    "#);
}
