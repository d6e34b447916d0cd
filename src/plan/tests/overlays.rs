use serde_json::{Value, json};

use super::good::PAPER;
use crate::spec::testing::{Case, ids};

fn parameters(case: &Case, id: &str) -> Value {
    let plan = case.plan();
    plan.instances.iter().find(|instance| instance.id == id).unwrap_or_else(|| panic!("{:?}", ids(&plan))).parameters.clone()
}

fn with_profile(profile: &str) -> Case {
    Case::new(&format!("{PAPER}\n[profiles.p]\n{profile}\n")).profile("p")
}

const LLR: &str = "train[method=llr,seed=9]";

#[test]
fn a_profile_replaces_first_level_parameters_whole() {
    let data = parameters(&Case::new(PAPER).profile("cifar10"), "data");
    assert_eq!(data, json!({ "dataset": "cifar10", "train": 10_000, "seed": 0 }));
    let small = parameters(&with_profile("stages.train.params.network = \"small\""), LLR);
    assert_eq!(small["network"], json!({ "small": {} }));
    let dotted = parameters(&with_profile("stages.train.params.network.small = {}"), LLR);
    assert_eq!(dotted["network"], json!({ "small": {} }));
    assert_eq!(dotted["epochs"], json!(8));
}

#[test]
fn a_quoted_path_reaches_deeper() {
    let network = |profile: &str| parameters(&with_profile(profile), LLR)["network"]["wide-resnet"].clone();
    let expected = json!({ "depth": 16, "width": 2, "activation": "softplus" });
    assert_eq!(network("stages.train.params.\"network.wide-resnet.depth\" = 16"), expected);
    assert_eq!(network("\"stages.train.params.network.wide-resnet.depth\" = 16"), expected);
    let implied = parameters(&with_profile("stages.train.params.\"optimizer.learning_rate\" = 0.5"), LLR);
    assert_eq!(implied["optimizer"], json!({ "learning_rate": 0.5, "momentum": 0.9 }));
}

#[test]
fn a_profile_replaces_an_axis_whole_and_adds_stages() {
    let case = with_profile("stages.train.matrix.seed = [7]\nstages.more = { run = \"data\" }\nname = \"other\"\nstages.train.cpus = 1");
    let plan = case.plan();
    assert_eq!(plan.name, "other");
    assert!(ids(&plan).contains(&"train[method=llr,seed=7]") && ids(&plan).contains(&"more"));
    assert_eq!(ids(&plan).len(), 2 + 2 + 2 + 4 + 1);
}

#[test]
fn axes_win_over_profiles_and_set_wins_over_all() {
    let profile = "stages.train.params.objective = \"nominal\"\nstages.train.params.epochs = 3";
    let llr = parameters(&with_profile(profile), LLR);
    assert_eq!((&llr["objective"], &llr["epochs"]), (&json!({ "llr": { "lambda": 4.0, "steps": 10 } }), &json!(3)));
    let set = with_profile(profile).set("train.epochs=4").set("stages.train.params.objective.trades.beta=1").set("train.epochs=5");
    assert!(set.broken().contains("both `llr` and `trades` are given"));
    let whole = with_profile(profile).set("train.epochs=4").set("train.objective={ trades = { beta = 1 } }").set("train.epochs=5");
    let llr = parameters(&whole, LLR);
    assert_eq!((&llr["objective"], &llr["epochs"]), (&json!({ "trades": { "beta": 1.0 } }), &json!(5)));
}

#[test]
fn set_takes_short_and_long_paths_and_plain_text() {
    let case = Case::new(PAPER).set("data.dataset=cifar10").set("train.eps=8/255").set("train.optimizer.momentum=0.5").set("name=x");
    assert_eq!(parameters(&case, "data")["dataset"], json!("cifar10"));
    let train = parameters(&case, LLR);
    assert_eq!((&train["eps"], &train["optimizer"]["momentum"]), (&json!(8.0 / 255.0), &json!(0.5)));
    assert_eq!(case.plan().name, "x");
    let axis = Case::new(PAPER).set("train.matrix.seed=[1]").set("attack.matrix.attack={ only = { steps = 1 } }").plan();
    assert_eq!(ids(&axis).iter().filter(|id| id.starts_with("attack")).count(), 2);
}

#[test]
fn a_path_reaches_into_a_choice_that_is_written_bare() {
    let text = PAPER
        .replace("params.epochs = 8", "params.objective = \"llr\"")
        .replace("llr     = { objective.llr     = { lambda = 4.0, steps = 10 } }", "llr = { \"objective.llr.lambda\" = 2 }");
    assert_eq!(parameters(&Case::new(&text), LLR)["objective"], json!({ "llr": { "lambda": 2.0, "steps": 0 } }));
}

#[test]
fn the_values_of_another_road_make_the_same_instance() {
    let short = parameters(&Case::new(PAPER), LLR);
    let named = PAPER.replace("seed = [10, 9]", "seed = { 9 = { seed = 9 } }");
    assert_eq!(parameters(&Case::new(&named), LLR), short);
    let set = Case::new(&PAPER.replace("params.epochs = 8\n", "params.epochs = 3\n")).set("train.epochs=8");
    assert_eq!(parameters(&set, LLR), short);
}

#[test]
fn nested_keys_replace_whole_and_paths_do_not() {
    let variants = "rate = { a = { optimizer.momentum = 0.5 }, b = { \"optimizer.momentum\" = 0.5 } }";
    let text = PAPER.replace("params.epochs = 8", "params.optimizer.learning_rate = 0.7").replace("seed = [10, 9]", variants);
    let optimizer = |rate: &str| parameters(&Case::new(&text), &format!("train[method=llr,rate={rate}]"))["optimizer"].clone();
    assert_eq!(optimizer("a"), json!({ "learning_rate": 0.1, "momentum": 0.5 }));
    assert_eq!(optimizer("b"), json!({ "learning_rate": 0.7, "momentum": 0.5 }));
}

#[test]
fn a_profile_replaces_inputs_and_exclusions_whole() {
    let profile = "stages.train.exclude = [{ method = \"nominal\" }, { seed = 10 }]\nstages.tables.inputs.training = [\"train[seed=9]\"]";
    let case = with_profile(profile);
    let plan = case.plan();
    assert_eq!(ids(&plan).iter().filter(|id| id.starts_with("train")).collect::<Vec<_>>(), [&LLR]);
    let tables = plan.instances.last().unwrap();
    let gathered: Vec<usize> = tables.inputs.iter().map(|input| input.sources.len()).collect();
    assert_eq!((tables.id.as_str(), gathered), ("tables", vec![2, 1]));
}
