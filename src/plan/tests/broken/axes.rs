use crate::spec::testing::Case;

#[test]
fn an_unknown_axis() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
matrix.seed = [1, 2]
[stages.export]
run = "export"
inputs.model = "train[sed=1]"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x `train` has no axis `sed`
       ,-[pipeline.toml:10:16]
     9 | run = "export"
    10 | inputs.model = "train[sed=1]"
       :                ^^^^^^^|^^^^^^
       :                       `-- here
       `----
     help: did you mean `seed`?
    "#);
}

#[test]
fn an_unknown_label() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
matrix.method = { nominal = {}, llr = {} }
[stages.export]
run = "export"
inputs.model = "train[method=lr]"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x axis `method` of `train` has no label `lr`
       ,-[pipeline.toml:10:16]
     6 | inputs.data = "data"
     7 | matrix.method = { nominal = {}, llr = {} }
       :        ^^^|^^
       :           `-- the axis is declared here
     8 | [stages.export]
     9 | run = "export"
    10 | inputs.model = "train[method=lr]"
       :                ^^^^^^^^^|^^^^^^^^
       :                         `-- here
       `----
     help: did you mean `llr`?
    "#);
}

#[test]
fn an_unknown_axis_to_gather_along() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
matrix.seed = [1, 2]
[stages.tables]
run = "report"
inputs.training = { from = "train", over = ["method"] }
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x there is no axis `method` to gather along
       ,-[pipeline.toml:10:45]
     9 | run = "report"
    10 | inputs.training = { from = "train", over = ["method"] }
       :                                             ^^^^|^^^
       :                                                 `-- here
       `----
     help: one axis of: `seed`
    "#);
}

#[test]
fn an_axis_declared_again() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
matrix.seed = [1, 2]
[stages.export]
run = "export"
inputs.model = "train"
matrix.seed = [1, 2]
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x axis `seed` of `export` is declared already
       ,-[pipeline.toml:11:8]
     6 | inputs.data = "data"
     7 | matrix.seed = [1, 2]
       :        ^^|^
       :          `-- it travels along from here
     8 | [stages.export]
     9 | run = "export"
    10 | inputs.model = "train"
    11 | matrix.seed = [1, 2]
       :        ^^|^
       :          `-- declared again here
       `----
     help: give one of the two another name
    "#);
}

#[test]
fn axes_that_disagree() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
matrix.seed = [1, 2]
[stages.other]
run = "data"
matrix.seed = [1, 3]
[stages.export]
run = "export"
inputs.model = "train"
inputs.data = "other"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x two inputs of `export` disagree on axis `seed`
       ,-[pipeline.toml:10:8]
     6 | inputs.data = "data"
     7 | matrix.seed = [1, 2]
       :        ^^|^
       :          `-- another input brings it from here
     8 | [stages.other]
     9 | run = "data"
    10 | matrix.seed = [1, 3]
       :        ^^|^
       :          `-- input `data` brings it from here
    11 | [stages.export]
       `----
     help: give both the same labels, or one of them another name
    "#);
}

#[test]
fn axes_that_mean_different_things() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
matrix.size = { small = { epochs = 1 } }
[stages.other]
run = "data"
matrix.size = { small = { train = 1 } }
[stages.export]
run = "export"
inputs.model = "train"
inputs.data = "other"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x two inputs mean different things by `size=small`
       ,-[pipeline.toml:10:8]
     6 | inputs.data = "data"
     7 | matrix.size = { small = { epochs = 1 } }
       :        ^^|^
       :          `-- another input means this
     8 | [stages.other]
     9 | run = "data"
    10 | matrix.size = { small = { train = 1 } }
       :        ^^|^
       :          `-- input `data` means this
    11 | [stages.export]
       `----
     help: axes of the same name must have the same values; give one of them another name
    "#);
}

#[test]
fn inputs_without_a_place_in_common() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
matrix.seed = [1, 2]
[stages.export]
run = "export"
inputs.model = "train[seed=1]"
[stages.attack]
run = "attack"
inputs = { model = "export", data = "data", gradients = "train[seed=2]" }
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x the inputs of `attack` have no place in common
       ,-[pipeline.toml:13:57]
    12 | run = "attack"
    13 | inputs = { model = "export", data = "data", gradients = "train[seed=2]" }
       :                    ^^^^|^^^                             ^^^^^^^|^^^^^^^
       :                        |                                       `-- no instance here stands where the other inputs do
       :                        `-- another input
       `----
     help: inputs that share an axis are joined where their labels agree
    "#);
}

#[test]
fn two_axes_that_set_one_path() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
matrix.method = { trades = { objective.trades.beta = 6 } }
matrix.beta = { low = { "objective.trades.beta" = 1 } }
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x axes `method` and `beta` both set `objective.trades.beta`
      ,-[pipeline.toml:8:25]
    6 | inputs.data = "data"
    7 | matrix.method = { trades = { objective.trades.beta = 6 } }
      :                              ^^^^|^^^^
      :                                  `-- axis `method` sets it here
    8 | matrix.beta = { low = { "objective.trades.beta" = 1 } }
      :                         ^^^^^^^^^^^|^^^^^^^^^^^
      :                                    `-- axis `beta` sets it here
      `----
     help: which one wins would depend on their order: let one axis set it, or make ragged sweeps separate stages
    "#);
}

#[test]
fn a_label_twice() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
matrix.seed = [1, 2, 1.0]
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x axis `seed` has two variants `1`
      ,-[pipeline.toml:7:22]
    6 | inputs.data = "data"
    7 | matrix.seed = [1, 2, 1.0]
      :                |     ^|^
      :                |      `-- again here
      :                `-- first here
      `----
    "#);
}

#[test]
fn a_value_that_is_no_label() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
matrix.optimizer = [{ momentum = 0.5 }]
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x a table can't label a variant of axis `optimizer`
      ,-[pipeline.toml:7:21]
    6 | inputs.data = "data"
    7 | matrix.optimizer = [{ momentum = 0.5 }]
      :                     ^^^^^^^^^|^^^^^^^^
      :                              `-- here
      `----
     help: give it a name: optimizer.some-name = { optimizer = … }
    "#);
}

#[test]
fn an_empty_axis() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
matrix.seed = []
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x axis `seed` has no variants
      ,-[pipeline.toml:7:15]
    6 | inputs.data = "data"
    7 | matrix.seed = []
      :               ^|
      :                `-- here
      `----
     help: an axis needs at least one
    "#);
}

#[test]
fn a_wrong_value_in_an_axis() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
matrix.seed = [1, 2]
matrix.method = { a = { objective.llr.lambda = 1 }, b = { objective.llr.lamda = 2 } }
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x unknown key `lamda`
      ,-[pipeline.toml:8:73]
    7 | matrix.seed = [1, 2]
    8 | matrix.method = { a = { objective.llr.lambda = 1 }, b = { objective.llr.lamda = 2 } }
      :                                                                         ^^|^^
      :                                                                           `-- not a key that this table has
      `----
     help: did you mean `lambda`?
           seen in `train[method=b,seed=1]`
    "#);
}

#[test]
fn an_exclusion_of_an_unknown_label() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
matrix.seed = [1, 2]
exclude = [{ seed = 3 }]
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x axis `seed` has no label `3`
      ,-[pipeline.toml:8:21]
    6 | inputs.data = "data"
    7 | matrix.seed = [1, 2]
      :        ^^|^
      :          `-- the axis is declared here
    8 | exclude = [{ seed = 3 }]
      :                     |
      :                     `-- here
      `----
     help: one label of: `1`, `2`
    "#);
}

#[test]
fn nothing_left() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
matrix.seed = [1, 2]
exclude = [{ seed = 1 }, { seed = 2 }]
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x `exclude` leaves no instance of `train`
      ,-[pipeline.toml:4:9]
    3 | run = "data"
    4 | [stages.train]
      :         ^^|^^
      :           `-- this stage
    5 | run = "train"
      `----
    "#);
}

#[test]
fn too_many_instances() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
matrix = { seed = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50], epochs = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50], eps = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50] }
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x stage `train` would have 125000 instances; 100000 are possible in all
      ,-[pipeline.toml:4:9]
    3 | run = "data"
    4 | [stages.train]
      :         ^^|^^
      :           `-- this stage
    5 | run = "train"
      `----
     help: its own axes: seed × 50, epochs × 50, eps × 50; axes of its inputs multiply
    "#);
}

#[test]
fn one_value_in_two_spellings() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
[stages.train.matrix]
eps = ["1/255", "8/255", 0.00392156862745098, 0.25]
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x axis `eps` has one value twice: `1/255` and `0.00392156862745098`
      ,-[pipeline.toml:8:26]
    7 | [stages.train.matrix]
    8 | eps = ["1/255", "8/255", 0.00392156862745098, 0.25]
      :        ^^^|^^^           ^^^^^^^^^|^^^^^^^^^
      :           |                       `-- the same value here
      :           `-- first here
      `----
     help: leave one of them out
    "#);
    // Different ones with and without a fraction stand side by side.
    let fine = text.replace("0.00392156862745098", "0.00392156862745099");
    assert_eq!(Case::new(&fine).plan().instances.len(), 5);
    // What `--set` makes one value is meant to be one.
    assert_eq!(Case::new(text).set("train.eps=0.5").plan().instances.len(), 5);
}
