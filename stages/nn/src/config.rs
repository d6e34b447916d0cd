//! Everything about a trained network but its weights.

use planish_contract::Failure;
use serde::{Deserialize, Serialize};

use crate::{AnyNetwork, Architecture};

/// What `network.json` of a checkpoint holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// The version of this record: [`NetworkConfig::SCHEMA`].
    pub schema: u32,
    /// The network and its parameters.
    pub network: AnyNetwork,
    /// The shape of an image: channels, height, width.
    pub input: [usize; 3],
    /// The names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// One mean a channel, subtracted inside the network; pixel range `[0,1]`. Empty: none.
    pub mean: Vec<f64>,
    /// One standard deviation a channel, divided by inside the network. Empty: none.
    pub std: Vec<f64>,
}

impl NetworkConfig {
    /// The version this build reads and writes.
    pub const SCHEMA: u32 = 1;

    /// The graph.
    ///
    /// # Errors
    /// [`Failure::Input`] when the version is unknown or the network does not fit the images.
    pub fn architecture(&self) -> Result<Architecture, Failure> {
        if self.schema != Self::SCHEMA {
            return Err(Failure::input(format!(
                "network description of version {}, but this planish reads version {}",
                self.schema,
                Self::SCHEMA
            )));
        }
        self.network.architecture(self.input, self.classes.len(), &self.mean, &self.std)
    }

    /// The module path of the network's code.
    #[must_use]
    pub fn member(&self) -> &'static str {
        self.network.member()
    }
}
