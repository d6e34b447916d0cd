//! From a pipeline file to keys: what is the same instance, and what is another one.

use std::collections::{BTreeMap, BTreeSet};

use planish_cache::{Digest, Key};
use planish_contract::AnyStage;

use super::open;
use crate::key::{InputPart, KeyParts, key};
use crate::plan::{Plan, plan};
use crate::run::readiness::Upstream;
use crate::run::resolve::{Resolved, Resolver};
use crate::spec::testing::Case;
use crate::spec::{Kinds, load};

const PAPER: &str = r#"
name = "paper"
[stages.data]
run = "data"
params = { dataset = "fashion-mnist", train = 10_000 }
[stages.train]
run = "train"
inputs = { data = "data" }
params.eps = "8/255"
params.epochs = 8
matrix.method.nominal = { objective.nominal = {} }
matrix.method.llr = { objective.llr = { lambda = 4.0, steps = 10 } }
matrix.seed = [10, 9]
[stages.export]
run = "export"
inputs = { model = "train" }
[stages.attack]
run = "attack"
inputs = { model = "export", data = "data", gradients = "train:selected" }
matrix.attack.weak = { steps = 2 }
matrix.attack.strong = { steps = 20 }
[stages.tables]
run = "report"
inputs = { attacks = ["attack"], training = ["train"] }
"#;

/// The key of each instance when the output of an instance has this content.
fn resolved(plan: &Plan, content: impl Fn(&str, &str, &Key) -> String) -> BTreeMap<String, Resolved> {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut resolver = Resolver::new(plan, &store);
    let (mut all, mut outputs): (BTreeMap<String, Resolved>, Vec<BTreeMap<String, Digest>>) = Default::default();
    for instance in &plan.instances {
        let made = resolver.resolve(instance, |index| Upstream::Made(&outputs[index])).unwrap();
        let digest = |output: &str| Digest::of(content(&instance.id, output, &made.key).as_bytes());
        outputs.push(instance.interface.outputs.iter().map(|output| (output.name.clone(), digest(&output.name))).collect());
        all.insert(instance.id.clone(), made);
    }
    all
}

/// The key of each instance when other keys always make other bytes.
fn keys(case: &Case) -> BTreeMap<String, Key> {
    resolved(&case.plan(), |_, output, key| format!("{output} {key}")).into_iter().map(|(id, made)| (id, made.key)).collect()
}

fn edited(from: &str, to: &str) -> Case {
    let text = PAPER.replace(from, to);
    assert_ne!(text, PAPER, "{from}");
    Case::new(&text)
}

/// The stages with an instance of another key than in [`PAPER`].
fn changed(case: &Case) -> BTreeSet<String> {
    let (before, after) = (keys(&Case::new(PAPER)), keys(case));
    let other = after.iter().filter(|(id, key)| before.get(*id) != Some(*key));
    other.map(|(id, _)| id.split('[').next().unwrap().to_owned()).collect()
}

fn set_of(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_same_values_by_another_road_have_the_same_keys() {
    let profile = |text: &str| Case::new(&format!("{}\n[profiles.p.stages.train]\n{text}\n", PAPER.replace("= 8\n", "= 3\n"))).profile("p");
    let roads = [
        ("a comment and other spacing", edited("params.epochs = 8", "params . epochs=8 # as in the paper")),
        ("the default", edited("params.epochs = 8\n", "")),
        ("--set", edited("params.epochs = 8", "params.epochs = 3").set("train.epochs=8")),
        ("a profile", profile("params.epochs = 8")),
        ("a path in a profile", profile("\"params.epochs\" = 8")),
        ("an axis over the parameters", edited("params.epochs = 8", "params.epochs = 8\nparams.objective = \"nominal\"\nparams.seed = 3")),
        ("an axis over a profile", Case::new(&format!("{PAPER}\n[profiles.p]\nstages.train.params.seed = 3\n")).profile("p")),
        ("a fraction with blanks", edited("\"8/255\"", "\" 8 / 255 \"")),
        ("a fraction as a number", edited("\"8/255\"", &format!("{:?}", 8.0 / 255.0))),
        ("a larger fraction", edited("\"8/255\"", "\"16/510\"")),
        ("a fraction by --set", edited("\"8/255\"", "0.5").set("train.eps=8/255")),
        ("an integer for a number", edited("lambda = 4.0", "lambda = 4")),
        ("a choice written bare", edited("objective.nominal = {}", "objective = \"nominal\"")),
        ("other values of execution", edited("params.epochs = 8", "params.epochs = 8\nexecution = { device = \"cpu\", threads = 7 }")),
        ("other resources", edited("params.epochs = 8", "params.epochs = 8\ncpus = 2\nmemory = \"1 GB\"\ntimeout = \"1h\"\nretries = 2")),
        ("another name of the pipeline", edited("name = \"paper\"", "name = \"other\"")),
        ("another order of an axis", edited("seed = [10, 9]", "seed = [9, 10]")),
        ("a gather written out", edited("[\"train\"]", "{ from = [\"train:last\"] }")),
        ("a gather of parts", edited("[\"train\"]", "[\"train[seed=10]\", \"train[seed=9]\"]")),
        ("another stage beside", Case::new(&format!("{PAPER}\n[stages.more]\nrun = \"data\"\n"))),
    ];
    for (road, case) in roads {
        let other: BTreeSet<String> = changed(&case).into_iter().filter(|stage| stage != "more").collect();
        assert_eq!(other, BTreeSet::new(), "{road}");
    }
}

#[test]
fn labels_and_names_of_stages_are_not_in_the_keys_of_equal_work() {
    let made = |case: &Case| -> BTreeSet<Key> { keys(case).into_iter().filter(|(id, _)| id != "tables").map(|(_, key)| key).collect() };
    let before = made(&Case::new(PAPER));
    assert_eq!(made(&edited("method.llr", "method.ours")), before);
    assert_eq!(made(&edited("matrix.method.", "matrix.objective-of.")), before);
    assert_eq!(made(&edited("seed = [10, 9]", "seed = { first = { seed = 10 }, second = { seed = 9 } }")), before);
    assert_eq!(
        made(&Case::new(
            &PAPER.replace("stages.train", "stages.fit").replace("\"train", "\"fit").replace("run = \"fit\"", "run = \"train\"")
        )),
        before
    );
    // What gathers them is told their coordinates, so there they count.
    assert!(changed(&edited("method.llr", "method.ours")).contains("tables"));
    assert_eq!(keys(&Case::new(PAPER)).values().collect::<BTreeSet<_>>().len(), 18, "and no two instances share one");
}

#[test]
fn what_counts_changes_the_keys_of_those_that_it_reaches() {
    let rows = [
        (edited("epochs = 8", "epochs = 9"), &["train", "export", "attack", "tables"][..]),
        (edited("train = 10_000", "train = 10_001"), &["data", "train", "export", "attack", "tables"]),
        (edited("steps = 20 }", "steps = 21 }"), &["attack", "tables"]),
        (edited("gradients = \"train:selected\"", "gradients = \"train\""), &["attack", "tables"]),
        (edited(", training = [\"train\"]", ""), &["tables"]),
        (edited("[\"train\"]", "{ from = [\"train[seed=9]\"] }"), &["tables"]),
        (edited("params.epochs = 8", "params.epochs = 8\nkey_also = [\"device\"]"), &["train", "export", "attack", "tables"]),
        (edited("run = \"report\"", "run = \"report\"\nkey_also = [\"runtime\"]"), &["tables"]),
        (edited("run = \"export\"", "run = \"export\"\nparams.note = \"x\""), &["export", "attack", "tables"]),
    ];
    for (index, (case, expected)) in rows.iter().enumerate() {
        assert_eq!(changed(case), set_of(expected), "row {index}");
    }
}

#[test]
fn execution_counts_where_key_also_names_it() {
    let with = |also: &str, device: &str| {
        edited("params.epochs = 8", &format!("params.epochs = 8\nkey_also = {also}\nexecution = {{ device = \"{device}\", threads = 3 }}"))
    };
    assert_eq!(keys(&with("[]", "cpu")), keys(&with("[]", "auto")));
    assert_ne!(keys(&with("[\"device\"]", "cpu")), keys(&with("[\"device\"]", "auto")));
    assert_eq!(keys(&with("[\"threads\"]", "cpu")), keys(&with("[\"threads\"]", "auto")));
}

#[test]
fn each_output_cuts_off_for_itself() {
    let plan = Case::new(PAPER).plan();
    // The first run, then one in which this output of one training has other bytes and all else has the same.
    let with = |other: &str| {
        resolved(
            &plan,
            |id, output, _| if id == "train[method=llr,seed=9]" && output == other { "other".to_owned() } else { format!("{id} {output}") },
        )
    };
    let before = with("none");
    let reruns = |other: &str| -> Vec<String> {
        with(other).into_iter().filter(|(id, made)| before[id].key != made.key).map(|(id, _)| id).collect()
    };
    assert_eq!(reruns("selected"), ["attack[attack=strong,method=llr,seed=9]", "attack[attack=weak,method=llr,seed=9]"]);
    assert_eq!(reruns("last"), ["export[method=llr,seed=9]", "tables"]);
}

#[test]
fn an_absent_instance_enters_an_optional_gather_as_absent_with_its_coordinates() {
    let gather = |from: &str| {
        Case::new(&format!("{PAPER}\n[stages.more]\nrun = \"report\"\ninputs.attacks = {{ from = {from}, optional = true }}\n")).plan()
    };
    let made = BTreeMap::from([("evidence".to_owned(), Digest::of(b"evidence"))]);
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let parts = |plan: &Plan, absent: &str| -> KeyParts {
        let upstream = |index: usize| if plan.instances[index].id == absent { Upstream::Absent } else { Upstream::Made(&made) };
        let more = plan.instances.iter().find(|instance| instance.id == "more").unwrap();
        Resolver::new(plan, &store).resolve(more, upstream).unwrap().parts
    };
    let plan = gather("[\"attack\"]");
    let (weak, strong) = ("attack[attack=weak,method=llr,seed=9]", "attack[attack=strong,method=llr,seed=9]");
    let without = parts(&plan, weak);
    let absent: Vec<&InputPart> = without.inputs["attacks"].iter().filter(|part| part.digest.is_none()).collect();
    assert_eq!((without.inputs["attacks"].len(), absent.len()), (8, 1));
    let place = absent[0].coordinates.as_ref().unwrap();
    let labels: Vec<(&str, &str)> = place.iter().map(|(axis, coordinate)| (axis.as_str(), coordinate.label.as_str())).collect();
    assert_eq!(labels, [("attack", "weak"), ("method", "llr"), ("seed", "9")]);
    let rest = "[\"attack[attack=strong]\", \"attack[method=nominal]\", \"attack[seed=10]\"]";
    let left_out = parts(&gather(rest), "");
    assert_eq!(left_out.inputs["attacks"].len(), 7);
    let all = [parts(&plan, ""), without, parts(&plan, strong), left_out].map(|parts| key(&parts));
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 4, "there, absent, another one absent, never asked for");
}

macro_rules! generation {
    ($module:ident, $default:literal) => {
        mod $module {
            use planish_contract::{Context, Failure, Interface, Kind, NoExecution, Stage};
            use schemars::JsonSchema;
            use serde::{Deserialize, Serialize};

            #[derive(Serialize, Deserialize, JsonSchema)]
            #[serde(default, deny_unknown_fields)]
            pub(super) struct Steps {
                steps: u32,
            }
            impl Default for Steps {
                fn default() -> Self {
                    Steps { steps: $default }
                }
            }
            pub(super) struct Attack;
            impl Stage for Attack {
                type Parameters = Steps;
                type Execution = NoExecution;
                const NAME: &'static str = "attack";
                const PACKAGE: &'static str = "test";
                fn interface(_: &Steps) -> Interface {
                    Interface::of(&[], &[("out", Kind::ANY)])
                }
                fn run(_: &Steps, _: &NoExecution, _: &Context) -> Result<(), Failure> {
                    Ok(())
                }
            }
        }
    };
}
generation!(earlier, 20);
generation!(later, 40);

struct Generation(&'static dyn AnyStage);

impl Kinds for Generation {
    fn get(&self, name: &str) -> Option<&'static dyn AnyStage> {
        (name == self.0.name()).then_some(self.0)
    }

    fn names(&self) -> Vec<&'static str> {
        vec![self.0.name()]
    }
}

#[test]
fn a_changed_default_counts_and_only_where_it_is_used() {
    use std::marker::PhantomData;
    static EARLIER: PhantomData<earlier::Attack> = PhantomData;
    static LATER: PhantomData<later::Attack> = PhantomData;
    let key = |kind: &'static dyn AnyStage, params: &str| {
        let case = Case::new(&format!("[stages.a]\nrun = \"attack\"\nparams = {params}\n"));
        let plan = plan(&load(&case.options, &Generation(kind)).unwrap(), &[]).unwrap();
        resolved(&plan, |id, _, _| id.to_owned())["a"].key
    };
    assert_ne!(key(&EARLIER, "{}"), key(&LATER, "{}"));
    assert_eq!(key(&EARLIER, "{}"), key(&LATER, "{ steps = 20 }"));
    assert_eq!(key(&EARLIER, "{ steps = 30 }"), key(&LATER, "{ steps = 30 }"));
}
