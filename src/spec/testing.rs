//! Stage kinds and helpers for tests.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::PathBuf;

use planish_contract::{AnyStage, Arity, Context, Failure, Fraction, Interface, Invalid, Kind, NoExecution, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Kinds, LoadOptions, Pipeline, SpecErrors, load};
use crate::plan::{Plan, Target, plan};

const DATA: Kind = Kind::new("data-set");
const CHECKPOINT: Kind = Kind::new("checkpoint");
const MODEL: Kind = Kind::new("onnx-model");
const EVIDENCE: Kind = Kind::new("evidence");
const TABLES: Kind = Kind::new("tables");

macro_rules! stage {
    ($stage:ident, $name:literal, $parameters:ty, $execution:ty, $inputs:expr, $outputs:expr) => {
        struct $stage;
        impl Stage for $stage {
            type Parameters = $parameters;
            type Execution = $execution;
            const NAME: &'static str = $name;
            const PACKAGE: &'static str = "fake";
            fn interface(_: &$parameters) -> Interface {
                Interface::of(&$inputs, &$outputs)
            }
            fn validate(parameters: &$parameters) -> Result<(), Invalid> {
                Check::check(parameters)
            }
            fn run(_: &$parameters, _: &$execution, _: &Context) -> Result<(), Failure> {
                Ok(())
            }
        }
    };
}

trait Check {
    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Data {
    #[serde(default)]
    dataset: DataSet,
    #[serde(default)]
    train: Option<u32>,
    #[serde(default)]
    seed: u64,
}
impl Check for Data {}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum DataSet {
    #[default]
    FashionMnist,
    Cifar10,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct DataExecution {
    data_dir: Option<PathBuf>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Train {
    #[serde(default = "small")]
    network: Network,
    #[serde(default = "llr")]
    objective: Objective,
    #[serde(default)]
    optimizer: Optimizer,
    #[serde(default = "eight")]
    epochs: u32,
    #[serde(default)]
    seed: u64,
    #[serde(default = "zero")]
    eps: Fraction,
}

fn small() -> Network {
    Network::Small {}
}
fn llr() -> Objective {
    Objective::Llr(Llr { lambda: 4.0, steps: 2 })
}
fn eight() -> u32 {
    8
}
fn zero() -> Fraction {
    Fraction(0.0)
}

impl Check for Train {
    fn check(&self) -> Result<(), Invalid> {
        match &self.objective {
            Objective::Trades(trades) if trades.beta < 0.0 => {
                Err(Invalid::at("objective.trades.beta", "must not be negative").hint("the paper uses 6"))
            }
            _ if self.epochs == 0 => Err(Invalid::at("epochs", "must be at least 1")),
            _ => Ok(()),
        }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Network {
    Small {},
    WideResnet { depth: u32, width: u32, activation: Activation },
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Activation {
    Relu,
    Softplus,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Objective {
    Nominal(Nominal),
    Trades(Trades),
    Llr(Llr),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nominal {}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Trades {
    beta: f64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Llr {
    lambda: f64,
    #[serde(default)]
    steps: u32,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Optimizer {
    learning_rate: f64,
    momentum: f64,
}

impl Default for Optimizer {
    fn default() -> Self {
        Optimizer { learning_rate: 0.1, momentum: 0.9 }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Device {
    device: Name,
    threads: u32,
}

impl Default for Device {
    fn default() -> Self {
        Device { device: Name::Auto, threads: 1 }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Name {
    Auto,
    Cpu,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Plain {
    steps: u32,
    note: String,
}
impl Check for Plain {}

stage!(DataStage, "data", Data, DataExecution, [], [("data", DATA)]);
stage!(TrainStage, "train", Train, Device, [("data", DATA, Arity::One)], [("last", CHECKPOINT), ("selected", CHECKPOINT)]);
stage!(ExportStage, "export", Plain, NoExecution, [("model", CHECKPOINT, Arity::One), ("data", DATA, Arity::Optional)], [("model", MODEL)]);
stage!(
    AttackStage,
    "attack",
    Plain,
    Device,
    [("model", MODEL, Arity::One), ("data", DATA, Arity::One), ("gradients", CHECKPOINT, Arity::Optional)],
    [("evidence", EVIDENCE)]
);
stage!(
    ReportStage,
    "report",
    Plain,
    NoExecution,
    [("attacks", EVIDENCE, Arity::Gather), ("training", CHECKPOINT, Arity::Gather)],
    [("tables", TABLES)]
);

/// The stage kinds above.
pub(crate) struct Fake;

fn all() -> [&'static dyn AnyStage; 5] {
    static DATA: PhantomData<DataStage> = PhantomData;
    static TRAIN: PhantomData<TrainStage> = PhantomData;
    static EXPORT: PhantomData<ExportStage> = PhantomData;
    static ATTACK: PhantomData<AttackStage> = PhantomData;
    static REPORT: PhantomData<ReportStage> = PhantomData;
    [&DATA, &TRAIN, &EXPORT, &ATTACK, &REPORT]
}

impl Kinds for Fake {
    fn get(&self, name: &str) -> Option<&'static dyn AnyStage> {
        all().into_iter().find(|stage| stage.name() == name)
    }
    fn names(&self) -> Vec<&'static str> {
        all().iter().map(|stage| stage.name()).collect()
    }
}

/// A pipeline in a folder of its own.
pub(crate) struct Case {
    folder: tempfile::TempDir,
    pub(crate) options: LoadOptions,
}

impl Case {
    pub(crate) fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pipeline.toml");
        std::fs::write(&file, text).unwrap();
        Case { folder, options: LoadOptions { file, text: None, profile: None, sets: Vec::new(), execution: BTreeMap::new() } }
    }

    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    pub(crate) fn profile(mut self, name: &str) -> Self {
        self.options.profile = Some(name.to_owned());
        self
    }

    pub(crate) fn set(mut self, set: &str) -> Self {
        self.options.sets.push(set.to_owned());
        self
    }

    pub(crate) fn execution(mut self, key: &str, value: &str) -> Self {
        self.options.execution.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn load(&self) -> Result<Pipeline, SpecErrors> {
        load(&self.options, &Fake)
    }

    pub(crate) fn plan_for(&self, targets: &[&str]) -> Result<Plan, SpecErrors> {
        let targets = targets.iter().map(|target| Target::parse(target)).collect::<Result<Vec<_>, _>>()?;
        plan(&self.load()?, &targets)
    }

    /// The plan of a pipeline that has one.
    #[track_caller]
    pub(crate) fn plan(&self) -> Plan {
        self.plan_for(&[]).unwrap_or_else(|errors| panic!("{}", self.drawn(&errors)))
    }

    /// What is wrong, as it is shown.
    #[track_caller]
    pub(crate) fn broken(&self) -> String {
        self.broken_for(&[])
    }

    #[track_caller]
    pub(crate) fn broken_for(&self, targets: &[&str]) -> String {
        match self.plan_for(targets) {
            Ok(plan) => panic!("the pipeline is sound: {:?}", ids(&plan)),
            Err(errors) => self.drawn(&errors),
        }
    }

    fn drawn(&self, errors: &SpecErrors) -> String {
        // The folder's name is random, and may be cut at the end of a line.
        let folder = format!("{}/", self.folder.path().display());
        let text = errors.render(true, 400).replace(&folder, "");
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }
}

/// The names of the instances.
pub(crate) fn ids(plan: &Plan) -> Vec<&str> {
    plan.instances.iter().map(|instance| instance.id.as_str()).collect()
}
