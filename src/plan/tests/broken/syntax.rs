use crate::spec::testing::Case;

#[test]
fn not_toml() {
    let text = r#"
[stages.data]
run = "data
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x the file is not valid TOML: invalid basic string, expected `"`
      ,-[pipeline.toml:3:12]
    2 | [stages.data]
    3 | run = "data
      :            ^
      :            `-- here
      `----
    "#);
}

#[test]
fn a_key_twice() {
    let text = r#"
[stages.data]
run = "data"

[stages.train]
run = "train"

[stages.data]
params.seed = 1
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x the file is not valid TOML: duplicate key
      ,-[pipeline.toml:2:1]
    1 |
    2 | [stages.data]
      : ^^^^^^|^^^^^^
      :       `-- first defined here
    3 | run = "data"
      `----
      ,-[pipeline.toml:8:9]
    7 |
    8 | [stages.data]
      :         ^^|^
      :           `-- defined again here
    9 | params.seed = 1
      `----
     help: remove one of the two, or merge them
    "#);
}

#[test]
fn a_key_twice_in_two_spellings() {
    let text = r#"
[stages.data]
run = "data"
params.seed = 1

[stages]
"data.params.seed" = 2
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x `stages.data.params.seed` is set twice
      ,-[pipeline.toml:7:1]
    3 | run = "data"
    4 | params.seed = 1
      :        ^^|^
      :          `-- and here
    5 |
    6 | [stages]
    7 | "data.params.seed" = 2
      : ^^^^^^^^^|^^^^^^^^
      :          `-- set here
      `----
     help: keep one of the two
    "#);
}

#[test]
fn a_misspelt_key() {
    let text = r#"
[stage.data]
run = "data"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x unknown key `stage`
      ,-[pipeline.toml:2:2]
    1 |
    2 | [stage.data]
      :  ^^|^^
      :    `-- not a key that a pipeline has
    3 | run = "data"
      `----
     help: did you mean `stages`?
    "#);
}

#[test]
fn a_misspelt_stage_key() {
    let text = r#"
[stages.data]
run = "data"
param.seed = 1
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x unknown key `param` in stage `data`
      ,-[pipeline.toml:4:1]
    3 | run = "data"
    4 | param.seed = 1
      : ^^|^^
      :   `-- not a key that a stage has
      `----
     help: did you mean `params`?
    "#);
}

#[test]
fn a_parameter_outside_params() {
    let text = r#"
[stages.data]
run = "data"
dataset = "cifar10"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x unknown key `dataset` in stage `data`
      ,-[pipeline.toml:4:1]
    3 | run = "data"
    4 | dataset = "cifar10"
      : ^^^|^^^
      :    `-- not a key that a stage has
      `----
     help: one key of: `run`, `key_also`, `exclude`, `cpus`, `memory`, `gpus`, `timeout`, `retries`, `inputs`, `params`, `execution`, `files`, `matrix`
           parameters of the stage go under `params`
    "#);
}

#[test]
fn an_unknown_kind() {
    let text = r#"
[stages.data]
run = "date"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x unknown stage kind `date`
      ,-[pipeline.toml:3:7]
    2 | [stages.data]
    3 | run = "date"
      :       ^^^|^^
      :          `-- here
      `----
     help: did you mean `data`?
    "#);
}

#[test]
fn no_kind() {
    let text = r#"
[stages.data]
run = "data"
[profiles.p.stages.dta]
params.seed = 1
"#;
    insta::assert_snapshot!(Case::new(text).profile("p").broken(), @r#"
     x stage `dta` has no `run`
      ,-[pipeline.toml:4:20]
    3 | run = "data"
    4 | [profiles.p.stages.dta]
      :                    ^|^
      :                     `-- this stage
    5 | params.seed = 1
      `----
     help: did you mean stage `data`? a new stage needs `run = "KIND"`
    "#);
}

#[test]
fn a_number_that_is_not_finite() {
    let text = r#"
[stages.data]
run = "data"
[stages.train]
run = "train"
inputs.data = "data"
params.eps = inf
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x the number is not finite
      ,-[pipeline.toml:7:14]
    6 | inputs.data = "data"
    7 | params.eps = inf
      :              ^|^
      :               `-- here
      `----
     help: infinite numbers and NaN have no place in a pipeline
    "#);
}

#[test]
fn a_date() {
    let text = r#"
[stages.data]
run = "data"
params.seed = 1979-05-27
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x a date has no meaning in a pipeline
      ,-[pipeline.toml:4:15]
    3 | run = "data"
    4 | params.seed = 1979-05-27
      :               ^^^^^|^^^^
      :                    `-- here
      `----
     help: write it as a string, in quotes
    "#);
}

#[test]
fn a_huge_integer() {
    let text = r#"
[stages.data]
run = "data"
params.seed = 99999999999999999999
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x the integer is too large
      ,-[pipeline.toml:4:15]
    3 | run = "data"
    4 | params.seed = 99999999999999999999
      :               ^^^^^^^^^^|^^^^^^^^^
      :                         `-- here
      `----
     help: integers lie between -2^63 and 2^63 - 1
    "#);
}

#[test]
fn wrong_resources() {
    let text = r#"
[stages.data]
run = "data"
cpus = 0
[stages.more]
run = "data"
memory = "much"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x `cpus` must be an integer from 1 to 65536
      ,-[pipeline.toml:4:8]
    3 | run = "data"
    4 | cpus = 0
      :        |
      :        `-- here
    5 | [stages.more]
      `----

     x `memory` must be a size
      ,-[pipeline.toml:7:10]
    6 | run = "data"
    7 | memory = "much"
      :          ^^^|^^
      :             `-- here
      `----
     help: write a number of bytes, or "500 MB", "4 GB", "4 GiB"
    "#);
}

#[test]
fn wrong_limits() {
    let text = r#"
[stages.a]
run = "data"
timeout = "2 hours"
[stages.b]
run = "data"
retries = { time = 2 }
[stages.c]
run = "data"
retries = { times = 2, wait = 0 }
[stages.d]
run = "data"
retries = -1
timeuot = "1h"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x unknown key `timeuot` in stage `d`
       ,-[pipeline.toml:14:1]
    13 | retries = -1
    14 | timeuot = "1h"
       : ^^^|^^^
       :    `-- not a key that a stage has
       `----
     help: did you mean `timeout`?

     x `timeout` must be a time
      ,-[pipeline.toml:4:11]
    3 | run = "data"
    4 | timeout = "2 hours"
      :           ^^^^|^^^^
      :               `-- here
    5 | [stages.b]
      `----
     help: write a number of seconds, or "30s", "10m", "1h 30m", "2d"

     x unknown key `time` in `retries`
      ,-[pipeline.toml:7:13]
    6 | run = "data"
    7 | retries = { time = 2 }
      :             ^^|^
      :               `-- here
    8 | [stages.c]
      `----
     help: did you mean `times`?

     x `wait` must be a time
       ,-[pipeline.toml:10:31]
     9 | run = "data"
    10 | retries = { times = 2, wait = 0 }
       :                               |
       :                               `-- here
    11 | [stages.d]
       `----
     help: write a number of seconds, or "30s", "10m", "1h 30m", "2d"

     x `retries` must be an integer from 0 to 65536
       ,-[pipeline.toml:13:11]
    12 | run = "data"
    13 | retries = -1
       :           ^|
       :            `-- here
    14 | timeuot = "1h"
       `----
    "#);
}

#[test]
fn an_unknown_profile() {
    let text = r#"
[stages.data]
run = "data"
[profiles.cifar10]
stages.data.params.dataset = "cifar10"
"#;
    insta::assert_snapshot!(Case::new(text).profile("cifar").broken(), @r#"
    x there is no profile `cifar`
    help: did you mean `cifar10`?
    "#);
}

#[test]
fn a_broken_profile_that_is_not_chosen() {
    let text = r#"
[stages.data]
run = "data"
[profiles.p]
stages.data.parms.seed = 1
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x unknown key `parms` in stage `data`
      ,-[pipeline.toml:5:13]
    4 | [profiles.p]
    5 | stages.data.parms.seed = 1
      :             ^^|^^
      :               `-- not a key that a stage has
      `----
     help: did you mean `params`?
    "#);
}

#[test]
fn no_stages() {
    let text = r#"
name = "empty"
"#;
    insta::assert_snapshot!(Case::new(text).broken(), @r#"
     x the pipeline has no stages
      ,-[pipeline.toml:1:1]
    1 |
      : ^
    2 | name = "empty"
      `----
     help: write [stages.NAME] with run = "KIND"
    "#);
}
