//! Trained weights that a training begins with: another training's checkpoint, or a safetensors file from elsewhere.

use std::collections::BTreeMap;
use std::path::Path;

use planish_contract::{Context, Failure, Folder};
use planish_formats::{CheckpointFiles, NamedTensor, WEIGHTS, tensors_from_bytes};
use planish_nn::{Architecture, Device, NetworkConfig, Parameters, Statistics};

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
        let (tensors, left_out) = as_named_here(tensors, &architecture);
        let remark = if left_out.is_empty() { String::new() } else { format!("; left out: {}", some_of(&left_out)) };
        context.host.log(&format!("starting from the {} tensors of {name}{remark}", tensors.len()));
        Self::matched(&tensors, digest, (&place, config, device))
    }

    fn matched(tensors: &[NamedTensor], digest: String, (place, config, device): Place<'_>) -> Result<Self, Failure> {
        let architecture = config.architecture()?;
        check_names(tensors, &architecture, (place, config, device))?;
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

const FORMAT: &str =
    "`files.start` is a safetensors file in 32 bits; `python docs/interop/pytorch_weights.py convert IN.pt OUT.safetensors` makes one";

/// The tensors of a file and its digest.
fn read(path: &Path, place: &str) -> Result<(Vec<NamedTensor>, String), Failure> {
    let bytes = std::fs::read(path).map_err(|e| Failure::io(path, e))?;
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x80\x02") {
        return Err(Failure::input_hint(format!("{place}: a pickle of PyTorch, which can run any code, is not opened"), FORMAT));
    }
    let tensors = tensors_from_bytes(&bytes, place).map_err(|failure| match failure {
        Failure::Input { message, .. } => Failure::input_hint(message, FORMAT),
        other => other,
    })?;
    Ok((tensors, blake3::hash(&bytes).to_string()))
}

/// What wrappers of PyTorch modules put before all names.
const WRAPPERS: [&str; 3] = ["module.", "_orig_mod.", "model."];

/// The tensors under the names that the architecture has, and the names of those that PyTorch keeps and no forward pass reads: counters of batch
/// normalisation, and the block that TRADES' wide residual networks declare and never call.
fn as_named_here(mut tensors: Vec<NamedTensor>, architecture: &Architecture) -> (Vec<NamedTensor>, Vec<String>) {
    while let Some(wrapper) =
        WRAPPERS.iter().find(|wrapper| !tensors.is_empty() && tensors.iter().all(|tensor| tensor.name.starts_with(**wrapper)))
    {
        for tensor in &mut tensors {
            tensor.name.drain(..wrapper.len());
        }
    }
    let known = expected(architecture);
    let idle = |name: &str| name.ends_with(".num_batches_tracked") || name.starts_with("sub_block1.");
    let (left_out, kept): (Vec<_>, Vec<_>) =
        tensors.into_iter().partition(|tensor| !known.contains_key(&tensor.name) && idle(&tensor.name));
    (kept, left_out.into_iter().map(|tensor| tensor.name).collect())
}

/// Name → shape of every tensor of a checkpoint.
fn expected(architecture: &Architecture) -> BTreeMap<String, Vec<usize>> {
    let parameters = architecture.parameters().into_iter().map(|spec| (spec.name, spec.shape));
    let norms = architecture.norms();
    let running =
        norms.iter().flat_map(|norm| ["running_mean", "running_var"].map(|what| (format!("{}.{what}", norm.name), vec![norm.channels])));
    parameters.chain(running).collect()
}

/// Checks that exactly the tensors of the network are there, in their shapes.
fn check_names(tensors: &[NamedTensor], architecture: &Architecture, (place, config, _): Place<'_>) -> Result<(), Failure> {
    let wanted = expected(architecture);
    let found: BTreeMap<&str, &[usize]> = tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice())).collect();
    let refuse = |message: String| Err(Failure::input_hint(format!("{place}: {message}"), fitting(config)));
    for (name, shape) in &wanted {
        match found.get(name.as_str()) {
            Some(there) if there == shape => {}
            Some(there) => return refuse(format!("tensor `{name}` has shape {there:?}, but the network needs {shape:?}")),
            None => {
                let others: Vec<String> = found.keys().filter(|name| !wanted.contains_key(**name)).map(|name| (*name).to_owned()).collect();
                let instead =
                    if others.is_empty() { String::new() } else { format!("; it has what the network does not: {}", some_of(&others)) };
                return refuse(format!("tensor `{name}` of shape {shape:?} is missing{instead}"));
            }
        }
    }
    let others: Vec<String> = found.keys().filter(|name| !wanted.contains_key(**name)).map(|name| (*name).to_owned()).collect();
    if others.is_empty() { Ok(()) } else { refuse(format!("the network has no {}", some_of(&others))) }
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

/// A few of the names, and how many more there are.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
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
