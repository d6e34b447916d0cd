//! The stage kind `data`.

use planish_contract::{Context, Failure, Interface, Invalid, Known, Outlook, Stage};
use planish_formats::{DataFacts, DataSetInfo, SCHEMA, SplitName, kinds, write_data_set};

use crate::origin::{Surroundings, obtain};
use crate::{Execution, Parameters};

/// The name of the output folder.
const OUTPUT: &str = "data";

/// Reads a data set, checks it and writes the selection that the parameters ask for.
#[derive(Clone, Copy, Debug)]
pub struct DataStage;

impl Stage for DataStage {
    type Parameters = Parameters;
    type Execution = Execution;

    const NAME: &'static str = "data";
    const PACKAGE: &'static str = env!("CARGO_PKG_NAME");

    fn interface(_: &Parameters) -> Interface {
        Interface::of(&[], &[(OUTPUT, kinds::DATA_SET)])
    }

    fn validate(parameters: &Parameters) -> Result<(), Invalid> {
        parameters.check()
    }

    fn members(parameters: &Parameters) -> Vec<&'static str> {
        vec![parameters.dataset.member()]
    }

    fn outlook(parameters: &Parameters, _: &Known) -> Outlook {
        let facts = parameters.dataset.facts();
        let splits =
            [(SplitName::Train, parameters.train), (SplitName::Validation, parameters.validation), (SplitName::Test, parameters.test)];
        let facts = DataFacts { shape: facts.shape, classes: facts.classes.len(), splits: splits.into() };
        Outlook::of(None, &facts)
    }

    fn run(parameters: &Parameters, execution: &Execution, context: &Context) -> Result<(), Failure> {
        run(parameters, execution, context, &Surroundings::of_this_process())
    }
}

fn run(parameters: &Parameters, execution: &Execution, context: &Context, surroundings: &Surroundings) -> Result<(), Failure> {
    let facts = parameters.dataset.facts();
    let mut obtained = obtain(&*parameters.dataset, parameters.sizes(), execution, context, surroundings)?;
    context.host.provenance("origin", obtained.origin.into());
    obtained.splits.retain(|_, split| !split.is_empty());
    let info = DataSetInfo {
        schema: SCHEMA,
        name: facts.name.to_owned(),
        classes: facts.classes.iter().map(|&class| class.to_owned()).collect(),
        shape: facts.shape,
        mean: facts.mean.to_vec(),
        std: facts.std.to_vec(),
        splits: obtained.splits.iter().map(|(name, split)| (name.as_str().to_owned(), split.len())).collect(),
        shards: std::collections::BTreeMap::new(),
        sources: obtained.sources,
    };
    context.check_stopped()?;
    write_data_set(&context.output(OUTPUT), &info, &obtained.splits)
}

#[cfg(test)]
mod tests;
