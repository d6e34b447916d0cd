use serde_json::json;

use super::super::*;
use crate::spec::testing::{Case, ids};

/// The shape of the paper's pipeline.
pub(super) const PAPER: &str = r#"
name = "local linearization"

[stages.data]
run = "data"
params = { dataset = "fashion-mnist", train = 10_000 }

[stages.train]
run = "train"
inputs = { data = "data" }
params.network = { wide-resnet = { depth = 10, width = 2, activation = "softplus" } }
params.epochs = 8
cpus = 2

[stages.train.matrix.method]
nominal = { objective.nominal = {} }
llr     = { objective.llr     = { lambda = 4.0, steps = 10 } }

[stages.train.matrix]
seed = [10, 9]

[stages.export]
run = "export"
inputs = { model = "train" }

[stages.attack]
run = "attack"
inputs = { model = "export", data = "data", gradients = "train:selected" }
[stages.attack.matrix.attack]
weak   = { steps = 2 }
strong = { steps = 20 }

[stages.tables]
run = "report"
inputs = { attacks = ["attack"], training = ["train"] }

[profiles.cifar10]
stages.data.params = { dataset = "cifar10" }
"#;

fn find<'a>(plan: &'a Plan, id: &str) -> &'a Instance {
    plan.instances.iter().find(|instance| instance.id == id).unwrap_or_else(|| panic!("no instance {id} in {:?}", ids(plan)))
}

fn sources<'a>(plan: &'a Plan, id: &str, input: &str) -> Vec<&'a str> {
    let input = find(plan, id).inputs.iter().find(|other| other.name == input).unwrap();
    input.sources.iter().map(|source| plan.instances[source.instance].id.as_str()).collect()
}

fn labels(coordinates: &Coordinates) -> String {
    coordinates.iter().map(|(axis, coordinate)| format!("{axis}={}", coordinate.label)).collect::<Vec<_>>().join(",")
}

#[test]
fn axes_travel_along_and_multiply() {
    let plan = Case::new(PAPER).plan();
    assert_eq!(plan.name, "local linearization");
    insta::assert_snapshot!(ids(&plan).join("\n"), @r#"
    data
    train[method=nominal,seed=10]
    train[method=nominal,seed=9]
    train[method=llr,seed=10]
    train[method=llr,seed=9]
    export[method=nominal,seed=10]
    export[method=nominal,seed=9]
    export[method=llr,seed=10]
    export[method=llr,seed=9]
    attack[attack=weak,method=nominal,seed=10]
    attack[attack=strong,method=nominal,seed=10]
    attack[attack=weak,method=nominal,seed=9]
    attack[attack=strong,method=nominal,seed=9]
    attack[attack=weak,method=llr,seed=10]
    attack[attack=strong,method=llr,seed=10]
    attack[attack=weak,method=llr,seed=9]
    attack[attack=strong,method=llr,seed=9]
    tables
    "#);
    assert_eq!(sources(&plan, "export[method=llr,seed=9]", "model"), ["train[method=llr,seed=9]"]);
    let attack = "attack[attack=weak,method=llr,seed=9]";
    assert_eq!(sources(&plan, attack, "model"), ["export[method=llr,seed=9]"]);
    assert_eq!(sources(&plan, attack, "gradients"), ["train[method=llr,seed=9]"]);
    assert_eq!(sources(&plan, attack, "data"), ["data"]);
    let gradients = &find(&plan, attack).inputs[1];
    assert_eq!((gradients.name.as_str(), gradients.sources[0].output.as_str()), ("gradients", "selected"));
    assert!(!gradients.gather && gradients.sources[0].coordinates.is_empty());
    assert_eq!(find(&plan, "train[method=llr,seed=9]").resources, Resources { cpus: 2, memory: None, gpus: 0 });
}

#[test]
fn every_instance_stands_after_what_it_needs_and_the_graph_says_so() {
    let plan = Case::new(PAPER).plan();
    assert_eq!(plan.graph.node_count(), plan.instances.len());
    let mut edges = 0;
    for (index, instance) in plan.instances.iter().enumerate() {
        let needs: std::collections::BTreeSet<usize> =
            instance.inputs.iter().flat_map(|input| &input.sources).map(|source| source.instance).collect();
        assert!(needs.iter().all(|need| *need < index), "{}", instance.id);
        edges += needs.len();
    }
    assert_eq!(plan.graph.edge_count(), edges);
    assert!(!petgraph::algo::is_cyclic_directed(&plan.graph));
}

#[test]
fn gathered_lists_are_sorted_by_coordinates_with_typed_values() {
    let plan = Case::new(PAPER).plan();
    assert_eq!(
        sources(&plan, "tables", "training"),
        ["train[method=llr,seed=9]", "train[method=llr,seed=10]", "train[method=nominal,seed=9]", "train[method=nominal,seed=10]"]
    );
    assert_eq!(sources(&plan, "tables", "attacks").len(), 8);
    let training = find(&plan, "tables").inputs.iter().find(|input| input.name == "training").unwrap();
    assert!(training.gather);
    let place = &training.sources[0].coordinates;
    assert_eq!(place["seed"].value, json!(9));
    assert_eq!(place["method"].value, json!({ "objective": { "llr": { "lambda": 4.0, "steps": 10 } } }));
}

#[test]
fn defaults_are_filled_in_and_typed() {
    let plan = Case::new(PAPER).plan();
    let train = find(&plan, "train[method=nominal,seed=10]");
    assert_eq!(
        train.parameters,
        json!({
            "network": { "wide-resnet": { "depth": 10, "width": 2, "activation": "softplus" } },
            "objective": { "nominal": {} },
            "optimizer": { "learning_rate": 0.1, "momentum": 0.9 },
            "epochs": 8, "seed": 10, "eps": 0.0,
        })
    );
    assert_eq!(train.execution, json!({ "device": "auto", "threads": 1 }));
    assert_eq!((train.kind.as_str(), train.package), ("train", "fake"));
}

const SPELLINGS: [&str; 4] = [
    r#"
    [stages.data]
    run = "data"
    [stages.train]
    run = "train"
    inputs.data = "data"
    [stages.train.params]
    objective.nominal = {}
    optimizer.learning_rate = 1
    eps = "1/4"
    "#,
    r#"
    stages.train.params.eps = 0.25
    stages.train.params.optimizer = { learning_rate = 1.0 }
    stages.train.params.objective = "nominal"  # a comment
    stages.train.inputs = { data = { from = "data" } }
    stages.train.run = "train"
    stages.data.run = "data"
    "#,
    r#"
    "stages.data" = { run = "data", params = {} }
    stages = { train = { params = { "optimizer.learning_rate" = 1e0, "objective" = { "nominal" = {} } , eps = 2.5e-1 }, run = "train", inputs.data = "data" } }
    "#,
    r#"
    stages.data.run = "data"
    "stages.train.params.optimizer.learning_rate" = 1
    [stages.train]
    run = "train"
    inputs.data = "data:data"
    params = { eps = " 1 / 4 ", objective.nominal = {}, epochs = 8 }
    "#,
];

#[test]
fn spelling_does_not_matter() {
    let plans: Vec<Plan> = SPELLINGS.iter().map(|text| Case::new(text).plan()).collect();
    for plan in &plans {
        let mut ids = ids(plan);
        ids.sort_unstable();
        assert_eq!(ids, ["data", "train"]);
        for id in ids {
            assert_eq!(find(plan, id).parameters, find(&plans[0], id).parameters);
            assert_eq!(find(plan, id).inputs.len(), find(&plans[0], id).inputs.len());
        }
    }
}

const SWEEP: &str = r#"
[stages.data]
run = "data"
matrix.size = [1, 2]
[stages.train]
run = "train"
inputs.data = "data"
matrix.method = { nominal = { objective = "nominal" }, llr = { objective.llr.lambda = 4 } }
matrix.epochs = [1, 2]
exclude = [{ method = "llr", epochs = 2 }, { size = 2, method = "nominal" }]
"#;

#[test]
fn a_matrix_is_thinned() {
    let text = SWEEP.replace("matrix.size = [1, 2]", "matrix.size = { 1 = { train = 1 }, 2 = { train = 2 } }");
    let plan = Case::new(&text).plan();
    assert_eq!(
        ids(&plan),
        [
            "data[size=1]",
            "data[size=2]",
            "train[epochs=1,method=nominal,size=1]",
            "train[epochs=2,method=nominal,size=1]",
            "train[epochs=1,method=llr,size=1]",
            "train[epochs=1,method=llr,size=2]",
        ]
    );
}

fn gathering(input: &str) -> String {
    format!("{PAPER}\n[stages.more]\nrun = \"report\"\ninputs.attacks = {input}\n")
}

#[test]
fn a_gather_along_some_axes_maps_along_the_rest() {
    let plan = Case::new(&gathering(r#"{ from = "attack", over = ["attack", "seed"] }"#)).plan();
    assert_eq!(
        sources(&plan, "more[method=llr]", "attacks"),
        [
            "attack[attack=strong,method=llr,seed=9]",
            "attack[attack=strong,method=llr,seed=10]",
            "attack[attack=weak,method=llr,seed=9]",
            "attack[attack=weak,method=llr,seed=10]"
        ]
    );
    let input = &find(&plan, "more[method=llr]").inputs[0];
    assert_eq!(labels(&input.sources[0].coordinates), "attack=strong,seed=9");
    assert!(input.gather && !input.optional);
}

#[test]
fn gathers_take_parts_and_may_be_optional() {
    let part = Case::new(&gathering(r#"["attack[method=llr, attack=weak]", "attack:evidence[seed=9,method=nominal]"]"#)).plan();
    assert_eq!(
        sources(&part, "more", "attacks"),
        [
            "attack[attack=strong,method=nominal,seed=9]",
            "attack[attack=weak,method=llr,seed=9]",
            "attack[attack=weak,method=llr,seed=10]",
            "attack[attack=weak,method=nominal,seed=9]"
        ]
    );
    let optional = Case::new(&gathering(r#"{ from = ["attack"], optional = true }"#)).plan();
    let input = &find(&optional, "more").inputs[0];
    assert!(input.optional && input.gather);
    assert_eq!(labels(&input.sources[0].coordinates), "attack=strong,method=llr,seed=9");
    let none = Case::new(&gathering("[]")).plan();
    assert!(sources(&none, "more", "attacks").is_empty());
}

#[test]
fn an_input_may_name_a_part_and_keeps_its_axes() {
    let text = PAPER.replace(r#"inputs = { model = "train" }"#, r#"inputs = { model = "train:last[method=llr]" }"#);
    let plan = Case::new(&text).plan();
    let exports: Vec<&str> = ids(&plan).into_iter().filter(|id| id.starts_with("export")).collect();
    assert_eq!(exports, ["export[method=llr,seed=10]", "export[method=llr,seed=9]"]);
    // The join leaves of `gradients` what `model` has.
    assert_eq!(ids(&plan).iter().filter(|id| id.starts_with("attack")).count(), 4);
}

#[test]
fn targets_keep_what_they_need() {
    let case = Case::new(PAPER);
    let plan = case.plan_for(&["attack[method=llr,seed=9,attack=weak]"]).unwrap();
    assert_eq!(ids(&plan), ["data", "train[method=llr,seed=9]", "export[method=llr,seed=9]", "attack[attack=weak,method=llr,seed=9]"]);
    assert_eq!(sources(&plan, "attack[attack=weak,method=llr,seed=9]", "model"), ["export[method=llr,seed=9]"]);
    assert_eq!(plan.graph.edge_count(), 5);
    let two = case.plan_for(&["train[seed=9]", "data"]).unwrap();
    assert_eq!(ids(&two), ["data", "train[method=nominal,seed=9]", "train[method=llr,seed=9]"]);
}

#[test]
fn execution_defaults_reach_the_stages_that_know_them() {
    let text = PAPER.replace("cpus = 2", "execution.device = \"auto\"\nkey_also = [\"device\", \"runtime\"]");
    let plan = Case::new(&text).execution("device", "cpu").execution("data_dir", "/somewhere").plan();
    assert_eq!(find(&plan, "data").execution, json!({ "data_dir": "/somewhere" }));
    // What the pipeline says itself stands.
    assert_eq!(find(&plan, "train[method=llr,seed=9]").execution["device"], json!("auto"));
    assert_eq!(find(&plan, "train[method=llr,seed=9]").key_also, ["device", "runtime"]);
    assert_eq!(find(&plan, "attack[attack=weak,method=llr,seed=9]").execution, json!({ "device": "cpu", "threads": 1 }));
    assert_eq!(find(&plan, "export[method=llr,seed=9]").execution, json!({}));
    let set = Case::new(&text).execution("device", "cpu").set("attack.execution.device=auto").plan();
    assert_eq!(find(&set, "attack[attack=weak,method=llr,seed=9]").execution["device"], json!("auto"));
}

#[test]
fn a_command_takes_anything_and_its_files() {
    let text = r#"
    [stages.data]
    run = "data"
    matrix.seed = [1, 2]
    [stages.mine]
    run = "command"
    inputs = { one = "data", all = ["data"] }
    files = { script = "*.py" }
    params.command = ["python3", "{files.script}"]
    params.outputs = ["out", { name = "model", kind = "checkpoint" }]
    params.environment = { "A.B" = "c" }
    [stages.export]
    run = "export"
    inputs.model = "mine:model"
    "#;
    let plan = Case::new(text).file("run.py", "print()").plan();
    let mine = find(&plan, "mine[seed=2]");
    assert_eq!(mine.parameters["outputs"], json!([{ "name": "out", "kind": "any" }, { "name": "model", "kind": "checkpoint" }]));
    assert_eq!(mine.parameters["environment"], json!({ "A.B": "c" }));
    assert_eq!(mine.files[0].paths[0].0, "run.py");
    assert_eq!(sources(&plan, "mine[seed=2]", "all").len(), 2);
    assert_eq!(sources(&plan, "export[seed=2]", "model"), ["mine[seed=2]"]);
}

#[test]
fn a_thousand_seeds_make_instances_and_connections_in_proportion() {
    let plan_of =
        |seeds: usize| Case::new(&PAPER.replace("seed = [10, 9]", &format!("seed = {:?}", (0..seeds).collect::<Vec<_>>()))).plan();
    let connections =
        |plan: &Plan| -> usize { plan.instances.iter().flat_map(|instance| &instance.inputs).map(|input| input.sources.len()).sum() };
    let (ten, thousand) = (plan_of(10), plan_of(1000));
    assert_eq!(ten.instances.len(), 1 + 20 + 20 + 40 + 1);
    assert_eq!(thousand.instances.len(), 1 + 2000 + 2000 + 4000 + 1);
    // Nothing is connected to more with more seeds, but what gathers them all.
    assert_eq!(connections(&thousand), 100 * connections(&ten));
}
