//! Stage kinds that do nothing: typed parameters of every shape that stages use, artifacts that fit each other.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use planish::spec::Kinds;
use planish_contract::{AnyStage, Arity, Context, Failure, Fraction, Interface, Invalid, Kind, NoExecution, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const DATA: Kind = Kind::new("data-set");
const MODEL: Kind = Kind::new("model");
const TABLES: Kind = Kind::new("tables");

macro_rules! stage {
    ($stage:ident, $name:literal, $execution:ty, $inputs:expr, $outputs:expr) => {
        struct $stage;
        impl Stage for $stage {
            type Parameters = Parameters;
            type Execution = $execution;
            const NAME: &'static str = $name;
            const PACKAGE: &'static str = "fuzz";
            fn interface(_: &Parameters) -> Interface {
                Interface::of(&$inputs, &$outputs)
            }
            fn validate(parameters: &Parameters) -> Result<(), Invalid> {
                match parameters.objective {
                    Objective::Trades { beta } if beta < 0.0 => {
                        Err(Invalid::at("objective.trades.beta", "must not be negative").hint("use 6"))
                    }
                    _ if parameters.epochs == 0 => Err(Invalid::at("epochs", "must be at least 1")),
                    _ => Ok(()),
                }
            }
            fn run(_: &Parameters, _: &$execution, _: &Context) -> Result<(), Failure> {
                Ok(())
            }
        }
    };
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Parameters {
    epochs: u32,
    seed: u64,
    offset: i64,
    eps: Fraction,
    name: String,
    on: bool,
    letter: Option<char>,
    list: Vec<f32>,
    pair: (u8, i8),
    table: BTreeMap<String, Vec<String>>,
    objective: Objective,
}

impl Default for Parameters {
    fn default() -> Self {
        let (name, list, table, objective) = (String::new(), Vec::new(), BTreeMap::new(), Objective::Nominal {});
        Parameters { epochs: 1, seed: 0, offset: 0, eps: Fraction(0.0), name, on: true, letter: None, list, pair: (0, 0), table, objective }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Objective {
    Nominal {},
    Trades {
        beta: f64,
    },
    Llr {
        lambda: f64,
        #[serde(default)]
        steps: u32,
    },
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Device {
    device: Option<String>,
    threads: u32,
}

stage!(Data, "data", NoExecution, [], [("data", DATA)]);
stage!(Train, "train", Device, [("data", DATA, Arity::One), ("start", MODEL, Arity::Optional)], [("last", MODEL), ("selected", MODEL)]);
stage!(Report, "report", NoExecution, [("models", MODEL, Arity::Gather), ("data", DATA, Arity::Optional)], [("tables", TABLES)]);

/// The stage kinds `data`, `train`, `report`.
pub struct Harmless;

fn all() -> [&'static dyn AnyStage; 3] {
    static DATA: PhantomData<Data> = PhantomData;
    static TRAIN: PhantomData<Train> = PhantomData;
    static REPORT: PhantomData<Report> = PhantomData;
    [&DATA, &TRAIN, &REPORT]
}

impl Kinds for Harmless {
    fn get(&self, name: &str) -> Option<&'static dyn AnyStage> {
        all().into_iter().find(|stage| stage.name() == name)
    }

    fn names(&self) -> Vec<&'static str> {
        all().iter().map(|stage| stage.name()).collect()
    }
}
