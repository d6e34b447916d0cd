//! What most commands begin with: the pipeline, its plan, its store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use planish_cache::{Digest, Store};

use crate::plan::{self, Plan, Target};
use crate::run::{Adoptions, Evidence, Forecast, History, Mark, forecast, unknown_placeholder};
use crate::show::Screen;
use crate::spec::{self, Kinds, LoadOptions, Pipeline};

use super::error::CommandError;

/// The name of the store's folder beside the pipeline file.
const STORE: &str = ".planish";

/// Which pipeline, and how.
#[derive(Clone, Debug, Args)]
pub(super) struct PipelineArguments {
    /// The pipeline file
    #[arg(short, long, value_name = "PATH", default_value = "pipeline.toml")]
    pub(super) file: PathBuf,
    /// The profile to lay over the pipeline
    #[arg(short, long, value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// Set a value: `train.epochs=3`, `stages.train.params.epochs=3`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
    /// Where results are kept [default: .planish beside the pipeline file]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// The device for stages that have a choice: auto, cpu, cuda:0, cuda:all, wgpu:0
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Where data sets lie
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// ONNX Runtime's shared library
    #[arg(long, value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
    /// Where ONNX Runtime computes, for stages that have a choice: cpu, cuda
    #[arg(long, value_name = "PROVIDER")]
    provider: Option<String>,
    #[arg(skip)]
    text: Option<String>,
}

/// Where a pipeline that is made in memory keeps and finds things.
#[derive(Clone, Debug, Args)]
pub(super) struct PlaceArguments {
    /// Where results are kept [default: .planish in the working directory]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Where data sets lie
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// ONNX Runtime's shared library
    #[arg(long, value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
    /// Where ONNX Runtime computes, for stages that have a choice: cpu, cuda
    #[arg(long, value_name = "PROVIDER")]
    provider: Option<String>,
}

/// A pipeline that was read, planned, and whose store is open.
pub(super) struct Opened {
    pub(super) plan: Plan,
    pub(super) store: Store,
    pub(super) history: History,
    /// The folder of the pipeline file.
    pub(super) folder: PathBuf,
    /// The profile that is laid over the pipeline.
    pub(super) profile: Option<String>,
    /// The files that the pipeline was read from: path and content.
    pub(super) files: Vec<(PathBuf, Digest)>,
}

/// Which store, whether or not its pipeline can be read.
#[derive(Clone, Debug, Args)]
pub(super) struct StoreArguments {
    /// The pipeline file beside which the store is
    #[arg(short, long, value_name = "PATH", default_value = "pipeline.toml")]
    file: PathBuf,
    /// The store [default: .planish beside the pipeline file]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
}

impl StoreArguments {
    /// Opens the store, which must be there.
    pub(super) fn open(&self) -> Result<Store, CommandError> {
        let root = self.store.clone().unwrap_or_else(|| self.file.parent().unwrap_or(Path::new("")).join(STORE));
        if !root.exists() {
            let hint = "name the pipeline file with --file or the store with --store; `planish run` makes one";
            return Err(CommandError::usage(format!("there is no store at {}", root.display()), hint));
        }
        Ok(Store::open(&root)?)
    }
}

impl PipelineArguments {
    /// The pipeline `text`, called `name`.
    pub(super) fn in_memory(name: PathBuf, text: String, places: &PlaceArguments) -> Self {
        let PlaceArguments { store, data_dir, onnxruntime, provider } = places.clone();
        let (profile, sets, device) = (None, Vec::new(), None);
        PipelineArguments { file: name, profile, sets, store, device, data_dir, onnxruntime, provider, text: Some(text) }
    }

    fn options(&self) -> Result<LoadOptions, CommandError> {
        let mut execution = BTreeMap::new();
        for (name, path) in [("data_dir", &self.data_dir), ("onnxruntime", &self.onnxruntime)] {
            if let Some(path) = path {
                execution.insert(name.to_owned(), text(&std::path::absolute(path).unwrap_or_else(|_| path.clone()))?);
            }
        }
        for (name, choice) in [("device", &self.device), ("provider", &self.provider)] {
            execution.extend(choice.clone().map(|choice| (name.to_owned(), choice)));
        }
        Ok(LoadOptions {
            file: self.file.clone(),
            text: self.text.clone(),
            profile: self.profile.clone(),
            sets: self.sets.clone(),
            execution,
        })
    }

    /// The device that was named.
    pub(super) fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// The device, where it is not the processors of this machine.
    pub(super) fn accelerator(&self) -> Option<&str> {
        self.device.as_deref().filter(|device| !["auto", "cpu"].contains(device))
    }

    /// ONNX Runtime's library, if one is named.
    pub(super) fn onnxruntime(&self) -> Option<&Path> {
        self.onnxruntime.as_deref()
    }

    /// Reads the pipeline and makes the plan for `targets` (everything when there are none).
    pub(super) fn plan(&self, targets: &[String], kinds: &dyn Kinds) -> Result<Plan, CommandError> {
        self.planned(targets, kinds).map(|(_, plan)| plan)
    }

    fn planned(&self, targets: &[String], kinds: &dyn Kinds) -> Result<(Pipeline, Plan), CommandError> {
        let pipeline = spec::load(&self.options()?, kinds)?;
        let targets = targets.iter().map(|target| Target::parse(target)).collect::<Result<Vec<_>, _>>()?;
        let plan = plan::plan(&pipeline, &targets)?;
        for instance in &plan.instances {
            if let Some(message) = unknown_placeholder(instance) {
                let hint = "connect it under `inputs` or `files`, or declare it in `outputs`";
                return Err(CommandError::usage(format!("stage `{}`: {message}", instance.stage), hint));
            }
        }
        Ok((pipeline, plan))
    }

    /// Reads the pipeline, makes the plan for `targets` (everything when there are none), and opens the store.
    pub(super) fn open(&self, targets: &[String], kinds: &dyn Kinds) -> Result<Opened, CommandError> {
        let (pipeline, plan) = self.planned(targets, kinds)?;
        let folder = pipeline.folder().to_path_buf();
        let files = pipeline.files().iter().map(|(path, hash)| (path.clone(), Digest::from_bytes(*hash))).collect();
        let store = Store::open(&self.root())?;
        let history = History::load(&store, &self.file, self.profile.as_deref());
        Ok(Opened { plan, store, history, folder, profile: self.profile.clone(), files })
    }

    /// The store's folder.
    pub(super) fn root(&self) -> PathBuf {
        let beside = || self.file.parent().map_or_else(|| PathBuf::from(STORE), |folder| folder.join(STORE));
        self.store.clone().unwrap_or_else(beside)
    }
}

impl Opened {
    /// What a run would do with each instance, without forcing any.
    pub(super) fn forecast(&self) -> Result<Vec<Forecast>, CommandError> {
        Ok(forecast(&self.plan, &self.store, &self.history, &BTreeSet::new())?)
    }

    /// What of the results that a run would use was adopted from earlier code.
    pub(super) fn marks(&self, forecasts: &[Forecast]) -> Vec<Mark> {
        Adoptions::load(&self.store).marks(&self.plan, |index| match forecasts.get(index) {
            Some(Forecast::Hit { resolved, .. }) => Some(resolved.key),
            _ => None,
        })
    }

    /// What explanations are made from.
    pub(super) fn evidence<'a>(&'a self, forecasts: &'a [Forecast]) -> Evidence<'a> {
        Evidence { plan: &self.plan, forecasts, history: &self.history, store: &self.store }
    }

    /// Says what the store noticed while it was read.
    pub(super) fn say_notices(&self, screen: Screen) {
        for notice in self.store.take_notices() {
            screen.say(&format!("store: {notice}"));
        }
    }
}

fn text(path: &Path) -> Result<String, CommandError> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| CommandError::usage(format!("the path {} is not UTF-8", path.display()), "rename it"))
}
