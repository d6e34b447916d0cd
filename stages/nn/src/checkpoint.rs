//! Trained networks on disk: `weights.safetensors`, `network.json`, `history.jsonl`.

use std::path::Path;

use planish_contract::{Failure, Folder};
use planish_formats::{CheckpointFiles, HistoryRecord, WEIGHTS};

use crate::{Device, Network, NetworkConfig, Parameters, Statistics};

/// A trained network, read from disk.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// What it is.
    pub config: NetworkConfig,
    /// Its graph.
    pub network: Network,
    /// Its weights, without autodiff.
    pub parameters: Parameters,
    /// Its running statistics, without autodiff.
    pub statistics: Statistics,
    /// Where the tensors are.
    pub device: Device,
}

/// Writes the three files of a checkpoint into the folder `dir`, which exists.
///
/// # Errors
/// [`Failure::Io`] when a file can't be written; [`Failure::Diverged`] when a weight is not finite; [`Failure::Internal`] when the parameters are
/// not those of the network.
pub fn save_checkpoint(
    dir: &Path,
    config: &NetworkConfig,
    parameters: &Parameters,
    statistics: &Statistics,
    history: &[HistoryRecord],
) -> Result<(), Failure> {
    let architecture = config.architecture()?;
    let mut tensors = parameters.to_tensors()?;
    tensors.extend(statistics.to_tensors(&architecture)?);
    // Read back as a check: what is written can be loaded again.
    let device = Device::flex();
    Parameters::from_tensors(&architecture, &tensors, &device)
        .and_then(|_| Statistics::from_tensors(&architecture, &tensors, &device))
        .map_err(|e| Failure::Diverged(format!("the network can't be saved: {e}")))?;
    CheckpointFiles::write(dir, config, &tensors, history)
}

/// Reads a checkpoint's network, weights and statistics to `device`.
///
/// # Errors
/// [`Failure::Input`] when a file is missing or damaged, or the weights are not those of the network that
/// `network.json` describes or are not finite; [`Failure::Io`] when a file can't be read.
pub fn load_checkpoint(folder: &Folder, device: &Device) -> Result<Checkpoint, Failure> {
    let files = CheckpointFiles::open(folder)?;
    let config: NetworkConfig = files.network()?;
    let architecture = config.architecture()?;
    let tensors = files.weights()?;
    let named = |failure: Failure| match failure {
        Failure::Input { message, hint } => Failure::Input { message: format!("{WEIGHTS}: {message}"), hint },
        other => other,
    };
    let parameters = Parameters::from_tensors(&architecture, &tensors, device).map_err(named)?;
    let statistics = Statistics::from_tensors(&architecture, &tensors, device).map_err(named)?;
    let expected = parameters.entries.len() + 2 * statistics.layers.len();
    if tensors.len() != expected {
        return Err(Failure::input(format!("{}: {} tensors, but the network has {expected}", WEIGHTS, tensors.len())));
    }
    Ok(Checkpoint { config, network: Network::new(architecture), parameters, statistics, device: device.clone() })
}
