//! Trained weights that a training begins with: another training's checkpoint, or a safetensors file from elsewhere.

mod weights;

use std::path::Path;

use planish_contract::{Context, Failure, Folder};
use planish_formats::{CheckpointFiles, NamedTensor, WEIGHTS};
use planish_nn::{Architecture, Device, NetworkConfig, Parameters, Statistics};
use weights::{Wanted, as_named_here, some_of};

/// The name of the input and of the file.
pub(crate) const START: &str = "start";

/// Weights and running statistics to begin with.
pub(crate) struct Start {
    /// The weights.
    pub(crate) weights: Parameters,
    /// The running statistics of batch normalisation.
    pub(crate) running: Statistics,
    /// blake3 of the file that they come from.
    pub(crate) digest: String,
}

impl Start {
    /// What `inputs.start` or `files.start` gives, if there is one of them.
    ///
    /// # Errors
    /// [`Failure::Input`] when both are there, another file is given, or the weights are not those of `config`'s network.
    pub(crate) fn of(context: &Context, config: &NetworkConfig, device: &Device) -> Result<Option<Self>, Failure> {
        if let Some(unknown) = context.files.keys().find(|name| *name != START) {
            return Err(Failure::input_hint(format!("`files.{unknown}` means nothing to the train stage"), "it reads `files.start`"));
        }
        match (context.optional_input(START)?, context.files.get(START)) {
            (Some(_), Some(_)) => Err(Failure::input_hint(
                "both `inputs.start` and `files.start` are given",
                "a training begins with one of them: leave the other out",
            )),
            (Some(checkpoint), None) => {
                context.host.log("starting from the network of inputs.start");
                Self::from_checkpoint(checkpoint, config, device).map(Some)
            }
            (None, Some(files)) => Self::from_file(files, config, (context, device)).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn from_checkpoint(folder: &Folder, config: &NetworkConfig, device: &Device) -> Result<Self, Failure> {
        let theirs: NetworkConfig = CheckpointFiles::open(folder)?.network()?;
        same_network(&theirs, config)?;
        let place = format!("inputs.start: {WEIGHTS}");
        let (tensors, digest) = read(folder.file(WEIGHTS)?, &place)?;
        Self::matched(&tensors, digest, (&place, config, device))
    }

    fn from_file(files: &Folder, config: &NetworkConfig, (context, device): (&Context, &Device)) -> Result<Self, Failure> {
        let mut all = files.files();
        let (Some((name, path)), None) = (all.next(), all.next()) else {
            return Err(Failure::input_hint("`files.start` is more than one file", "name the safetensors file with the weights"));
        };
        let place = format!("files.start: {name}");
        let (tensors, digest) = read(path, &place)?;
        let architecture = config.architecture()?;
        let (tensors, left_out) = as_named_here(tensors, &expected(&architecture));
        let remark = if left_out.is_empty() { String::new() } else { format!("; left out: {}", some_of(&left_out)) };
        context.host.log(&format!("starting from the {} tensors of {name}{remark}", tensors.len()));
        Self::matched(&tensors, digest, (&place, config, device))
    }

    fn matched(tensors: &[NamedTensor], digest: String, (place, config, device): Place<'_>) -> Result<Self, Failure> {
        let architecture = config.architecture()?;
        weights::check(tensors, &expected(&architecture))
            .map_err(|wrong| Failure::input_hint(format!("{place}: {wrong}"), fitting(config)))?;
        let named = |failure| match failure {
            Failure::Input { message, .. } => Failure::input_hint(format!("{place}: {message}"), NUMBERS),
            other => other,
        };
        let weights = Parameters::from_tensors(&architecture, tensors, device).map_err(named)?;
        let running = Statistics::from_tensors(&architecture, tensors, device).map_err(named)?;
        Ok(Start { weights, running, digest })
    }
}

/// What messages call the file; the network that it is for; where its tensors go.
type Place<'a> = (&'a str, &'a NetworkConfig, &'a Device);

const NUMBERS: &str = "the network that was saved had diverged, or the file is damaged: save its weights again, in 32 bits";

/// The tensors of a file and its digest.
fn read(path: &Path, place: &str) -> Result<(Vec<NamedTensor>, String), Failure> {
    let bytes = std::fs::read(path).map_err(|e| Failure::io(path, e))?;
    Ok((weights::tensors(&bytes, place)?, blake3::hash(&bytes).to_string()))
}

/// Name → shape of every tensor of a checkpoint.
fn expected(architecture: &Architecture) -> Wanted {
    let parameters = architecture.parameters().into_iter().map(|spec| (spec.name, spec.shape));
    let norms = architecture.norms();
    let running =
        norms.iter().flat_map(|norm| ["running_mean", "running_var"].map(|what| (format!("{}.{what}", norm.name), vec![norm.channels])));
    parameters.chain(running).collect()
}

/// What to do about weights of another network.
fn fitting(config: &NetworkConfig) -> String {
    let network = serde_json::to_string(&config.network).unwrap_or_default();
    format!(
        "the stage's network is {network}, for {} classes; the usual wide residual networks of PyTorch are of stem \"standard\", and a mean and a \
         deviation of the input belong into `input_normalisation` (docs/interop/README.md)",
        config.classes.len()
    )
}

/// Refuses a checkpoint of another network than `ours`. Its classes may have other names.
fn same_network(theirs: &NetworkConfig, ours: &NetworkConfig) -> Result<(), Failure> {
    let text = |value: serde_json::Result<String>| value.map_err(|e| Failure::internal(e.to_string()));
    let differs = |what: &str, theirs: &str, ours: &str, hint: &str| {
        Err(Failure::input_hint(
            format!("the network of inputs.start has {what} {theirs}, but this training's has {ours}"),
            hint.to_owned(),
        ))
    };
    let (there, here) = (text(serde_json::to_string(&theirs.network))?, text(serde_json::to_string(&ours.network))?);
    if there != here {
        return differs("the description", &there, &here, "give both stages the same `network`");
    }
    if theirs.input != ours.input {
        return differs("images of shape", &format!("{:?}", theirs.input), &format!("{:?}", ours.input), "train on images of that shape");
    }
    if theirs.classes.len() != ours.classes.len() {
        let count = |config: &NetworkConfig| config.classes.len().to_string();
        return differs("a number of classes,", &count(theirs), &count(ours), "train on as many classes");
    }
    if (&theirs.mean, &theirs.std) != (&ours.mean, &ours.std) {
        let shown = |config: &NetworkConfig| format!("{:?} and {:?}", config.mean, config.std);
        let hint = if theirs.mean.is_empty() {
            "write input_normalisation = \"none\"".to_owned()
        } else {
            format!("write input_normalisation.given = {{ mean = {:?}, std = {:?} }}", theirs.mean, theirs.std)
        };
        return differs("means and deviations of the input", &shown(theirs), &shown(ours), &hint);
    }
    Ok(())
}
