//! The stage kind `train`.

use planish_contract::{Arity, Context, Failure, Interface, Invalid, Stage};
use planish_formats::{DataSet, DataSetInfo, Split, SplitName, kinds};
use planish_nn::{Device, Network, NetworkConfig, Parameters as Weights, Statistics, device, save_checkpoint, set_threads};

use crate::clock::Clock;
use crate::fit::Fit;
use crate::parameters::{Execution, Parameters};
use crate::slots::Slots;
use crate::state::State;

/// Trains a classifier on the training split of its input `data`.
///
/// Output `last` (the default) is the network after the last epoch, `selected` the one that the validation split prefers, `averaged` the average
/// after the last epoch where there is one. The test split is never opened.
#[derive(Clone, Copy, Debug)]
pub struct TrainStage;

const LAST: &str = "last";
const SELECTED: &str = "selected";
const AVERAGED: &str = "averaged";

impl Stage for TrainStage {
    type Parameters = Parameters;
    type Execution = Execution;

    const NAME: &'static str = "train";
    const PACKAGE: &'static str = env!("CARGO_PKG_NAME");

    fn interface(parameters: &Parameters) -> Interface {
        let mut outputs = vec![(LAST, kinds::CHECKPOINT), (SELECTED, kinds::CHECKPOINT)];
        if parameters.averaging.is_some() {
            outputs.push((AVERAGED, kinds::CHECKPOINT));
        }
        Interface::of(&[("data", kinds::DATA_SET, Arity::One)], &outputs)
    }

    fn validate(parameters: &Parameters) -> Result<(), Invalid> {
        parameters.validate()
    }

    fn members(parameters: &Parameters) -> Vec<&'static str> {
        vec![parameters.network.member(), parameters.objective.member()]
    }

    fn run(parameters: &Parameters, execution: &Execution, context: &Context) -> Result<(), Failure> {
        let threads = set_threads(context.threads);
        let data = DataSet::open(context.input("data")?)?;
        let train = filled(&data, SplitName::Train)?;
        let validation = filled(&data, SplitName::Validation)?;
        parameters.augmentation.check(data.info.shape)?;
        let config = configuration(parameters, &data.info);
        let network = Network::new(config.architecture()?);
        let device = device::open(&execution.device)?;
        let identity = identity(parameters, &data.info, &device)?;
        let mut slots = Slots::open(&context.checkpoints, &identity, &network.architecture);
        let mut state = begin(&mut slots, &network, parameters.seed, &device, context);
        let mut clock = Clock::after(&state.progress.times);
        let fit = Fit {
            parameters,
            network: &network,
            config: &config,
            train: &train,
            validation: &validation,
            device: &device.clone().autodiff(),
            context,
            checkpoint_interval: execution.checkpoint_interval.get(),
        };
        fit.run(&mut state, &mut slots, &mut clock)?;
        context.host.provenance("device", describe(&device).into());
        context.host.provenance("threads", threads.into());
        context.host.provenance("throughput", clock.facts());
        context.host.provenance("epochs", state.progress.times.facts());
        write_outputs(context, &config, &state)
    }
}

/// A split with at least one image.
fn filled(data: &DataSet, name: SplitName) -> Result<Split, Failure> {
    let split = data.split(name)?;
    if !split.is_empty() {
        return Ok(split);
    }
    Err(Failure::input_hint(
        format!("the {} split of the data set has no images", name.as_str()),
        "training needs images to train on and, apart from them, images to validate on",
    ))
}

fn configuration(parameters: &Parameters, info: &DataSetInfo) -> NetworkConfig {
    NetworkConfig {
        schema: NetworkConfig::SCHEMA,
        network: parameters.network.clone(),
        input: info.shape,
        classes: info.classes.clone(),
        mean: info.mean.clone(),
        std: info.std.clone(),
    }
}

/// What a kept state must agree with to be resumed from. Its key fixes all of it but the kind of device.
fn identity(parameters: &Parameters, info: &DataSetInfo, device: &Device) -> Result<String, Failure> {
    let text = serde_json::to_string(&(parameters, info)).map_err(|e| Failure::internal(e.to_string()))?;
    Ok(format!("{text}\n{}", describe(device)))
}

/// Which device it is, for people.
fn describe(device: &Device) -> String {
    let text = format!("{device:?}");
    text.trim_start_matches("Device<").trim_end_matches('>').to_owned()
}

/// The newest state that was kept, or a fresh one.
fn begin(slots: &mut Slots<'_>, network: &Network, seed: u64, device: &Device, context: &Context) -> State {
    let (kept, complaints) = slots.newest(device);
    for complaint in &complaints {
        context.host.log(complaint);
    }
    if let Some(state) = kept {
        context.host.log(&format!("going on after epoch {}", state.progress.epoch));
        context.host.provenance("resumed_after_epoch", state.progress.epoch.into());
        return state;
    }
    State::initial(&network.architecture, seed, device)
}

fn write_outputs(context: &Context, config: &NetworkConfig, state: &State) -> Result<(), Failure> {
    let history = &state.progress.history;
    let write = |output: &str, weights: &Weights, running: &Statistics, epochs: usize| {
        let until = history.get(..epochs).unwrap_or(history);
        save_checkpoint(&context.output(output), config, weights, running, until)?;
        context.declare_member(output, config.member())
    };
    write(LAST, &state.weights, &state.running, history.len())?;
    if let Some(average) = &state.average {
        write(AVERAGED, &average.weights, &average.running, history.len())?;
    }
    let (Some(choice), Some(selected)) = (state.progress.selected, &state.selected) else {
        return Err(Failure::internal("no epoch was validated"));
    };
    write(SELECTED, &selected.weights, &selected.running, choice.epoch as usize)
}
