use crate::spec::testing::Case;

#[test]
fn a_path_into_another_choice() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
params.objective.llr.lambda = 4
matrix.beta = { low = { "objective.trades.beta" = 1 } }
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x one choice is possible here, but both `llr` and `trades` are given
      ,-[pipeline.toml:8:25]
    6 | inputs.data = "data"
    7 | params.objective.llr.lambda = 4
      :                  ^|^
      :                   `-- the other one
    8 | matrix.beta = { low = { "objective.trades.beta" = 1 } }
      :                         ^^^^^^^^^^^|^^^^^^^^^^^
      :                                    `-- here
      `----
     help: keep one of the two; a path reaches into the selected choice only
           seen in `train[beta=low]`
    "#);
}

#[test]
fn a_path_into_a_choice_that_nobody_made() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
"#;
    insta::assert_snapshot!(Case::new(text).set("train.objective.trades.beta=6").broken(), @r#"
     x the path leads into `trades`, which is not selected
      ,-[--set:1:17]
    1 | train.objective.trades.beta=6
      :       ^^^^|^^^^ ^^^|^^
      :           |        `-- here
      :           `-- nothing is chosen here
      `----
     help: a path reaches into the selected choice only; set the whole: { choice = { … } }
    "#);
}

#[test]
fn a_path_into_a_value() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
params.objective = "nominal"
"#;
    insta::assert_snapshot!(Case::new(text).set("train.objective.trades.beta=6").broken(), @r#"
      x the path `objective.trades.beta` leads nowhere: `objective` is `nominal`
       ,-[--set:1:24]
     1 | train.objective.trades.beta=6
       :                        ^^|^
       :                          `-- this path
       `----
      help: a path reaches into tables and into the selected choice only

    Advice:
      > and in pipeline.toml
       ,-[pipeline.toml:7:20]
     6 | inputs.data = "data"
     7 | params.objective = "nominal"
       :                    ^^^^|^^^^
       :                        `-- `objective` is set here
       `----
    "#);
}

#[test]
fn a_path_into_an_axis() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
matrix.seed = [1, 2]
"#;
    insta::assert_snapshot!(Case::new(text).set("train.matrix.seed.x=6").broken(), @r#"
     x `stages.train.matrix.seed` is replaced whole
      ,-[--set:1:14]
    1 | train.matrix.seed.x=6
      :              ^^|^
      :                `-- this path reaches inside it
      `----
     help: paths reach inside `params` and `execution` only; set the entry itself instead
    "#);
}

#[test]
fn a_set_without_a_value() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
"#;
    insta::assert_snapshot!(Case::new(text).set("train.epochs").broken(), @r#"
     x `train.epochs` sets nothing
      ,-[--set:1:1]
    1 | train.epochs
      : ^^^^^^|^^^^^
      :       `-- here
      `----
     help: write --set stage.parameter=value
    "#);
}

#[test]
fn a_set_of_an_unknown_stage() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
"#;
    insta::assert_snapshot!(Case::new(text).set("trian.epochs=3").broken(), @r#"
     x there is no stage `trian` to set anything in
      ,-[--set:1:1]
    1 | trian.epochs=3
      : ^^|^^
      :   `-- here
      `----
     help: did you mean `train`?
    "#);
}

#[test]
fn a_set_of_an_unknown_parameter() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
"#;
    insta::assert_snapshot!(Case::new(text).set("train.epoch=3").broken(), @r#"
     x unknown key `epoch`
      ,-[--set:1:7]
    1 | train.epoch=3
      :       ^^|^^
      :         `-- not a key that this table has
      `----
     help: did you mean `epochs`?
    "#);
}

#[test]
fn a_set_that_does_not_parse() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
"#;
    insta::assert_snapshot!(Case::new(text).set("train.matrix.seed=[1, 2").broken(), @r#"
     x the value does not parse: unclosed array, expected `]`
      ,-[--set:1:19]
    1 | train.matrix.seed=[1, 2
      :                   ^^|^^
      :                     `-- here
      `----
     help: write a TOML value: 3, 0.5, true, "text", [1, 2] or { key = "value" }
    "#);
}
