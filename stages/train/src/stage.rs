//! The stage kind `train`.

use planish_contract::{Arity, Context, Failure, Interface, Invalid, Known, Outlook, Stage, Work};
use planish_formats::{DataSet, DataSetInfo, Split, SplitName, kinds};
use planish_nn::{Device, ModelFacts, Network, NetworkConfig, Parameters as Weights, Statistics, device, save_checkpoint, set_threads};

use crate::clock::Clock;
use crate::devices::Devices;
use crate::fit::Fit;
use crate::outlook::{self, Sizes};
use crate::parameters::{Execution, Parameters};
use crate::slots::Slots;
use crate::start::{START, Start};
use crate::state::State;
use crate::trial::trial;

/// Trains a classifier on the training split of its input `data`.
///
/// Output `last` (the default) is the network after the last epoch, `selected` the one that the validation split prefers, `averaged` the average
/// after the last epoch where there is one. The test split is never opened. A training may begin with trained weights: those of the
/// checkpoint `inputs.start`, or of the safetensors file `files.start`.
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
        Interface::of(&[("data", kinds::DATA_SET, Arity::One), (START, kinds::CHECKPOINT, Arity::Optional)], &outputs)
    }

    fn validate(parameters: &Parameters) -> Result<(), Invalid> {
        parameters.validate()
    }

    fn members(parameters: &Parameters) -> Vec<&'static str> {
        vec![parameters.network.member(), parameters.objective.member()]
    }

    fn outlook(parameters: &Parameters, inputs: &Known) -> Outlook {
        outlook::outlook(parameters, inputs)
    }

    fn trial(parameters: &Parameters, execution: &Execution, inputs: &Known, images: usize) -> Result<Option<Work>, Failure> {
        trial(parameters, execution, inputs, images)
    }

    fn run(parameters: &Parameters, execution: &Execution, context: &Context) -> Result<(), Failure> {
        run_on(&Devices::new(device::open_all(&execution.device)?)?, (parameters, execution), context)
    }
}

/// Trains on these devices.
///
/// # Errors
/// Those of the stage.
pub(crate) fn run_on(devices: &Devices, (parameters, execution): (&Parameters, &Execution), context: &Context) -> Result<(), Failure> {
    let threads = set_threads(context.threads);
    let data = DataSet::open(context.input("data")?)?;
    let train = filled(&data, SplitName::Train)?;
    let validation = filled(&data, SplitName::Validation)?;
    parameters.augmentation.check(data.info.shape)?;
    let config = configuration(parameters, &data.info);
    let network = Network::new(config.architecture()?);
    let device = devices.primary().clone().without_autodiff();
    devices.all().try_for_each(|device| parameters.precision.check(device))?;
    let start = Start::of(context, &config, &device)?;
    if parameters.epochs == 0 && start.is_none() {
        return Err(Failure::input_hint(
            "0 epochs train nothing",
            "write at least 1; with 0, `files.start` or `inputs.start` has the weights",
        ));
    }
    let identity = identity(parameters, &data.info, (&device, start.as_ref()))?;
    let mut slots = Slots::open(&context.checkpoints, &identity, &network.architecture);
    let first = || match &start {
        Some(start) => State::beginning(&start.weights, &start.running),
        None => State::initial(&network.architecture, parameters.seed, &device),
    };
    let mut state = begin(&mut slots, &device, context, &first);
    let mut clock = Clock::after(&state.progress.times);
    let done = state.progress.epoch;
    let fit = Fit {
        parameters,
        network: &network.with_precision(parameters.precision),
        measured: &network,
        config: &config,
        train: &train,
        validation: &validation,
        devices,
        context,
        checkpoint_interval: execution.checkpoint_interval.get(),
    };
    if let Some(remark) = devices.idle(parameters.accumulate) {
        context.host.log(&remark);
    }
    fit.run(&mut state, &mut slots, &mut clock)?;
    context.host.provenance("device", devices.describe().into());
    context.host.provenance("threads", threads.into());
    context.host.provenance("throughput", clock.facts());
    context.host.provenance("epochs", state.progress.times.facts());
    // What several devices do together says nothing of one.
    if devices.all().count() == 1 {
        let passes = outlook::passes_after(parameters, Sizes { train: train.len(), validation: validation.len() }, done);
        context.record_work(ModelFacts::of(&config).work_on(passes, &device).as_ref());
    }
    write_outputs(context, &config, &state)
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
    let (mean, std) = parameters.input_normalisation.numbers(info);
    NetworkConfig {
        schema: NetworkConfig::SCHEMA,
        network: parameters.network.clone(),
        input: info.shape,
        classes: info.classes.clone(),
        mean,
        std,
    }
}

/// What a kept state must agree with to be resumed from. Its key fixes all of it but the kind of device.
fn identity(parameters: &Parameters, info: &DataSetInfo, (device, start): (&Device, Option<&Start>)) -> Result<String, Failure> {
    let text = serde_json::to_string(&(parameters, info)).map_err(|e| Failure::internal(e.to_string()))?;
    let start = start.map_or_else(String::new, |start| format!("\n{}", start.digest));
    Ok(format!("{text}\n{}{start}", name_of(device)))
}

/// Which kind of device it is, and which of its kind.
fn name_of(device: &Device) -> String {
    let text = format!("{device:?}");
    text.trim_start_matches("Device<").trim_end_matches('>').to_owned()
}

/// The newest state that was kept, or the `first` one.
fn begin(slots: &mut Slots<'_>, device: &Device, context: &Context, first: &dyn Fn() -> State) -> State {
    let (kept, complaints) = slots.newest(device);
    for complaint in &complaints {
        context.host.log(complaint);
    }
    if let Some(state) = kept {
        context.host.log(&format!("going on after epoch {}", state.progress.epoch));
        context.host.provenance("resumed_after_epoch", state.progress.epoch.into());
        return state;
    }
    first()
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
